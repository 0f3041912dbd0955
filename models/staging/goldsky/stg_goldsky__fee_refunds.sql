with landed as (select * from {{ source('goldsky', 'fee_refunds') }}),

typed as (
    select
        id as refund_id,
        {{ hex_bytes('id', 32) }} as transaction_hash,
        order_hash,
        token_id as fee_token_id,
        timestamp as refunded_at,
        refundee as wallet,
        {{ from_base_units('fee_refunded', unbounded=true) }} as refunded_amount,
        {{ from_base_units('fee_charged', unbounded=true) }} as charged_amount,
        neg_risk as is_neg_risk,
        _loaded_at as loaded_at
    from landed
)

select * from typed
