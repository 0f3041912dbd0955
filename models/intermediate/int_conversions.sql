{{ config(order_by=['wallet', 'condition_id', 'happened_at']) }}

with landed as (select * from {{ ref('stg_goldsky__neg_risk_conversions') }}),

neg_risk_questions as (select * from {{ ref('int_neg_risk_questions') }}),

conversions as (
    select
        *,
        arrayFilter(i -> bitAnd(bitShiftRight(index_set, i), toUInt256(1)) = 1, range(question_count)) as no_questions,
        arrayFilter(i -> not has(no_questions, i), range(question_count)) as yes_questions
    from landed
    order by conversion_id asc, loaded_at desc, happened_at desc
    limit 1 by conversion_id
),

-- The first question of the set comes last: it takes the base unit that does not divide.
questions as (
    select
        conversion_id,
        transaction_hash,
        log_index,
        happened_at,
        wallet,
        neg_risk_event_id,
        shares,
        toInt256(question_count) as n,
        toInt256(length(no_questions)) as no_count,
        toUInt16(question) as question,
        has(no_questions, question) as is_no,
        toInt256(place) as place
    from conversions
    array join
        arrayConcat(arrayPopFront(no_questions), yes_questions, [no_questions[1]]) as question,
        arrayEnumerate(arrayConcat(no_questions, yes_questions)) as place
),

-- At the uniform price NO leaves at (n-1)/n and YES arrives at 1/n. The running total, in nths of a share, is rounded
-- instead of each leg: every leg stays within one base unit of its price, and all add up to (no_count - 1) x shares.
priced as (
    select
        *,
        toInt256(reinterpretAsInt128(shares)) as units,
        if(
            place = n,
            (no_count - 1) * n,
            least(place, no_count - 1) * (n - 1) - greatest(place - (no_count - 1), toInt256(0))
        ) as nths_to_here,
        least(place - 1, no_count - 1) * (n - 1) - greatest(place - no_count, toInt256(0)) as nths_before
    from questions
),

legs as (
    select
        priced.conversion_id as conversion_id,
        priced.transaction_hash as transaction_hash,
        priced.log_index as log_index,
        priced.happened_at as happened_at,
        {{ event_moment(
            'priced.happened_at', 'priced.transaction_hash', 5, log_tail('priced.log_index', 'priced.conversion_id')
        ) }} as moment,
        priced.wallet as wallet,
        priced.question as question,
        neg_risk_questions.condition_id as condition_id,
        toUInt8(priced.is_no) as outcome_index,
        toUInt16(priced.n) as question_count,
        toUInt16(priced.no_count) as no_count,
        if(priced.is_no, -priced.shares, priced.shares) as delta_shares,
        reinterpret(
            toInt128(intDiv(nths_to_here * units, n) - intDiv(nths_before * units, n)), 'Decimal(38, 6)'
        ) as delta_usdc
    from priced
    inner join neg_risk_questions
        on
            priced.neg_risk_event_id = neg_risk_questions.neg_risk_event_id
            and priced.question = neg_risk_questions.question
)

select * from legs
