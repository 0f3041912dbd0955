{{ config(order_by=['`window`', 'wallet']) }}

with entries as (select * from {{ ref('int_entries') }}),

wallet_days as (select * from {{ ref('int_wallet_days') }}),

windows as (select * from {{ ref('int_windows') }}),

-- What happened on a day, and what was booked on it.
counted as (
    select
        wallet,
        toDate({{ time_of_moment('moment') }}) as day,
        {{ is_trade() }} as is_fill,
        nullIf(entries.condition_id, toFixedString('', 32)) as condition_id,
        abs(fill_usdc) as volume_usdc,
        if(
            kind = 0 and fill_usdc = 0 and outcome_index < 128,
            toDecimal128(0, 6),
            greatest(-fill_usdc - other_usdc, toDecimal128(0, 6))
        ) as paid_in_usdc,
        false as is_booked,
        toDecimal128(0, 6) as pnl_usdc,
        0 as markets_resolved,
        0 as markets_won
    from entries
    where kind in (0, 1, 2, 3)
    union all
    select
        {{ hex_bytes('wallet_days.wallet', 20) }} as wallet,
        day,
        false as is_fill,
        null as condition_id,
        toDecimal128(0, 6) as volume_usdc,
        toDecimal128(0, 6) as paid_in_usdc,
        true as is_booked,
        booked_pnl_usdc as pnl_usdc,
        markets_resolved,
        markets_won
    from wallet_days
),

-- The longest window first: a cross join looks at every row it is given.
recent as (
    select * from counted
    where day >= (select min(first_day) from windows)
),

window_wallets as (
    select
        windows.window as `window`,  -- noqa: RF06
        recent.wallet as wallet,
        sum(recent.pnl_usdc) as pnl_usdc,
        sum(recent.volume_usdc) as volume_usdc,
        sum(recent.paid_in_usdc) as paid_in_usdc,
        countIf(is_fill) as fill_count,
        uniqExactIf(condition_id, is_fill) as markets_traded,
        sum(recent.markets_resolved) as markets_resolved,
        sum(recent.markets_won) as markets_won,
        any(windows.first_day) as first_day,
        any(windows.last_day) as last_day
    from recent
    cross join windows
    where recent.day between windows.first_day and windows.last_day
    group by windows.window, wallet
    having fill_count > 0 or countIf(is_booked) > 0
)

select * from window_wallets
