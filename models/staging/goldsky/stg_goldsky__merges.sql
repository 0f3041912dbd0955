with landed as (select * from {{ source('goldsky', 'merges') }}),

typed as (
    select
        id as merge_id,
        {{ hex_bytes('id', 32) }} as transaction_hash,
        {{ log_index('id') }} as log_index,
        timestamp as happened_at,
        stakeholder as wallet,
        condition as condition_id,
        {{ from_base_units('amount', unbounded=true) }} as sets,
        _loaded_at as loaded_at
    from landed
)

select * from typed
