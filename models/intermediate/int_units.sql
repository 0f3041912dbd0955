{{ config(materialized='view') }}

with markets as (select * from {{ ref('int_markets') }}),

questions as (select * from {{ ref('int_neg_risk_questions') }}),

-- A conversion moves value between the conditions of its event, so only the event as a whole balances.
units as (
    select
        markets.condition_id as condition_id,
        if(questions.condition_id is null, 'condition', 'event') as unit_kind,
        coalesce(questions.neg_risk_event_id, markets.condition_id) as unit_id,
        coalesce(questions.question, 0) as place
    from markets
    left join questions on markets.condition_id = questions.condition_id
)

select * from units
settings join_use_nulls = 1
