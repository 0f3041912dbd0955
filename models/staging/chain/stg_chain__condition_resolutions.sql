with landed as (select * from {{ source('chain', 'condition_resolutions') }}),

typed as (
    select
        transaction_hash,
        log_index,
        block_number,
        timestamp as resolved_at,
        condition_id,
        payout_numerators,
        arraySum(payout_numerators) as payout_denominator,
        toBool(is_deleted) as is_gone,
        _loaded_at as loaded_at
    from landed
)

select * from typed
