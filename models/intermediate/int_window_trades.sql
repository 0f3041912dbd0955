{{ config(order_by=['`window`', 'wallet']) }}

with entries as (select * from {{ ref('int_entries') }}),

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

in_windows as (
    select
        given_window.1 as `window`,  -- noqa: RF06
        wallet,
        nullIf(condition_key, toFixedString('', 32)) as condition_id,
        happened.volume_usdc as volume_usdc,
        happened.paid_in_usdc as paid_in_usdc,
        happened.fill_count as fill_count
    from happened
    array join (select groupArray((windows.window, windows.first_day, windows.last_day)) from windows) as given_window
    where happened.day between given_window.2 and given_window.3
),

window_trades as (
    select
        in_windows.window as `window`,  -- noqa: RF06
        wallet,
        sum(in_windows.volume_usdc) as volume_usdc,
        sum(in_windows.paid_in_usdc) as paid_in_usdc,
        sum(in_windows.fill_count) as fill_count,
        uniqExactIf(condition_id, in_windows.fill_count > 0) as markets_traded
    from in_windows
    group by in_windows.window, wallet
)

select * from window_trades
