-- The ledger of a position never holds less than nothing: what was given up beyond it stands apart, and both together
-- are what the events say.
with told as (
    select
        wallet,
        condition_id,
        outcome_index,
        sumIf(shares - fee_shares + leftover_shares + delta_shares, _table != 'int_positions') as moved_shares,
        sumIf(shares - unmatched_shares, _table = 'int_positions') as open_shares
    from {{ merged([ref('int_entries'), ref('int_redemptions'), ref('int_positions')]) }}
    where outcome_index != 255
    group by wallet, condition_id, outcome_index
)

select * from told
where moved_shares != open_shares
settings optimize_aggregation_in_order = 1
