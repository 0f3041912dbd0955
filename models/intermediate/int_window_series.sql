{{ config(order_by=['`window`', 'wallet']) }}

with wallet_days as (select * from {{ ref('int_wallet_days') }}),

windows as (select * from {{ ref('int_windows') }}),

-- The longest window first: a cross join looks at every row it is given.
recent as (
    select * from wallet_days
    where day >= (select min(first_day) from windows)
),

-- Days without P&L move no sum and no extreme, so they are counted later and never listed.
days as (
    select
        'all' as `window`,  -- noqa: RF06
        wallet,
        day,
        settled_pnl_usdc as pnl_usdc
    from wallet_days
    where wallet_days.settled_pnl_usdc != 0
    union all
    select
        windows.window as `window`,  -- noqa: RF06
        recent.wallet as wallet,
        recent.day as day,
        recent.booked_pnl_usdc as pnl_usdc
    from recent
    cross join windows
    where
        recent.booked_pnl_usdc != 0
        and recent.day between windows.first_day and windows.last_day
),

cumulated as (
    select
        *,
        sum(pnl_usdc) over so_far as cumulative_usdc
    from days
    window so_far as (partition by window, wallet order by day rows between unbounded preceding and current row)
),

-- A wallet begins at 0, so a loss on the first day is a fall.
peaked as (
    select
        *,
        greatest(max(cumulative_usdc) over so_far, toDecimal128(0, 6)) as peak_usdc
    from cumulated
    window so_far as (partition by window, wallet order by day rows between unbounded preceding and current row)
),

series as (
    select
        window,
        wallet,
        sumIf(pnl_usdc, pnl_usdc > 0) as gaining_days_usdc,
        -sumIf(pnl_usdc, pnl_usdc < 0) as losing_days_usdc,
        sum(toInt256(reinterpretAsInt128(pnl_usdc)) * reinterpretAsInt128(pnl_usdc)) as squared_base_units,
        max(peak_usdc - cumulative_usdc) as max_drawdown_usdc,
        max(day) as last_day
    from peaked
    group by peaked.window, wallet
)

select * from series
