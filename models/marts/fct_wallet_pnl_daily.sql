{{ config(materialized='view') }}

with wallet_days as (select * from {{ ref('int_wallet_days') }}),

-- By wallet and not in a window: a filter by wallet goes through a window from ClickHouse 26.7 on only.
series as (
    select
        {{ hex_text('wallet_days.wallet') }} as wallet,
        arraySort(groupArray((day, realized_pnl_usdc, settled_pnl_usdc, booked_pnl_usdc))) as days,
        arrayCumSum(days.2) as cumulative_realized,
        arrayCumSum(days.3) as cumulative_settled,
        arrayCumSum(days.4) as cumulative_booked
    from wallet_days
    group by wallet
),

cumulated as (
    select
        wallet,
        of_day.1 as day,
        of_day.2 as realized_pnl_usdc,
        of_day.3 as settled_pnl_usdc,
        of_day.4 as booked_pnl_usdc,
        cumulative_realized_pnl_usdc,
        cumulative_settled_pnl_usdc,
        cumulative_booked_pnl_usdc
    from series
    array join
        days as of_day,
        cumulative_realized as cumulative_realized_pnl_usdc,
        cumulative_settled as cumulative_settled_pnl_usdc,
        cumulative_booked as cumulative_booked_pnl_usdc
)

select * from cumulated
