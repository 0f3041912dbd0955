{{ config(order_by=['condition_id', 'outcome_index']) }}

with entries as (select * from {{ ref('int_entries') }}),

-- As two amounts, because their quotient has no end.
last_fills as (
    select
        condition_id,
        outcome_index,
        argMax((abs(shares), abs(fill_usdc)), moment) as last_fill,
        max(moment) as last_moment
    from entries
    where {{ is_trade() }} and outcome_index != 255 and entries.shares != 0
    group by condition_id, outcome_index
),

prices as (
    select
        condition_id,
        outcome_index,
        last_fill.1 as last_shares,
        last_fill.2 as last_usdc,
        {{ time_of_moment('last_moment') }} as traded_at,
        last_moment as moment
    from last_fills
)

select * from prices
