{{ config(order_by='`window`') }}

with entries as (select * from {{ ref('int_entries') }}),

amm_events as (select * from {{ ref('int_amm_events') }}),

last_trades as (
    select toDate({{ time_of_moment('max(moment)') }}) as day
    from entries
    where kind in (2, 3)
    having count() > 0
    union all
    select toDate(max(happened_at)) as day
    from amm_events
    where action in ('buy', 'sell')
    having count() > 0
),

-- Without a trade there is no day to end on, and no window.
ends as (
    select max(last_trades.day) as last_day
    from last_trades
    having count() > 0
),

windows as (
    select
        named.1 as `window`,  -- noqa: RF06
        last_day - (named.2 - 1) as first_day,
        last_day
    from ends
    array join [('30d', 30), ('7d', 7), ('1d', 1)] as named
)

select * from windows
