{{ config(order_by=['condition_id', 'outcome_index']) }}

with fills as (select * from {{ ref('int_fills') }}),

-- As two amounts, because their quotient has no end.
last_fills as (
    select
        assumeNotNull(condition_id) as condition_id,
        assumeNotNull(outcome_index) as outcome_index,
        argMax((shares, usdc), (filled_at, transaction_hash, is_taker, order_hash)) as last_fill,
        max(filled_at) as traded_at
    from fills
    where fills.condition_id is not null and fills.outcome_index is not null and shares > 0
    group by condition_id, outcome_index
),

prices as (
    select
        condition_id,
        outcome_index,
        last_fill.1 as last_shares,
        last_fill.2 as last_usdc,
        traded_at
    from last_fills
)

select * from prices
