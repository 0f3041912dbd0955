{{ config(order_by='wallet') }}

with events as (select * from {{ ref('int_position_events') }}),

conditions as (select * from {{ ref('int_conditions') }}),

positions as (
    select
        wallet,
        condition_id,
        countIf(event_type = 'fill') as fill_count,
        sum(volume_usdc) as volume_usdc,
        sum(fee_value_usdc) as fees_usdc,
        sum(paid_in_usdc) as paid_in_usdc,
        sum(delta_usdc) as cash_usdc,
        toBool(countIf(outcome_index is null) > 0) as has_unknown_outcome,
        sumIf(delta_shares, outcome_index = 0) as open_shares_0,
        sumIf(delta_shares, outcome_index = 1) as open_shares_1,
        min(happened_at) as first_at,
        max(happened_at) as last_at
    from events
    group by wallet, condition_id
),

-- A condition without a payout is unresolved, not worthless. Shares are paid like on chain: each outcome by itself,
-- rounded toward zero.
settled as (
    select
        positions.*,
        toBool(coalesce(conditions.is_resolved, false)) as is_resolved,
        if(
            is_resolved,
            {{ settle('open_shares_0', 'conditions.payout_numerators[1]', 'conditions.payout_denominator') }}
            + {{ settle('open_shares_1', 'conditions.payout_numerators[2]', 'conditions.payout_denominator') }},
            null
        ) as settlement_usdc,
        positions.cash_usdc + settlement_usdc as settled_pnl_usdc
    from positions
    left join conditions on positions.condition_id = conditions.condition_id
)

select * from settled
settings join_use_nulls = 1
