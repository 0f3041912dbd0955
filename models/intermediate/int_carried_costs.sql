{{ config(materialized='view') }}

with wallet_conditions as (select * from {{ ref('int_wallet_conditions') }}),

questions as (select * from {{ ref('int_neg_risk_questions') }}),

conversions as (select * from {{ ref('int_conversions') }}),

-- What a wallet realized less what its shares still cost is its cash, in any condition where it sold only what it had
-- and converted nothing. So the difference is the work of conversions: settled P&L has them at the uniform price,
-- average cost carries the cost along. Who converted nothing carries nothing.
differences as (
    select
        wallet_conditions.wallet as wallet,
        questions.condition_id as condition_id,
        questions.neg_risk_event_id as neg_risk_event_id,
        coalesce(cash_usdc + cost_usdc - realized_pnl_usdc, toDecimal128(0, 6)) as carried_usdc,
        unmatched_shares
    from wallet_conditions
    inner join questions on wallet_conditions.condition_id = questions.condition_id
    where
        wallet_conditions.wallet in (select wallet from conversions)
        and wallet_conditions.condition_id in (select condition_id from questions)
        and (carried_usdc != 0 or unmatched_shares > 0)
),

-- Shares that were never seen to arrive have no cost to carry. What an event carries would not sum to nothing then.
complete as (
    select
        *,
        sum(unmatched_shares) over (partition by wallet, neg_risk_event_id) as unmatched_in_event
    from differences
),

carried as (
    select
        wallet,
        condition_id,
        neg_risk_event_id,
        carried_usdc
    from complete
    where unmatched_in_event = 0
)

select * from carried
