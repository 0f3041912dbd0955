{{ config(order_by=['neg_risk_event_id', 'question']) }}

with events as (select * from {{ ref('stg_goldsky__neg_risk_events') }}),

conversions as (select * from {{ ref('stg_goldsky__neg_risk_conversions') }}),

adapter as (select address from {{ ref('int_system_addresses') }} where kind = 'neg_risk_adapter'),

-- Questions are only ever added to an event, so the largest count seen is the newest.
counted as (
    select
        neg_risk_event_id,
        max(question_count) as question_count
    from (
        select
            neg_risk_event_id,
            question_count
        from events
        union all
        select
            neg_risk_event_id,
            question_count
        from conversions
    )
    group by neg_risk_event_id
),

-- A question's id is the event's with the question as last byte; its condition has the adapter as oracle and 2 outcomes.
questions as (
    select
        neg_risk_event_id,
        toUInt16(question) as question,
        keccak256(concat(
            assumeNotNull((select address from adapter)),
            substring(neg_risk_event_id, 1, 31),
            char(question),
            leftPad(char(2), 32, char(0))
        )) as condition_id
    from counted
    array join range(question_count) as question
)

select * from questions
