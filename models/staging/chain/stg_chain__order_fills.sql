with landed as (select * from {{ source('chain', 'order_filled_events_v2') }}),

-- Who buys gives collateral, which is asset 0 as in V1, and receives the token; who sells the other way around.
typed as (
    select
        transaction_hash,
        order_hash,
        log_index,
        block_number,
        timestamp as filled_at,
        address as exchange,
        maker as wallet,
        taker as counterparty,
        if(side = 0, toUInt256(0), token_id) as given_asset_id,
        if(side = 0, token_id, toUInt256(0)) as received_asset_id,
        {{ from_base_units('maker_amount_filled') }} as given_amount,
        {{ from_base_units('taker_amount_filled') }} as received_amount,
        {{ from_base_units('fee') }} as fee_amount,
        toBool(is_deleted) as is_gone,
        _loaded_at as loaded_at,
        _run_id as run_id
    from landed
)

select * from typed
