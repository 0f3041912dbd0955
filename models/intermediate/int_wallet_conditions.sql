{{ config(materialized='view') }}

with positions as (select * from {{ ref('int_positions') }}),

conditions as (select * from {{ ref('int_conditions') }}),

token_prices as (select * from {{ ref('int_token_prices') }}),

pool_shares as (select * from {{ ref('int_pool_shares') }}),

holdings as (
    select
        wallet,
        positions.condition_id as condition_key,
        sum(positions.fill_count) as fill_count,
        sum(positions.volume_usdc) as volume_usdc,
        sum(positions.fees_usdc) as fees_usdc,
        sum(positions.paid_in_usdc) as paid_in_usdc,
        sum(positions.cash_usdc) as cash_usdc,
        countIf(outcome_index != 255) > 0 as is_placed,
        toBool(countIf(outcome_index = 255) > 0) as has_unknown_outcome,
        sumIf(shares, outcome_index = 0) as shares_0,
        sumIf(shares, outcome_index = 1) as shares_1,
        sumIf(shares, outcome_index between 128 and 254) as all_pool_shares,
        sumIf(positions.unmatched_shares, outcome_index = 0) as unmatched_shares_0,
        sumIf(positions.unmatched_shares, outcome_index = 1) as unmatched_shares_1,
        min(positions.first_at) as first_at,
        max(positions.last_at) as last_at,
        sumIf(positions.realized_pnl_usdc, outcome_index != 255) as realized_usdc,
        sumIf(positions.cost_usdc, outcome_index != 255) as total_cost_usdc,
        sumIf(positions.subgraph_realized_pnl, outcome_index != 255) as subgraph_realized_pnl
    from positions
    where event_count > 0
    group by wallet, condition_key
),

pooled as (
    select
        wallet,
        condition_id,
        sum(pool_shares.pool_shares) as pool_shares,
        sum(pool_shares.value_usdc) as value_usdc,
        countIf(pool_shares.value_usdc is null) > 0 as is_value_unknown
    from pool_shares
    group by wallet, condition_id
),

prices as (
    select
        condition_id,
        maxIf(last_shares, outcome_index = 0) as last_shares_0,
        maxIf(last_usdc, outcome_index = 0) as last_usdc_0,
        maxIf(last_shares, outcome_index = 1) as last_shares_1,
        maxIf(last_usdc, outcome_index = 1) as last_usdc_1
    from token_prices
    group by condition_id
),

known as (
    select
        conditions.condition_id as condition_id,
        conditions.is_resolved as is_resolved,
        conditions.payout_numerators[1] as numerator_0,
        conditions.payout_numerators[2] as numerator_1,
        conditions.payout_denominator as denominator,
        coalesce(prices.last_shares_0, toDecimal128(0, 6)) as last_shares_0,
        coalesce(prices.last_usdc_0, toDecimal128(0, 6)) as last_usdc_0,
        coalesce(prices.last_shares_1, toDecimal128(0, 6)) as last_shares_1,
        coalesce(prices.last_usdc_1, toDecimal128(0, 6)) as last_usdc_1
    from conditions
    left join prices on conditions.condition_id = prices.condition_id
),

-- A condition without a payout is unresolved, not worthless. Shares are paid like on chain: each outcome by itself,
-- rounded toward zero. Where the value of any leg is not known, that of the whole is not.
wallet_conditions as (
    select
        holdings.wallet as wallet,
        nullIf(holdings.condition_key, toFixedString('', 32)) as condition_id,
        fill_count,
        volume_usdc,
        fees_usdc,
        paid_in_usdc,
        cash_usdc,
        has_unknown_outcome,
        shares_0 - unmatched_shares_0 as open_shares_0,
        shares_1 - unmatched_shares_1 as open_shares_1,
        first_at,
        last_at,
        -- Without all that ever happened to a pool nobody can tell what a share of it is worth.
        toBool(all_pool_shares != coalesce(pooled.pool_shares, toDecimal128(0, 6))) as has_unknown_pool,
        toBool(coalesce(known.is_resolved, false)) as is_resolved,
        if(
            is_resolved,
            {{ settle('open_shares_0', 'known.numerator_0', 'known.denominator') }}
            + {{ settle('open_shares_1', 'known.numerator_1', 'known.denominator') }},
            null
        ) as settlement_usdc,
        if(is_resolved, coalesce(pooled.value_usdc, toDecimal128(0, 6)), null) as pooled_usdc,
        cash_usdc + settlement_usdc + pooled_usdc as settled_pnl_usdc,
        if(is_placed, toNullable(realized_usdc), null) as realized_pnl_usdc,
        if(is_placed, toNullable(total_cost_usdc), null) as cost_usdc,
        if(
            not has_unknown_pool and not coalesce(pooled.is_value_unknown, false),
            coalesce(pooled.value_usdc, toDecimal128(0, 6)),
            null
        )
        + {{ held_value(
            'shares_0', 'is_resolved', 'known.numerator_0', 'known.denominator',
            'known.last_shares_0', 'known.last_usdc_0',
        ) }}
        + {{ held_value(
            'shares_1', 'is_resolved', 'known.numerator_1', 'known.denominator',
            'known.last_shares_1', 'known.last_usdc_1',
        ) }} - cost_usdc as unrealized_pnl_usdc,
        if(is_placed, toNullable(unmatched_shares_0 + unmatched_shares_1), null) as unmatched_shares,
        if(
            is_placed, toNullable({{ from_base_units('subgraph_realized_pnl') }}), null
        ) as subgraph_realized_pnl_usdc
    from holdings
    left join known on holdings.condition_key = known.condition_id
    left join pooled
        on
            holdings.wallet = pooled.wallet
            and holdings.condition_key = pooled.condition_id
)

select * from wallet_conditions
settings join_use_nulls = 1
