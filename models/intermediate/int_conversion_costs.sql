{{ config(
    order_by=['wallet', 'condition_id', 'outcome_index', 'moment'],
    query_settings={'compile_expressions': 0, 'optimize_aggregation_in_order': 1},
) }}

with no_events as (select * from {{ ref('int_no_events') }}),

conversions as (select * from {{ ref('int_conversions') }}),

-- NO shares never depend on YES shares. So the positions that conversions take from are replayed first, and what the
-- shares had cost then is the cost of the YES shares that come for them.
no_positions as (
    {{ replay('no_events', keep='conversions') }}
),

-- All questions of a conversion are of one wallet and of one moment.
taken as (
    select
        wallet,
        ordered.moment[place] as moment,
        sum(average) as avg_prices,
        sum(cost_before - cost_after) as cost_taken
    from no_positions
    array join
        places as place,
        avg_price as average,
        arrayPushFront(arrayPopBack(cost), toInt128(0)) as cost_before,
        cost as cost_after
    where ordered.at_average[place]
    group by wallet, moment
),

brought as (
    select
        *,
        toInt128(no_count) as no_questions,
        toInt128(question_count - no_count) as yes_questions,
        reinterpretAsInt128(delta_shares) as subgraph_shares
    from conversions
    where outcome_index = 0 and delta_shares != 0
),

-- The cash that a conversion pays is taken off what the NO shares had cost. The subgraph reckons in average prices.
costs as (
    select
        brought.wallet as wallet,
        brought.condition_id as condition_id,
        brought.outcome_index as outcome_index,
        toUInt128(brought.moment - 1) as moment,
        toUInt8(7) as kind,
        brought.subgraph_shares as subgraph_shares,
        intDiv(
            intDiv(taken.avg_prices, no_questions) * no_questions - 1000000 * (no_questions - 1), yes_questions
        ) as subgraph_price,
        intDiv(
            taken.cost_taken - (no_questions - 1) * brought.subgraph_shares * 1000000000, yes_questions
        ) as added_cost
    from brought
    inner join taken
        on
            brought.wallet = taken.wallet
            and brought.moment = taken.moment
)

select * from costs
