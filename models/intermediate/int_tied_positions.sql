{{ config(order_by=['wallet', 'condition_id', 'outcome_index']) }}

with events as (select * from {{ ref('int_replay_events') }}),

wallets as (select * from {{ ref('int_reconciled_wallets') }}),

questions as (select * from {{ ref('int_neg_risk_questions') }}),

conversions as (select * from {{ ref('int_conversions') }}),

-- Events of one second may have happened in another order than ours.
crowded_seconds as (
    select
        wallet,
        condition_id,
        outcome_index,
        {{ time_of_moment('moment') }} as happened_at
    from events
    where kind != 7 and outcome_index != 255 and wallet in (select wallet from wallets)
    group by wallet, condition_id, outcome_index, happened_at
    having count() > 1
),

ties as (
    select distinct
        wallet,
        condition_id,
        outcome_index
    from crowded_seconds
),

-- What a conversion's NO shares had cost depends on their order, and the price of its YES shares on that.
tied_events as (
    select distinct
        ties.wallet as wallet,
        questions.neg_risk_event_id as neg_risk_event_id
    from ties
    inner join questions on ties.condition_id = questions.condition_id
    where ties.outcome_index = 1
),

converted as (
    select distinct
        conversions.wallet as wallet,
        conversions.condition_id as condition_id,
        conversions.outcome_index as outcome_index
    from conversions
    inner join questions on conversions.condition_id = questions.condition_id
    inner join tied_events
        on
            conversions.wallet = tied_events.wallet
            and questions.neg_risk_event_id = tied_events.neg_risk_event_id
    where conversions.outcome_index = 0
),

tied as (
    select
        wallet,
        condition_id,
        outcome_index
    from ties
    union distinct
    select
        wallet,
        condition_id,
        outcome_index
    from converted
)

select * from tied
