{{ config(order_by=['`window`', 'wallet']) }}

with entries as (select * from {{ ref('int_entries') }}),

wallet_days as (select * from {{ ref('int_wallet_days') }}),

windows as (select * from {{ ref('int_windows') }}),

-- The longest window first, so that the others are asked only of its rows.
recent_entries as (
    select
        wallet,
        toDate({{ time_of_moment('moment') }}) as day,
        {{ is_trade() }} as is_fill,
        entries.condition_id as condition_key,
        abs(fill_usdc) as volume_usdc,
        if(
            kind = 0 and fill_usdc = 0 and outcome_index < 128,
            toDecimal128(0, 6),
            greatest(-fill_usdc - other_usdc, toDecimal128(0, 6))
        ) as paid_in_usdc
    from entries
    where
        kind in (0, 1, 2, 3)
        and {{ second_of_moment('moment') }} >= toUnixTimestamp(toDateTime((select min(first_day) from windows), 'UTC'))
),

-- What a wallet did in a condition on days that are in the same windows is one row, so that there are a fourth as many.
happened as (
    select
        wallet,
        condition_key,
        arrayCount(
            days -> recent_entries.day between days.1 and days.2,
            (select groupArray((windows.first_day, windows.last_day)) from windows)
        ) as in_windows,
        min(recent_entries.day) as day,
        countIf(is_fill) as fill_count,
        sum(recent_entries.volume_usdc) as volume_usdc,
        sum(recent_entries.paid_in_usdc) as paid_in_usdc
    from recent_entries
    group by wallet, condition_key, in_windows
),

-- What happened on a day, and what was booked on it.
counted as (
    select
        wallet,
        day,
        nullIf(condition_key, toFixedString('', 32)) as condition_id,
        fill_count,
        volume_usdc,
        paid_in_usdc,
        false as is_booked,
        toDecimal128(0, 6) as pnl_usdc,
        0 as markets_resolved,
        0 as markets_won
    from happened
    union all
    select
        wallet,
        day,
        null as condition_id,
        0 as fill_count,
        toDecimal128(0, 6) as volume_usdc,
        toDecimal128(0, 6) as paid_in_usdc,
        true as is_booked,
        booked_pnl_usdc as pnl_usdc,
        markets_resolved,
        markets_won
    from wallet_days
    where wallet_days.day >= (select min(first_day) from windows)
),

in_windows as (
    select
        counted.*,
        given_window.1 as `window`,  -- noqa: RF06
        given_window.2 as first_day,
        given_window.3 as last_day
    from counted
    array join (select groupArray((windows.window, windows.first_day, windows.last_day)) from windows) as given_window
    where counted.day between first_day and last_day
),

window_wallets as (
    select
        in_windows.window as `window`,  -- noqa: RF06
        in_windows.wallet as wallet,
        sum(in_windows.pnl_usdc) as pnl_usdc,
        sum(in_windows.volume_usdc) as volume_usdc,
        sum(in_windows.paid_in_usdc) as paid_in_usdc,
        sum(in_windows.fill_count) as fill_count,
        uniqExactIf(condition_id, in_windows.fill_count > 0) as markets_traded,
        sum(in_windows.markets_resolved) as markets_resolved,
        sum(in_windows.markets_won) as markets_won,
        any(in_windows.first_day) as first_day,
        any(in_windows.last_day) as last_day
    from in_windows
    group by in_windows.window, wallet
    having fill_count > 0 or countIf(is_booked) > 0
)

select * from window_wallets
