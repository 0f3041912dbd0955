{{ config(materialized='view') }}

with stored as (select * from {{ ref('int_holders') }}),

stored_values as (select * from {{ ref('int_condition_values') }}),

stored_pool_shares as (select * from {{ ref('int_pool_shares') }}),

-- All by the text of the condition, of which the first two have an index: so a filter by condition reaches both.
holders as (
    select
        {{ hex_text('stored.condition_id') }} as condition_id,
        outcome_index,
        wallet,
        shares,
        cost_usdc
    from stored
),

conditions as (
    select
        {{ hex_text('stored_values.condition_id') }} as condition_id,
        is_resolved,
        payout_numerators,
        payout_denominator,
        last_trades
    from stored_values
),

pool_shares as (
    select
        {{ hex_text('stored_pool_shares.condition_id') }} as condition_id,
        outcome_index,
        wallet,
        value_usdc
    from stored_pool_shares
),

prices as (
    select
        condition_id,
        last_trade.outcome_index as outcome_index,
        last_trade.last_shares as last_shares,
        last_trade.last_usdc as last_usdc
    from conditions
    array join last_trades as last_trade
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
