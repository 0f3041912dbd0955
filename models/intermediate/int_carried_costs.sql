{{ config(materialized='view') }}

with wallet_conditions as (select * from {{ ref('int_wallet_conditions') }}),

questions as (select * from {{ ref('int_neg_risk_questions') }}),

conversions as (select * from {{ ref('int_conversions') }}),

-- Who converted nothing carries nothing.
of_converters as (
    select * from wallet_conditions
    where
        wallet in (select wallet from conversions)
        and condition_id in (select condition_id from questions)
),

-- What a wallet realized less what its shares still cost is its cash, in any condition where it sold only what it had
-- and converted nothing. So the difference is the work of conversions: settled P&L has them at the uniform price,
-- average cost carries the cost along.
differences as (
    select
        of_converters.wallet as wallet,
        questions.condition_id as condition_id,
        questions.neg_risk_event_id as neg_risk_event_id,
        coalesce(cash_usdc + cost_usdc - realized_pnl_usdc, toDecimal128(0, 6)) as carried_usdc,
        unmatched_shares > 0 or has_unknown_outcome as is_incomplete
    from of_converters
    inner join questions on of_converters.condition_id = questions.condition_id
    where carried_usdc != 0 or is_incomplete
),

-- Shares that were never seen to arrive have no cost to carry, and fills of an unknown token are in no position. What
-- an event carries would not sum to nothing then.
complete as (
    select
        *,
        countIf(is_incomplete) over (partition by wallet, neg_risk_event_id) as incomplete_conditions
    from differences
),

carried as (
    select
        wallet,
        condition_id,
        neg_risk_event_id,
        carried_usdc
    from complete
    where incomplete_conditions = 0
)

select * from carried
