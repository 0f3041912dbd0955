{{ config(
    order_by=['wallet', 'condition_id', 'outcome_index'],
    query_settings={
        'compile_expressions': 0,
        'optimize_aggregation_in_order': 1,
        'aggregation_in_order_max_block_bytes': 4000000,
        'max_block_size': 16384,
        'min_insert_block_size_rows': 262144,
        'min_insert_block_size_bytes': 67108864,
    },
) }}

with events as (select * from {{ ref('int_replay_events') }}),

positions as (
    {{ replay('events', keep='days') }}
),

-- Rounded so far, then told apart by day: the days add up to the whole. A redemption of nothing is no event, and what
-- conversions carry stands on a line of its own.
booked as (
    select
        *,
        arrayMap(so_far -> {{ from_billionths('so_far') }}, realized) as booked_so_far,
        arrayFilter(
            day -> day.2 != 0,
            arrayMap(
                (day, now, before) -> (day, now - before),
                arrayFilter((day, is_it) -> is_it, event_days, is_kept),
                booked_so_far,
                arrayPopBack(arrayPushFront(booked_so_far, toDecimal128(0, 6)))
            )
        ) as days,
        arrayMap(moment -> {{ kind_of_moment('moment') }}, ordered.moment) as kinds,
        arrayFilter(
            (moment, kind, shares, usdc) -> kind < 5 or (kind = 5 and moment % 2 = 1) or shares != 0 or usdc != 0,
            ordered.moment, kinds, ordered.delta_shares, ordered.delta_usdc
        ) as event_moments
    from positions
),

readable as (
    select
        wallet,
        condition_id,
        outcome_index,
        length(event_moments) as event_count,
        arrayCount((kind, fill_usdc) -> {{ is_trade() }}, kinds, ordered.fill_usdc) as fill_count,
        {{ time_of_moment('event_moments[1]') }} as first_at,
        {{ time_of_moment('event_moments[-1]') }} as last_at,
        {{ from_base_units('arraySum(usdc -> abs(usdc), ordered.fill_usdc)') }} as volume_usdc,
        {{ from_base_units('arraySum(ordered.fee_value)') }} as fees_usdc,
        {{ from_base_units('''arraySum(
            (usdc, kind, delta) -> greatest(if(kind = 1 or outcome_index between 128 and 254, -delta, -usdc), 0),
            ordered.fill_usdc, kinds, ordered.delta_usdc
        )''') }} as paid_in_usdc,
        {{ from_base_units('arraySum(ordered.delta_usdc)') }} as cash_usdc,
        {{ from_base_units('held[-1]') }} as shares,
        {{ from_billionths('cost[-1]') }} as cost_usdc,
        booked_so_far[-1] as realized_pnl_usdc,
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
