{{ config(materialized='view') }}

with trades as (select * from {{ ref('int_window_trades') }}),

wallet_days as (select * from {{ ref('int_wallet_days') }}),

windows as (select * from {{ ref('int_windows') }}),

-- The longest window first, so that the others are asked only of its rows.
recent as (
    select * from wallet_days
    where day >= (select min(first_day) from windows)
),

happened as (
    select
        trades.window as `window`,  -- noqa: RF06
        wallet,
        false as is_booked,
        toDecimal128(0, 6) as pnl_usdc,
        volume_usdc,
        paid_in_usdc,
        fill_count,
        markets_traded,
        0 as markets_resolved,
        0 as markets_won
    from trades
    union all
    select
        windows.window as `window`,  -- noqa: RF06
        recent.wallet as wallet,
        true as is_booked,
        recent.booked_pnl_usdc as pnl_usdc,
        toDecimal128(0, 6) as volume_usdc,
        toDecimal128(0, 6) as paid_in_usdc,
        0 as fill_count,
        0 as markets_traded,
        recent.markets_resolved as markets_resolved,
        recent.markets_won as markets_won
    from recent
    cross join windows
    where recent.day between windows.first_day and windows.last_day
),

window_wallets as (
    select
        happened.window as `window`,  -- noqa: RF06
        wallet,
        sum(happened.pnl_usdc) as pnl_usdc,
        sum(happened.volume_usdc) as volume_usdc,
        sum(happened.paid_in_usdc) as paid_in_usdc,
        sum(happened.fill_count) as fill_count,
        sum(happened.markets_traded) as markets_traded,
        sum(happened.markets_resolved) as markets_resolved,
        sum(happened.markets_won) as markets_won
    from happened
    group by happened.window, wallet
    having fill_count > 0 or countIf(is_booked) > 0
)

select
    window_wallets.*,
    windows.first_day as first_day,
    windows.last_day as last_day
from window_wallets
inner join windows on window_wallets.window = windows.window
