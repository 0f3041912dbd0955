{{ config(order_by='conversion_id') }}

with events as (select * from {{ ref('int_replay_events') }}),

conversions as (select * from {{ ref('int_conversions') }}),

-- NO shares never depend on YES shares. So the positions that conversions take from are replayed first, and what the
-- shares had cost then is the cost of the YES shares that come for them.
no_events as (
    select *
    from events
    where
        outcome_index = 1
        and (wallet, condition_id) in (
            select
                wallet,
                condition_id
            from conversions
            where outcome_index = 1
        )
),

no_positions as (
    {{ replay('no_events', keep='conversions') }}
),

taken as (
    select
        ordered.source_id[place] as conversion_id,
        sum(average) as avg_prices,
        sum(cost_before - cost_after) as cost_taken
    from no_positions
    array join
        places as place,
        avg_price as average,
        arrayPushFront(arrayPopBack(cost), toInt128(0)) as cost_before,
        cost as cost_after
    where ordered.at_average[place]
    group by conversion_id
),

described as (
    select
        conversion_id,
        toInt128(any(no_count)) as no_count,
        toInt128(any(question_count)) as question_count,
        max(abs(reinterpretAsInt128(delta_shares))) as shares
    from conversions
    group by conversion_id
),

-- The cash that a conversion pays is taken off what the NO shares had cost. The subgraph reckons in average prices.
costs as (
    select
        conversion_id,
        question_count - no_count as yes_count,
        intDiv(
            intDiv(avg_prices, no_count) * no_count - 1000000 * (no_count - 1), greatest(yes_count, 1)
        ) as subgraph_yes_price,
        intDiv(cost_taken - (no_count - 1) * shares * 1000000000, greatest(yes_count, 1)) as yes_cost
    from taken
    inner join described on taken.conversion_id = described.conversion_id
    where yes_count > 0
)

select * from costs
