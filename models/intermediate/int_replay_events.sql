{{ config(materialized='view') }}

with changes as (select * from {{ ref('int_holding_changes') }}),

redemptions as (select * from {{ ref('int_redemptions') }}),

conditions as (select * from {{ ref('int_conditions') }}),

markets as (select * from {{ ref('int_markets') }}),

-- The subgraph takes a fill before fees, any leg of a set at half a dollar, and NO shares that are converted at what
-- they cost on average. A fill of no shares has no price: it would stop the subgraph, and is left out.
trades as (
    select
        wallet,
        assumeNotNull(condition_id) as condition_id,
        assumeNotNull(changes.outcome_index) as outcome_index,
        happened_at,
        transaction_hash,
        kind,
        log_index,
        order_hash,
        source_id,
        reinterpretAsInt128(delta_shares) as delta_shares,
        reinterpretAsInt128(delta_usdc) as delta_usdc,
        carries_cost,
        reinterpretAsInt128(gross_shares) as subgraph_shares,
        multiIf(
            event_type = 'fill',
            intDiv(reinterpretAsInt128(volume_usdc) * 1000000, greatest(abs(subgraph_shares), 1)),
            event_type = 'conversion',
            0,
            500000
        ) as subgraph_price,
        toBool(event_type = 'conversion') as at_average,
        false as is_amount_unknown
    from changes
    where
        changes.condition_id is not null
        and changes.outcome_index is not null
        and not (event_type = 'conversion' and changes.delta_shares > 0)
),

-- The subgraph sells all that it has of either outcome, whatever was redeemed; at the neg-risk adapter the amounts
-- asked for, of which the payout tells the winners only. Before it knows a payout it does nothing.
paid as (
    select
        redemptions.* except (condition_id),
        redemptions.condition_id as condition_id,
        markets.is_neg_risk as is_neg_risk,
        coalesce(conditions.payout_denominator, 0) > 0 as is_paid,
        coalesce(conditions.payout_numerators[redemptions.outcome_index + 1], 0) as numerator,
        greatest(coalesce(conditions.payout_denominator, 0), 1) as denominator
    from redemptions
    inner join markets on redemptions.condition_id = markets.condition_id
    left join conditions on redemptions.condition_id = conditions.condition_id
),

exits as (
    select
        wallet,
        condition_id,
        outcome_index,
        happened_at,
        transaction_hash,
        6 as kind,
        log_index,
        toFixedString('', 32) as order_hash,
        redemption_id as source_id,
        reinterpretAsInt128(paid.delta_shares) as delta_shares,
        reinterpretAsInt128(paid.delta_usdc) as delta_usdc,
        false as carries_cost,
        multiIf(
            not is_paid, toInt128(0),
            is_neg_risk and numerator > 0, delta_shares,
            -toInt128('10000000000000000000000000000000000000')
        ) as subgraph_shares,
        toInt128(intDiv(numerator * 1000000, denominator)) as subgraph_price,
        false as at_average,
        is_paid and is_neg_risk and numerator != denominator as is_amount_unknown
    from paid
),

events as (
    select * from trades
    union all
    select * from exits
),

costed as (
    select
        *,
        -delta_usdc * 1000000000 as added_cost
    from events
)

select * from costed
