with landed as (select * from {{ source('goldsky', 'fpmm_transactions') }}),

typed as (
    select
        id as trade_id,
        {{ hex_bytes('id', 32) }} as transaction_hash,
        {{ log_index('id') }} as log_index,
        timestamp as happened_at,
        market as pool,
        user as wallet,
        cast(type, 'String') = 'Buy' as is_buy,
        toUInt8(landed.outcome_index) as outcome_index,
        {{ from_base_units('trade_amount', unbounded=true) }} as usdc,
        {{ from_base_units('fee_amount', unbounded=true) }} as fee_usdc,
        {{ from_base_units('outcome_tokens_amount', unbounded=true) }} as shares,
        _loaded_at as loaded_at
    from landed
)

select * from typed
