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
    order by redemption_id asc, loaded_at desc, happened_at desc
    limit 1 by redemption_id
),

-- When each outcome was redeemed. By a short key, which is looked up in half the time that wallet and condition take;
-- what has it by chance is of no redemption.
redeemed as (
    select
        cityHash64(wallet, condition_id) as short_key,
        arraySort(groupArrayIf(moment, has(index_sets, toUInt256(1)))) as moments_0,
        arraySort(groupArrayIf(moment, has(index_sets, toUInt256(2)))) as moments_1
    from redemptions
    group by wallet, condition_id
),

-- The row does not say which shares left. What was acquired since the outcome was last redeemed is what was held.
held as (
    select
        entries.wallet as wallet,
        entries.condition_id as condition_id,
        arrayFirst(
            moment -> moment > entries.moment, if(outcome_index = 0, moments_0, moments_1)
        ) as redeemed_at,
        sumIf(entries.shares - fee_shares + leftover_shares, outcome_index = 0) as shares_0,
        sumIf(entries.shares - fee_shares + leftover_shares, outcome_index = 1) as shares_1
    from entries
    inner join redeemed on cityHash64(entries.wallet, entries.condition_id) = redeemed.short_key
    where outcome_index < 2
    group by entries.wallet, entries.condition_id, redeemed_at
),

-- Base units from here on. An outcome that was not redeemed, or whose payout is not loaded, has no worth that is known.
known as (
    select
        redemptions.redemption_id as redemption_id,
        redemptions.happened_at as happened_at,
        redemptions.moment as moment,
        redemptions.wallet as wallet,
        redemptions.condition_id as condition_id,
        toInt256(reinterpretAsInt128(redemptions.payout_usdc)) as payout,
        toInt256(reinterpretAsInt128(greatest(held.shares_0, toDecimal128(0, 6)))) as held_0,
        toInt256(reinterpretAsInt128(greatest(held.shares_1, toDecimal128(0, 6)))) as held_1,
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
    left join held
        on
            redemptions.wallet = held.wallet
            and redemptions.condition_id = held.condition_id
            and redemptions.moment = held.redeemed_at
    inner join markets on redemptions.condition_id = markets.condition_id
    left join conditions on redemptions.condition_id = conditions.condition_id
),

-- ConditionalTokens redeems all that is held, the neg-risk adapter what its caller says. If all that is held is worth
-- the payout, all left; else what left is what the payout buys. Worthless shares leave with the rest. Where nothing of
-- what was redeemed is known to pay, the outcome of which more is held is taken to have paid, at most a dollar a share:
-- at least so many left.
inferred as (
    select
        *,
        intDiv(held_0 * numerator_0, denominator) + intDiv(held_1 * numerator_1, denominator) = payout as is_all,
        numerator_0 = 0 and numerator_1 = 0 as is_unexplained,
        is_unexplained and is_redeemed_0 and (not is_redeemed_1 or held_0 >= held_1) as is_taken_as_0,
        is_unexplained and not is_taken_as_0 as is_taken_as_1,
        intDiv(payout * denominator + numerator_0 - 1, greatest(numerator_0, toInt256(1))) as bought_by_payout_0,
        multiIf(
            is_taken_as_0, greatest(held_0, payout),
            is_all or numerator_0 = 0, held_0,
            numerator_1 = 0, bought_by_payout_0,
            least(held_0, bought_by_payout_0)
        ) as left_0,
        if(
            is_taken_as_0 or (numerator_0 > 0 and numerator_1 = 0), payout, intDiv(left_0 * numerator_0, denominator)
        ) as cash_0,
        payout - cash_0 as cash_1,
        multiIf(
            is_taken_as_1, greatest(held_1, payout),
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
