{{ config(order_by='pool') }}

with events as (select * from {{ ref('int_amm_events') }}),

makers as (select * from {{ ref('int_market_makers') }}),

loaded as (select * from {{ ref('int_loaded_spans') }}),

everything as (
    select groupArray((entity, since, until)) as spans from loaded
    where scope = ''
),

held as (
    select
        events.pool as pool,
        any(events.condition_id) as condition_id,
        any(events.share_index) as share_index,
        any(makers.created_at) as created_at,
        max(events.happened_at) as last_at,
        sum(events.delta_supply) as supply,
        sum(events.pool_delta_shares[1]) as shares_0,
        sum(events.pool_delta_shares[2]) as shares_1,
        sum(events.pool_delta_usdc) as fees_usdc,
        sum(events.minted_sets) as minted_sets,
        sum(events.merged_sets) as merged_sets
    from events
    inner join makers on events.pool = makers.pool
    group by pool
),

-- What a pool holds, and whose it is, is known when all that ever happened to it is loaded.
pools as (
    select
        *,
        toBool(arrayAll(
            entity -> arrayExists(
                span -> span.1 = entity and span.2 <= created_at and span.3 > last_at, (select spans from everything)
            ),
            ['FpmmTransaction', 'FpmmFundingAddition', 'FpmmFundingRemoval']
        )) as is_whole
    from held
)

select * from pools
