-- The ledger of a position never holds less than nothing: what was given up beyond it stands apart, and both together
-- are what the events say.
select
    positions.wallet,
    positions.condition_id,
    positions.outcome_index,
    positions.shares,
    positions.unmatched_shares,
    if(positions.outcome_index = 0, open_shares_0, open_shares_1) as open_shares
from {{ ref('int_positions') }} as positions
inner join {{ ref('int_wallet_conditions') }} as wallet_conditions
    on
        positions.wallet = wallet_conditions.wallet
        and positions.condition_id = wallet_conditions.condition_id
where
    positions.outcome_index in (0, 1)
    and positions.shares - positions.unmatched_shares != open_shares
