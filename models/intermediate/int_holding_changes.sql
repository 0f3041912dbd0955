{{ config(materialized='view') }}

with fills as (select * from {{ ref('int_fills') }}),

set_events as (select * from {{ ref('int_set_events') }}),

conversions as (select * from {{ ref('int_conversions') }}),

-- Order of events: time, transaction, kind, log index where known, id.
changes as (
    select
        wallet,
        condition_id,
        outcome_index,
        happened_at,
        transaction_hash,
        1 as kind,
        log_index,
        set_event_id as event_id,
        delta_shares
    from set_events
    where event_type = 'split'
    union all
    select
        wallet,
        condition_id,
        outcome_index,
        filled_at as happened_at,
        transaction_hash,
        if(is_taker, 3, 2) as kind,
        null as log_index,
        order_hash as event_id,
        delta_shares
    from fills
    where condition_id is not null and outcome_index is not null
    union all
    select
        wallet,
        condition_id,
        outcome_index,
        happened_at,
        transaction_hash,
        4 as kind,
        log_index,
        set_event_id as event_id,
        delta_shares
    from set_events
    where event_type = 'merge'
    union all
    select
        wallet,
        condition_id,
        outcome_index,
        happened_at,
        transaction_hash,
        5 as kind,
        log_index,
        conversion_id as event_id,
        delta_shares
    from conversions
)

select * from changes
