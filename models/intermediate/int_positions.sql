{{ config(order_by=['wallet', 'condition_id', 'outcome_index']) }}

with events as (select * from {{ ref('int_ledger_events') }}),

positions as (
    {{ replay('events', keep='days') }}
),

-- Rounded so far, then told apart by day: the days add up to the whole.
booked as (
    select
        *,
        arrayMap(place -> toDate(ordered.happened_at[place]), places) as kept_days,
        arrayFilter(
            (i, day, next_day) -> day != next_day,
            arrayEnumerate(places),
            kept_days,
            arrayPushBack(arrayPopFront(kept_days), kept_days[-1] + 1)
        ) as day_ends,
        arrayMap(i -> {{ from_billionths('realized[i]') }}, day_ends) as booked_so_far,
        arrayFilter(
            day -> day.2 != 0,
            arrayMap(
                (i, now, before) -> (kept_days[i], now - before),
                day_ends,
                booked_so_far,
                arrayPopBack(arrayPushFront(booked_so_far, toDecimal128(0, 6)))
            )
        ) as days
    from positions
),

readable as (
    select
        wallet,
        condition_id,
        outcome_index,
        {{ from_base_units('held[-1]') }} as shares,
        {{ from_billionths('cost[-1]') }} as cost_usdc,
        {{ from_billionths('realized[-1]') }} as realized_pnl_usdc,
        cast(days, 'Array(Tuple(day Date, pnl_usdc Decimal(38, 6)))') as realized_by_day,
        {{ from_base_units('unmatched[-1]') }} as unmatched_shares,
        amount[-1] as subgraph_amount,
        avg_price[-1] as subgraph_avg_price,
        pnl[-1] as subgraph_realized_pnl,
        total_bought[-1] as subgraph_total_bought,
        toBool(unknown_amounts[-1] > 0) as is_redeemed_amount_unknown
    from booked
)

select * from readable
