-- What conversions take from the settled P&L of one question they give to the others of its event. Each question may be
-- off by the rounding of what its two tokens realized and cost.
with carried_costs as (select * from {{ ref('int_carried_costs') }}),

questions as (
    select
        neg_risk_event_id,
        count() as question_count
    from {{ ref('int_neg_risk_questions') }}
    group by neg_risk_event_id
),

events as (
    select
        wallet,
        neg_risk_event_id,
        sum(carried_usdc) as made_usdc
    from carried_costs
    group by wallet, neg_risk_event_id
)

select
    events.wallet,
    events.neg_risk_event_id,
    events.made_usdc
from events
inner join questions on events.neg_risk_event_id = questions.neg_risk_event_id
where abs(events.made_usdc) > questions.question_count * toDecimal128('0.000002', 6)
