{{ config(materialized='view') }}

with events as (select * from {{ ref('int_position_events') }}),

conditions as (select * from {{ ref('int_conditions') }}),

-- Activity names a condition and an outcome; which token that is, only a loaded condition tells.
outcome_tokens as (
    select
        condition_id,
        toNullable(toUInt8(position - 1)) as outcome_index,
        token_id
    from conditions
    array join
        token_ids as token_id,
        arrayEnumerate(token_ids) as position
),

readable as (
    select
        if(
            events.event_type = 'fill',
            {{ fill_id('events') }},
            concat(events.source_id, '-', toString(events.leg))
        ) as event_id,
        events.event_type as event_type,
        events.happened_at as happened_at,
        {{ hex_text('events.transaction_hash') }} as transaction_hash,
        {{ hex_text('events.wallet') }} as wallet,
        {{ hex_text('events.condition_id') }} as condition_id,
        if(
            events.fill_token_id != 0 and (events.event_type = 'fill' or events.outcome_index >= 128),
            toNullable(events.fill_token_id),
            outcome_tokens.token_id
        ) as token_id,
        events.outcome_index as outcome_index,
        events.delta_shares as delta_shares,
        events.delta_usdc as delta_usdc
    from events
    left join outcome_tokens
        on
            events.condition_id = outcome_tokens.condition_id
            and events.outcome_index = outcome_tokens.outcome_index
)

select * from readable
settings join_use_nulls = 1
