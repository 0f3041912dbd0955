{{ config(materialized='view') }}

with changes as (select * from {{ ref('int_holding_changes') }}),

redemptions as (select * from {{ ref('int_redemptions') }}),

-- A redemption of nothing changes nothing, and is left out here.
events as (
    select
        event_type,
        kind,
        happened_at,
        transaction_hash,
        log_index,
        order_hash,
        source_id,
        leg,
        wallet,
        condition_id,
        fill_token_id,
        outcome_index,
        delta_shares,
        delta_usdc,
        volume_usdc,
        fee_value_usdc,
        paid_in_usdc
    from changes
    union all
    select
        'redemption' as event_type,
        6 as kind,
        happened_at,
        {{ hex_bytes('redemption_id', 32) }} as transaction_hash,
        {{ log_index('redemption_id') }} as log_index,
        toFixedString('', 32) as order_hash,
        redemption_id as source_id,
        toUInt16(redemptions.outcome_index) as leg,
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
    where delta_shares != 0 or delta_usdc != 0
)

select * from events
