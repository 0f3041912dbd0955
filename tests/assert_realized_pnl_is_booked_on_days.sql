-- The days of a position add up to what it realized, and are in order. Where conversions carried cost, a day may be
-- there more than once.
select
    wallet,
    condition_id,
    outcome_index,
    realized_by_day,
    realized_pnl_usdc
from {{ ref('int_positions') }}
where
    arraySum(realized_by_day.pnl_usdc) != realized_pnl_usdc
    or realized_by_day.day != arraySort(realized_by_day.day)
