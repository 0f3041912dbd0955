-- Settled P&L is all cash plus what the shares still held, and those of pools, pay; each outcome may be rounded by a
-- base unit.
with truth as (
    -- Grouped, since ClickHouse 26.7 confuses the view's condition_id with the one inside it when it moves the join.
    select
        condition_id,
        any(payouts) as payouts
    from {{ ref('vw_resolutions_truth') }}
    group by condition_id
)

select
    pnl.wallet,
    pnl.condition_id,
    pnl.settlement_usdc,
    pnl.settled_pnl_usdc
from {{ ref('fct_realized_pnl_by_market') }} as pnl
inner join truth on pnl.condition_id = truth.condition_id
where
    pnl.is_resolved
    and notEmpty(pnl.open_shares)
    and (
        pnl.settled_pnl_usdc != pnl.cash_usdc + pnl.settlement_usdc + pnl.pooled_usdc
        or abs(
            toDecimal256(pnl.settlement_usdc, 24)
            - arraySum(
                (held, pays) -> toDecimal256(held, 6) * toDecimal256(pays, 18),
                pnl.open_shares,
                arrayResize(truth.payouts, length(pnl.open_shares))
            )
        ) > toDecimal256('0.000002', 24)
    )
