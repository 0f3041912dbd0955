{{ config(materialized='view') }}

with holders as (select * from {{ ref('int_holders') }}),

conditions as (select * from {{ ref('int_condition_values') }}),

shares_of_pools as (select * from {{ ref('int_pool_shares') }}),

prices as (
    select
        condition_id,
        last_trade.outcome_index as outcome_index,
        last_trade.last_shares as last_shares,
        last_trade.last_usdc as last_usdc
    from conditions
    array join last_trades as last_trade
),

pool_shares as (
    select
        wallet,
        {{ hex_text('shares_of_pools.condition_id') }} as condition_id,
        outcome_index,
        value_usdc
    from shares_of_pools
),

valued as (
    {{ valued('holders') }}
),

readable as (
    select
        condition_id,
        outcome_index,
        {{ hex_text('valued.wallet') }} as wallet,
        shares,
        cost_usdc,
        value_usdc,
        unrealized_pnl_usdc
    from valued
)

select * from readable
settings join_use_nulls = 1
