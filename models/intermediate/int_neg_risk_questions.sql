{{ config(order_by=['neg_risk_event_id', 'question']) }}

with events as (select * from {{ ref('stg_goldsky__neg_risk_events') }}),

conversions as (select * from {{ ref('stg_goldsky__neg_risk_conversions') }}),

counts as (
    select
        neg_risk_event_id,
        question_count
    from events
    union all
    select
        neg_risk_event_id,
        question_count
    from conversions
),

-- Questions are only ever added to an event, so the largest count seen is the newest.
counted as (
    select
        neg_risk_event_id,
        max(counts.question_count) as question_count
    from counts
    group by neg_risk_event_id
),

questions as (
    select
        neg_risk_event_id,
        toUInt16(question) as question,
        {{ condition_of_question('neg_risk_event_id', 'question') }} as condition_id
    from counted
    array join range(question_count) as question
)

select * from questions
