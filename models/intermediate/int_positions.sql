{{ config(order_by=['wallet', 'condition_id', 'outcome_index']) }}

with events as (select * from {{ ref('int_replay_events') }}),

conversions as (select * from {{ ref('int_conversions') }}),

conversion_costs as (select * from {{ ref('int_conversion_costs') }}),

-- YES shares that a conversion brings. An amount of dust may be rounded to no shares at all.
converted as (
    select
        wallet,
        condition_id,
        outcome_index,
        happened_at,
        transaction_hash,
        5 as kind,
        log_index,
        toFixedString('', 32) as order_hash,
        conversions.conversion_id as source_id,
        reinterpretAsInt128(conversions.delta_shares) as delta_shares,
        reinterpretAsInt128(conversions.delta_usdc) as delta_usdc,
        false as carries_cost,
        delta_shares as subgraph_shares,
        conversion_costs.subgraph_yes_price as subgraph_price,
        false as at_average,
        false as is_amount_unknown,
        conversion_costs.yes_cost as added_cost
    from conversions
    inner join conversion_costs on conversions.conversion_id = conversion_costs.conversion_id
    where outcome_index = 0
),

ordered as (
    select * from events
    union all
    select * from converted
),

positions as (
    select
        wallet,
        condition_id,
        outcome_index,
        {{ replay(replay_events(), keep='days') }} as state
    from ordered
    group by wallet, condition_id, outcome_index
),

-- Rounded so far, then told apart by day: the days add up to the whole.
booked as (
    select
        *,
        arrayMap(d -> {{ from_billionths('d.realized') }}, state.kept) as booked_so_far,
        arrayMap(
            (d, now, before) -> (d.day, now - before),
            state.kept,
            booked_so_far,
            arrayPopBack(arrayPushFront(booked_so_far, toDecimal128(0, 6)))
        ) as days
    from positions
),

readable as (
    select
        wallet,
        condition_id,
        outcome_index,
        {{ from_base_units('state.held') }} as shares,
        {{ from_billionths('state.cost') }} as cost_usdc,
        {{ from_billionths('state.realized') }} as realized_pnl_usdc,
        cast(days, 'Array(Tuple(day Date, pnl_usdc Decimal(38, 6)))') as realized_by_day,
        {{ from_base_units('state.unmatched') }} as unmatched_shares,
        state.amount as subgraph_amount,
        state.avg_price as subgraph_avg_price,
        state.pnl as subgraph_realized_pnl,
        state.total_bought as subgraph_total_bought,
        toBool(state.unknown_amounts > 0) as is_redeemed_amount_unknown
    from booked
)

select * from readable
