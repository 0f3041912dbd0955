{{ config(materialized='view') }}

with positions as (select * from {{ ref('int_positions') }}),

conditions as (select * from {{ ref('int_conditions') }}),

prices as (select * from {{ ref('int_token_prices') }}),

pool_shares as (select * from {{ ref('int_pool_shares') }}),

-- A resolved token is worth its payout, any other what it was last traded at.
valued as (
    select
        positions.wallet as wallet,
        positions.condition_id as condition_id,
        positions.outcome_index as outcome_index,
        toBool(coalesce(conditions.is_resolved, false)) as is_resolved,
        shares,
        cost_usdc,
        positions.outcome_index >= 128 as is_pool,
        if(
            is_pool and (shares != 0 or pool_shares.wallet is not null),
            pool_shares.value_usdc,
            {{ held_value(
                'shares',
                'is_resolved',
                'conditions.payout_numerators[positions.outcome_index + 1]',
                'conditions.payout_denominator',
                'coalesce(prices.last_shares, toDecimal128(0, 6))',
                'coalesce(prices.last_usdc, toDecimal128(0, 6))',
            ) }}
        ) as value_usdc,
        multiIf(
            is_pool and value_usdc is not null, 'pool',
            is_pool and pool_shares.wallet is null, 'pool not loaded',
            shares = 0, 'nothing held',
            is_resolved, 'payout',
            prices.last_shares is not null, 'last trade',
            'never traded'
        ) as value_basis,
        value_usdc - cost_usdc as unrealized_pnl_usdc,
        realized_pnl_usdc,
        realized_by_day,
        unmatched_shares,
        subgraph_amount,
        subgraph_avg_price,
        subgraph_realized_pnl,
        subgraph_total_bought,
        is_redeemed_amount_unknown
    from positions
    left join conditions on positions.condition_id = conditions.condition_id
    left join prices
        on
            positions.condition_id = prices.condition_id
            and positions.outcome_index = prices.outcome_index
    left join pool_shares
        on
            positions.wallet = pool_shares.wallet
            and positions.condition_id = pool_shares.condition_id
            and positions.outcome_index = pool_shares.outcome_index
    where positions.outcome_index != 255
)

select * from valued
settings join_use_nulls = 1
