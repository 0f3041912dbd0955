with landed as (select * from {{ source('goldsky', 'order_filled_events') }}),

typed as (
    select
        transaction_hash,
        order_hash,
        timestamp as filled_at,
        maker as wallet,
        taker as counterparty,
        maker_asset_id as given_asset_id,
        taker_asset_id as received_asset_id,
        {{ from_base_units('maker_amount_filled') }} as given_amount,
        {{ from_base_units('taker_amount_filled') }} as received_amount,
        {{ from_base_units('fee') }} as fee_amount,
        _loaded_at as loaded_at,
        _run_id as run_id
    from landed
)

select * from typed
