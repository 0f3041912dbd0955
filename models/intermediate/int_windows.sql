{{ config(materialized='view') }}

with entries as (select * from {{ ref('int_entries') }}),

-- Without a fill there is no day to end on, and no window.
ends as (
    select toDate({{ time_of_moment('max(moment)') }}) as last_day
    from entries
    where {{ is_trade() }}
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
