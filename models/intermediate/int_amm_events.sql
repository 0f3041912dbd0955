{{ config(order_by=['pool', 'moment']) }}

with makers as (select * from {{ ref('int_market_makers') }}),

trades as (
    select * from {{ ref('stg_goldsky__fpmm_transactions') }}
    order by trade_id asc, loaded_at desc, happened_at desc
    limit 1 by trade_id
),

additions as (
    select * from {{ ref('stg_goldsky__fpmm_funding_additions') }}
    order by addition_id asc, loaded_at desc, happened_at desc
    limit 1 by addition_id
),

removals as (
    select * from {{ ref('stg_goldsky__fpmm_funding_removals') }}
    order by removal_id asc, loaded_at desc, happened_at desc
    limit 1 by removal_id
),

events as (
    select
        if(is_buy, 'buy', 'sell') as action,
        trade_id as source_id,
        transaction_hash,
        log_index,
        happened_at,
        pool,
        wallet,
        outcome_index,
        usdc,
        fee_usdc,
        shares,
        cast([0, 0], 'Array(Decimal(38, 6))') as liquidity
    from trades
    union all
    select
        'add' as action,
        addition_id as source_id,
        transaction_hash,
        log_index,
        happened_at,
        pool,
        wallet,
        255 as outcome_index,
        usdc,
        toDecimal128(0, 6) as fee_usdc,
        pool_shares as shares,
        added_shares as liquidity
    from additions
    union all
    select
        'remove' as action,
        removal_id as source_id,
        transaction_hash,
        log_index,
        happened_at,
        pool,
        wallet,
        255 as outcome_index,
        fees_usdc as usdc,
        toDecimal128(0, 6) as fee_usdc,
        pool_shares as shares,
        removed_shares as liquidity
    from removals
),

-- What the pool makes of it: a buyer's USDC less the fee becomes sets, of which the shares bought leave again; sets
-- that pay for a sale and its fee are given back. Fees stay with the pool.
pooled as (
    select
        events.* except (pool, outcome_index),
        {{ event_moment('happened_at', 'transaction_hash', 0, log_tail('log_index', 'source_id')) }} as moment,
        events.pool as pool,
        toUInt8(events.outcome_index) as outcome_index,
        makers.condition_id as condition_id,
        makers.share_index as share_index,
        makers.share_token_id as share_token_id,
        multiIf(action = 'buy', usdc - fee_usdc, action = 'add', usdc, toDecimal128(0, 6)) as minted_sets,
        if(action = 'sell', usdc + fee_usdc, toDecimal128(0, 6)) as merged_sets,
        multiIf(action = 'add', shares, action = 'remove', -shares, toDecimal128(0, 6)) as delta_supply,
        arrayMap(
            outcome -> multiIf(
                action = 'add', liquidity[outcome + 1],
                action = 'remove', -liquidity[outcome + 1],
                minted_sets - merged_sets
                + if(outcome = events.outcome_index, if(action = 'buy', -shares, shares), toDecimal128(0, 6))
            ),
            [0, 1]
        ) as pool_delta_shares,
        if(action = 'remove', -usdc, fee_usdc) as pool_delta_usdc
    from events
    inner join makers on events.pool = makers.pool
)

select * from pooled
