{{ config(order_by=['wallet', 'condition_id', 'outcome_index']) }}
{%- set scale = "toInt256('1000000000000000000')" %}

with events as (select * from {{ ref('int_amm_events') }}),

pools as (select * from {{ ref('int_pools') }}),

conditions as (select * from {{ ref('int_conditions') }}),

prices as (
    select
        condition_id,
        sumIf(last_shares, outcome_index = 0) as last_shares_0,
        sumIf(last_usdc, outcome_index = 0) as last_usdc_0,
        sumIf(last_shares, outcome_index = 1) as last_shares_1,
        sumIf(last_usdc, outcome_index = 1) as last_usdc_1
    from {{ ref('int_token_prices') }}
    group by condition_id
),

supplied as (
    select
        pool,
        moment,
        wallet,
        delta_supply,
        toInt256(reinterpretAsInt128(fee_usdc)) as fee,
        if(action = 'remove', usdc, toDecimal128(0, 6)) as paid_usdc,
        toInt256(reinterpretAsInt128(sum(delta_supply) over (partition by pool order by moment))) as supply
    from events
),

-- Fees of a trade belong to who provides at that moment, by shares of the pool: so much for each share so far, 10^-18.
accrued as (
    select
        *,
        sum(if(supply > 0, intDiv(fee * {{ scale }}, supply), toInt256(0))) over (
            partition by pool order by moment
        ) as fees_per_share
    from supplied
),

providers as (
    select
        pool,
        wallet,
        sum(accrued.delta_supply) as pool_shares,
        sum(toInt256(reinterpretAsInt128(accrued.delta_supply)) * fees_per_share) as missed_fees,
        sum(accrued.paid_usdc) as paid_usdc
    from accrued
    where accrued.delta_supply != 0 or accrued.paid_usdc != 0
    group by pool, wallet
),

totals as (
    select
        pool,
        max(fees_per_share) as all_fees_per_share
    from accrued
    group by pool
),

-- Fees that were collected by themselves left no row: they count as still in the pool, and are the provider's anyway.
-- In a pool that nobody has shares of there is nothing to divide, whoever gave them to whom.
claims as (
    select
        providers.wallet as wallet,
        pools.condition_id as condition_id,
        pools.share_index as outcome_index,
        providers.pool as pool,
        providers.pool_shares as pool_shares,
        reinterpretAsInt128(providers.pool_shares) as part,
        reinterpretAsInt128(pools.supply) as whole,
        if(whole > 0, {{ settle('pools.shares_0', 'part', 'whole') }}, toDecimal128(0, 6)) as pooled_shares_0,
        if(whole > 0, {{ settle('pools.shares_1', 'part', 'whole') }}, toDecimal128(0, 6)) as pooled_shares_1,
        reinterpret(toInt128(intDiv(
            toInt256(part) * totals.all_fees_per_share - providers.missed_fees,
            {{ scale }}
        )), 'Decimal(38, 6)') - providers.paid_usdc as pooled_usdc
    from providers
    inner join pools on providers.pool = pools.pool
    inner join totals on providers.pool = totals.pool
    where pools.is_whole
),

valued as (
    select
        claims.condition_id as condition_id,
        claims.* except (condition_id, part, whole),
        {{ held_value(
            'pooled_shares_0', 'coalesce(conditions.is_resolved, false)', 'conditions.payout_numerators[1]',
            'conditions.payout_denominator', 'coalesce(prices.last_shares_0, toDecimal128(0, 6))',
            'coalesce(prices.last_usdc_0, toDecimal128(0, 6))',
        ) }}
        + {{ held_value(
            'pooled_shares_1', 'coalesce(conditions.is_resolved, false)', 'conditions.payout_numerators[2]',
            'conditions.payout_denominator', 'coalesce(prices.last_shares_1, toDecimal128(0, 6))',
            'coalesce(prices.last_usdc_1, toDecimal128(0, 6))',
        ) }} + pooled_usdc as value_usdc
    from claims
    left join conditions on claims.condition_id = conditions.condition_id
    left join prices on claims.condition_id = prices.condition_id
)

select * from valued
settings join_use_nulls = 1
