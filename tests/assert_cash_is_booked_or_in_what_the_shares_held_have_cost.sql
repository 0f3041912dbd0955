-- What a wallet realized less what its shares still cost is its cash, to the base unit, in every condition where it
-- gave up only what it had. A conversion carries cost between the questions of an event; then it is so for the event,
-- within a base unit for each position.
with ledgers as (
    select
        wallet_conditions.wallet as wallet,
        coalesce(questions.neg_risk_event_id, wallet_conditions.condition_id) as condition_or_event_id,
        sum(wallet_conditions.realized_pnl_usdc - wallet_conditions.cost_usdc) as booked_usdc,
        sum(wallet_conditions.cash_usdc) as cash_usdc,
        if(questions.neg_risk_event_id is null, 0, 2 * count()) as dust
    from {{ ref('int_wallet_conditions') }} as wallet_conditions
    left join {{ ref('int_neg_risk_questions') }} as questions
        on wallet_conditions.condition_id = questions.condition_id
    where wallet_conditions.condition_id is not null
    group by
        wallet_conditions.wallet,
        questions.neg_risk_event_id,
        condition_or_event_id
    having countIf(wallet_conditions.unmatched_shares != 0) = 0
)

select * from ledgers
where abs(booked_usdc - cash_usdc) * 1000000 > dust
settings join_use_nulls = 1
