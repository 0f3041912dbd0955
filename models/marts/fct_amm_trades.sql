{{ config(materialized='view') }}

with events as (select * from {{ ref('int_amm_events') }}),

conditions as (select * from {{ ref('int_conditions') }}),

readable as (
    select
        events.source_id as trade_id,
        {{ hex_text('events.transaction_hash') }} as transaction_hash,
        events.happened_at as traded_at,
        {{ hex_text('events.wallet') }} as wallet,
        {{ hex_text('events.pool') }} as pool,
        events.action as side,
        {{ hex_text('events.condition_id') }} as condition_id,
        events.outcome_index as outcome_index,
        if(
            length(conditions.token_ids) > events.outcome_index,
            toNullable(conditions.token_ids[events.outcome_index + 1]),
            null
        ) as token_id,
        events.shares as shares,
        events.usdc as usdc,
        toFloat64(events.usdc) / nullIf(toFloat64(events.shares), 0) as price,
        events.fee_usdc as fee_usdc
    from events
    left join conditions on events.condition_id = conditions.condition_id
    where events.action in ('buy', 'sell')
)

select * from readable
settings join_use_nulls = 1
