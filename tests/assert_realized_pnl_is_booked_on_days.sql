-- The days of a position add up to what it realized; each is there once and they are in order.
select
    wallet,
    condition_id,
    outcome_index,
    realized_by_day,
    realized_pnl_usdc
from {{ ref('int_positions') }}
where
    arraySum(realized_by_day.pnl_usdc) != realized_pnl_usdc
    or realized_by_day.day != arraySort(arrayDistinct(realized_by_day.day))
