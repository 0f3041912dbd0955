with landed as (select * from {{ source('goldsky', 'user_positions') }}),

typed as (
    select
        user as wallet,
        token_id,
        {{ from_base_units('amount', unbounded=true) }} as shares,
        avg_price as avg_price_units,
        realized_pnl as realized_pnl_units,
        total_bought as total_bought_units,
        _loaded_at as loaded_at
    from landed
)

select * from typed
