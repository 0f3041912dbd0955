with landed as (select * from {{ source('goldsky', 'fpmms') }}),

typed as (
    select
        id as pool,
        creator as creator,
        creation_timestamp as created_at,
        collateral_token as collateral,
        conditions as condition_ids,
        reinterpret(toInt128(fee), 'Decimal(38, 18)') as fee_rate,
        _loaded_at as loaded_at
    from landed
)

select * from typed
