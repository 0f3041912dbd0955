{{ config(order_by=['wallet', 'condition_id', 'outcome_index', 'moment']) }}

with landed as (select * from {{ ref('stg_goldsky__redemptions') }}),

entries as (select * from {{ ref('int_entries') }}),

conditions as (select * from {{ ref('int_conditions') }}),

markets as (select * from {{ ref('int_markets') }}),

redemptions as (
    select
        *,
        {{ event_moment('happened_at', 'transaction_hash', 6, log_tail('log_index', 'redemption_id')) }} as moment
    from landed
    where condition_id in (select condition_id from markets)
    order by redemption_id asc, loaded_at desc
    limit 1 by redemption_id
),

redeemed_outcomes as (
    select
        redemption_id,
        moment,
        wallet,
        condition_id,
        outcome_index
    from redemptions
    array join cast([0, 1], 'Array(UInt8)') as outcome_index
    where has(index_sets, toUInt256(outcome_index + 1))
),

time_line as (
    select
        wallet,
        condition_id,
        outcome_index,
        moment,
        '' as redemption_id,
        shares - fee_shares + leftover_shares as delta_shares,
        false as is_redemption
    from entries
    where (wallet, condition_id) in (
        select
            wallet,
            condition_id
        from redemptions
    )
    union all
    select
        wallet,
        condition_id,
        outcome_index,
        moment,
        redemption_id,
        toDecimal128(0, 6) as delta_shares,
        true as is_redemption
    from redeemed_outcomes
),

accumulated as (
    select
        *,
        sum(delta_shares) over (
            partition by wallet, condition_id, outcome_index
            order by moment
            rows between unbounded preceding and current row
        ) as ever_acquired_shares
    from time_line
),

-- The row does not say which shares left. What was acquired since the outcome was last redeemed is what was held.
held as (
    select
        redemption_id,
        outcome_index,
        greatest(
            ever_acquired_shares - lagInFrame(ever_acquired_shares, 1, toDecimal128(0, 6)) over (
                partition by wallet, condition_id, outcome_index
                order by moment, redemption_id
                rows between unbounded preceding and current row
            ),
            toDecimal128(0, 6)
        ) as held_shares
    from accumulated
    where is_redemption
),

held_by_redemption as (
    select
        redemption_id,
        toInt256(reinterpretAsInt128(sumIf(held_shares, outcome_index = 0))) as held_0,
        toInt256(reinterpretAsInt128(sumIf(held_shares, outcome_index = 1))) as held_1
    from held
    group by redemption_id
),

-- Base units from here on. An outcome that was not redeemed, or whose payout is not loaded, counts as paying nothing.
known as (
    select
        redemptions.redemption_id as redemption_id,
        redemptions.happened_at as happened_at,
        redemptions.moment as moment,
        redemptions.wallet as wallet,
        redemptions.condition_id as condition_id,
        toInt256(reinterpretAsInt128(redemptions.payout_usdc)) as payout,
        held_by_redemption.held_0 as held_0,
        held_by_redemption.held_1 as held_1,
        has(redemptions.index_sets, toUInt256(1)) as is_redeemed_0,
        has(redemptions.index_sets, toUInt256(2)) as is_redeemed_1,
        markets.is_neg_risk as is_neg_risk,
        coalesce(conditions.payout_denominator, 0) > 0 as is_paid,
        greatest(toInt256(conditions.payout_denominator), toInt256(1)) as denominator,
        toInt256(conditions.payout_numerators[1]) as paid_0,
        toInt256(conditions.payout_numerators[2]) as paid_1,
        if(is_redeemed_0, paid_0, toInt256(0)) as numerator_0,
        if(is_redeemed_1, paid_1, toInt256(0)) as numerator_1
    from redemptions
    left join held_by_redemption on redemptions.redemption_id = held_by_redemption.redemption_id
    inner join markets on redemptions.condition_id = markets.condition_id
    left join conditions on redemptions.condition_id = conditions.condition_id
),

-- ConditionalTokens redeems all that is held, the neg-risk adapter what its caller says. If all that is held is worth
-- the payout, all left; else what left is what the payout buys. Worthless shares leave with the rest.
inferred as (
    select
        *,
        intDiv(held_0 * numerator_0, denominator) + intDiv(held_1 * numerator_1, denominator) = payout as is_all,
        intDiv(payout * denominator + numerator_0 - 1, greatest(numerator_0, toInt256(1))) as bought_by_payout_0,
        multiIf(
            is_all or numerator_0 = 0, held_0,
            numerator_1 = 0, bought_by_payout_0,
            least(held_0, bought_by_payout_0)
        ) as left_0,
        if(numerator_1 = 0 and is_redeemed_0, payout, intDiv(left_0 * numerator_0, denominator)) as cash_0,
        payout - cash_0 as cash_1,
        if(
            is_all or numerator_1 = 0, held_1,
            intDiv(cash_1 * denominator + numerator_1 - 1, greatest(numerator_1, toInt256(1)))
        ) as left_1
    from known
),

-- The subgraph sells all that it has of either outcome, whatever was redeemed; at the neg-risk adapter the amounts
-- asked for, of which the payout tells the winners only. Before it knows a payout it does nothing.
legs as (
    select
        redemption_id,
        happened_at,
        wallet,
        condition_id,
        leg.1 as outcome_index,
        moment,
        toUInt8(6) as kind,
        reinterpret(toInt128(-leg.2), 'Decimal(38, 6)') as delta_shares,
        reinterpret(toInt128(leg.3), 'Decimal(38, 6)') as delta_usdc,
        multiIf(
            not is_paid, toInt128(0),
            is_neg_risk and leg.4 > 0, toInt128(-leg.2),
            -toInt128('10000000000000000000000000000000000000')
        ) as subgraph_shares,
        if(is_paid, toInt128(intDiv(leg.4 * 1000000, denominator)), toInt128(0)) as subgraph_price,
        toBool(is_paid and is_neg_risk and leg.4 != denominator) as is_amount_unknown
    from inferred
    array join [
        (toUInt8(0), left_0, cash_0, paid_0), (toUInt8(1), left_1, cash_1, paid_1)
    ] as leg
)

select * from legs
