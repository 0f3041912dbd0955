{{ config(materialized='view') }}

with fills as (select * from {{ ref('int_fills') }}),

set_events as (select * from {{ ref('int_set_events') }}),

conversions as (select * from {{ ref('int_conversions') }}),

redemptions as (select * from {{ ref('int_redemptions') }}),

-- Fills keep their order hash instead of a text id: there are hundreds of millions of them.
events as (
    select
        'fill' as event_type,
        '' as source_id,
        order_hash,
        filled_at as happened_at,
        transaction_hash,
        wallet,
        condition_id,
        token_id as fill_token_id,
        outcome_index,
        delta_shares,
        delta_usdc,
        usdc as volume_usdc,
        fee_value_usdc,
        if(is_buy, usdc, toDecimal128(0, 6)) as paid_in_usdc
    from fills
    union all
    select
        event_type,
        concat(set_event_id, '-', toString(set_events.outcome_index)) as source_id,
        toFixedString('', 32) as order_hash,
        happened_at,
        transaction_hash,
        wallet,
        toNullable(condition_id) as condition_id,
        toUInt256(0) as fill_token_id,
        toNullable(outcome_index) as outcome_index,
        delta_shares,
        delta_usdc,
        toDecimal128(0, 6) as volume_usdc,
        toDecimal128(0, 6) as fee_value_usdc,
        greatest(-delta_usdc, toDecimal128(0, 6)) as paid_in_usdc
    from set_events
    union all
    select
        'conversion' as event_type,
        concat(conversion_id, '-', toString(question)) as source_id,
        toFixedString('', 32) as order_hash,
        happened_at,
        transaction_hash,
        wallet,
        toNullable(condition_id) as condition_id,
        toUInt256(0) as fill_token_id,
        toNullable(outcome_index) as outcome_index,
        delta_shares,
        delta_usdc,
        toDecimal128(0, 6) as volume_usdc,
        toDecimal128(0, 6) as fee_value_usdc,
        toDecimal128(0, 6) as paid_in_usdc
    from conversions
    union all
    select
        'redemption' as event_type,
        concat(redemption_id, '-', toString(redemptions.outcome_index)) as source_id,
        toFixedString('', 32) as order_hash,
        happened_at,
        transaction_hash,
        wallet,
        toNullable(condition_id) as condition_id,
        toUInt256(0) as fill_token_id,
        toNullable(outcome_index) as outcome_index,
        delta_shares,
        delta_usdc,
        toDecimal128(0, 6) as volume_usdc,
        toDecimal128(0, 6) as fee_value_usdc,
        toDecimal128(0, 6) as paid_in_usdc
    from redemptions
)

select * from events
