-- The last days up to that of the last fill, told anew from the marts: booked P&L, fills (those of market makers too)
-- and their volume.
with leaderboard as (
    select
        *,
        toInt32OrZero(replaceOne(window, 'd', '')) as days
    from {{ ref('leaderboard') }}
    where window != 'all'
),

trades as (
    select
        wallet,
        toDate(filled_at) as day,
        usdc as volume_usdc
    from {{ ref('fct_fills') }}
    union all
    select
        wallet,
        toDate(traded_at) as day,
        usdc as volume_usdc
    from {{ ref('fct_amm_trades') }}
),

days as (
    select
        wallet,
        day,
        volume_usdc,
        1 as fill_count,
        toDecimal128(0, 6) as pnl_usdc
    from trades
    union all
    select
        wallet,
        day,
        toDecimal128(0, 6) as volume_usdc,
        0 as fill_count,
        booked_pnl_usdc as pnl_usdc
    from {{ ref('fct_wallet_pnl_daily') }}
),

recent as (
    select
        *,
        (select max(day) from trades) - day as days_ago
    from days
    where days_ago between 0 and 29
),

summed as (
    select
        leaderboard.days as days,
        leaderboard.wallet as wallet,
        sum(recent.pnl_usdc) as pnl_usdc,
        sum(recent.volume_usdc) as volume_usdc,
        sum(recent.fill_count) as fill_count
    from leaderboard
    inner join recent on leaderboard.wallet = recent.wallet
    where recent.days_ago < leaderboard.days
    group by leaderboard.days, leaderboard.wallet
)

select
    leaderboard.days,
    leaderboard.wallet,
    leaderboard.pnl_usdc,
    summed.pnl_usdc as summed_pnl_usdc,
    leaderboard.fill_count,
    summed.fill_count as summed_fill_count,
    leaderboard.volume_usdc,
    summed.volume_usdc as summed_volume_usdc
from leaderboard
left join summed on leaderboard.wallet = summed.wallet and leaderboard.days = summed.days
where
    leaderboard.pnl_usdc != coalesce(summed.pnl_usdc, 0)
    or leaderboard.fill_count != coalesce(summed.fill_count, 0)
    or leaderboard.volume_usdc != coalesce(summed.volume_usdc, 0)
