{{ config(order_by=['wallet', 'condition_id', 'outcome_index']) }}

with events as (select * from {{ ref('int_ledger_events') }}),

positions as (
    select
        wallet,
        condition_id,
        outcome_index,
        {{ replay(replay_events(), keep='days') }} as state
    from events
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
