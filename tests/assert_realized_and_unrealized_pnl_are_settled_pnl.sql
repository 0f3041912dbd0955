-- Once a condition is resolved, what was booked and what the shares held are worth above their cost is all there is to
-- gain: to the base unit, where a wallet gave up only what it had and nothing was converted.
select
    wallet,
    condition_id,
    realized_pnl_usdc,
    unrealized_pnl_usdc,
    settled_pnl_usdc
from {{ ref('int_wallet_conditions') }}
where
    is_resolved
    and unmatched_shares = 0
    and realized_pnl_usdc + unrealized_pnl_usdc != settled_pnl_usdc
    and condition_id not in (select condition_id from {{ ref('int_neg_risk_questions') }})
