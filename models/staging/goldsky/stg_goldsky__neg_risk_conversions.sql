with landed as (select * from {{ source('goldsky', 'neg_risk_conversions') }}),

typed as (
    select
        id as conversion_id,
        {{ hex_bytes('id', 32) }} as transaction_hash,
        {{ log_index('id') }} as log_index,
        timestamp as happened_at,
        stakeholder as wallet,
        neg_risk_market_id as neg_risk_event_id,
        {{ from_base_units('amount', unbounded=true) }} as shares,
        index_set,
        question_count,
        _loaded_at as loaded_at
    from landed
)

select * from typed
