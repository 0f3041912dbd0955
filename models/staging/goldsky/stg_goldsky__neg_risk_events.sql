with landed as (select * from {{ source('goldsky', 'neg_risk_events') }}),

typed as (
    select
        id as neg_risk_event_id,
        question_count,
        _loaded_at as loaded_at
    from landed
)

select * from typed
