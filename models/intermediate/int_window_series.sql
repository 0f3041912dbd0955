{{ config(order_by=['`window`', 'wallet']) }}

with wallet_days as (select * from {{ ref('int_wallet_days') }}),

windows as (select * from {{ ref('int_windows') }}),

recent as (
    select
        wallet,
        groupArray((day, booked_pnl_usdc)) as days
    from wallet_days
    where booked_pnl_usdc != 0 and wallet_days.day >= (select min(first_day) from windows)
    group by wallet
),

-- Days without P&L move no sum and no extreme, so they are counted later and never listed.
listed as (
    select
        'all' as `window`,  -- noqa: RF06
        wallet,
        groupArray((day, settled_pnl_usdc)) as days
    from wallet_days
    where settled_pnl_usdc != 0
    group by wallet
    union all
    select
        given_window.1 as `window`,  -- noqa: RF06
        wallet,
        arrayFilter(day -> day.1 between given_window.2 and given_window.3, recent.days) as days
    from recent
    array join (select groupArray((windows.window, windows.first_day, windows.last_day)) from windows) as given_window
    where notEmpty(days)
),

in_order as (
    select
        listed.window as `window`,  -- noqa: RF06
        wallet,
        arraySort(day -> day.1, listed.days) as days,
        arrayMap(day -> day.2, days) as pnl_usdc
    from listed
),

-- How far the cumulative P&L is below its highest is a sum of what was lost that never goes below 0. A wallet begins at
-- 0, so a loss on the first day is a fall.
series as (
    select
        in_order.window as `window`,  -- noqa: RF06
        wallet,
        arraySum(arrayFilter(usdc -> usdc > 0, pnl_usdc)) as gaining_days_usdc,
        -arraySum(arrayFilter(usdc -> usdc < 0, pnl_usdc)) as losing_days_usdc,
        arraySum(
            usdc -> toInt256(reinterpretAsInt128(usdc)) * reinterpretAsInt128(usdc), pnl_usdc
        ) as squared_base_units,
        arrayMax(arrayCumSumNonNegative(usdc -> -usdc, pnl_usdc)) as max_drawdown_usdc,
        arrayMax(day -> day.1, days) as last_day
    from in_order
)

select * from series
