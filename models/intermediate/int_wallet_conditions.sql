{{ config(order_by='wallet') }}

with events as (select * from {{ ref('int_position_events') }}),

conditions as (select * from {{ ref('int_conditions') }}),

position_values as (select * from {{ ref('int_position_values') }}),

holdings as (
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

-- Where the value of any leg is not known, that of the whole is not.
ledgers as (
    select
        wallet,
        condition_id,
        sum(position_values.realized_pnl_usdc) as realized_pnl_usdc,
        sum(position_values.cost_usdc) as cost_usdc,
        if(
            countIf(position_values.unrealized_pnl_usdc is null) > 0, null, sum(position_values.unrealized_pnl_usdc)
        ) as unrealized_pnl_usdc,
        sum(position_values.unmatched_shares) as unmatched_shares,
        sum(position_values.subgraph_realized_pnl) as subgraph_realized_pnl
    from position_values
    group by wallet, condition_id
),

-- A condition without a payout is unresolved, not worthless. Shares are paid like on chain: each outcome by itself,
-- rounded toward zero.
settled as (
    select
        holdings.*,
        toBool(coalesce(conditions.is_resolved, false)) as is_resolved,
        if(
            is_resolved,
            {{ settle('open_shares_0', 'conditions.payout_numerators[1]', 'conditions.payout_denominator') }}
            + {{ settle('open_shares_1', 'conditions.payout_numerators[2]', 'conditions.payout_denominator') }},
            null
        ) as settlement_usdc,
        holdings.cash_usdc + settlement_usdc as settled_pnl_usdc
    from holdings
    left join conditions on holdings.condition_id = conditions.condition_id
),

wallet_conditions as (
    select
        settled.* except (wallet, condition_id),
        settled.wallet as wallet,
        settled.condition_id as condition_id,
        ledgers.realized_pnl_usdc as realized_pnl_usdc,
        ledgers.cost_usdc as cost_usdc,
        ledgers.unrealized_pnl_usdc as unrealized_pnl_usdc,
        ledgers.unmatched_shares as unmatched_shares,
        {{ from_base_units('ledgers.subgraph_realized_pnl') }} as subgraph_realized_pnl_usdc
    from settled
    left join ledgers
        on
            settled.wallet = ledgers.wallet
            and settled.condition_id = ledgers.condition_id
)

select * from wallet_conditions
settings join_use_nulls = 1
