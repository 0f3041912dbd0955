with landed as (select * from {{ source('goldsky', 'redemptions') }}),

typed as (
    select
        id as redemption_id,
        {{ hex_bytes('id', 32) }} as transaction_hash,
        {{ log_index('id') }} as log_index,
        timestamp as happened_at,
        redeemer as wallet,
        condition as condition_id,
        index_sets,
        {{ from_base_units('payout', unbounded=true) }} as payout_usdc,
        _loaded_at as loaded_at
    from landed
)

select * from typed
