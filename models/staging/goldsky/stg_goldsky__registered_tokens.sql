with landed as (select * from {{ source('goldsky', 'market_data') }}),

typed as (
    select
        id as token_id,
        condition as condition_id,
        _loaded_at as loaded_at
    from landed
)

select * from typed
