{{ config(materialized='view') }}

with positions as (select * from {{ ref('int_positions') }}),

conditions as (select * from {{ ref('int_conditions') }}),

prices as (select * from {{ ref('int_token_prices') }}),

pool_shares as (select * from {{ ref('int_pool_shares') }}),

placed as (
    select * from positions
    where outcome_index != 255
),

valued as (
    {{ valued('placed', [
        'realized_pnl_usdc',
        'realized_by_day',
        'unmatched_shares',
        'subgraph_amount',
        'subgraph_avg_price',
        'subgraph_realized_pnl',
        'subgraph_total_bought',
        'is_redeemed_amount_unknown',
    ]) }}
)

select * from valued
settings join_use_nulls = 1
