{{ config(order_by='wallet', indexes=text_index('wallet')) }}

with holders as (select * from {{ ref('int_holders') }}),

conditions as (select * from {{ ref('int_conditions') }}),

prices as (select * from {{ ref('int_token_prices') }}),

pool_shares as (select * from {{ ref('int_pool_shares') }}),

-- Fees wait in a pool for who has no shares of it any more, too.
outcome_holders as (
    select * from holders
    where outcome_index < 128
),

valued as (
    {{ valued('outcome_holders') }}
),

values_held as (
    select
        wallet,
        value_usdc
    from valued
    union all
    select
        wallet,
        value_usdc
    from pool_shares
),

wallet_values as (
    select
        wallet,
        sum(coalesce(values_held.value_usdc, toDecimal128(0, 6))) as value_usdc,
        countIf(values_held.value_usdc is null) as unpriced_holdings
    from values_held
    group by wallet
)

select * from wallet_values
settings join_use_nulls = 1
