{{ config(
    order_by=['wallet', 'condition_id', 'outcome_index'],
    query_settings={'optimize_aggregation_in_order': 1},
) }}
{#- Summed in the same pass. A redemption of nothing is no event, and what conversions carry (kind 7) is part of one. -#}
{%- set sums %}
                countIf(is_event) as event_count,
                countIf(kind in (2, 3)) as fill_count,
                minIf(moment, is_event) as first_moment,
                maxIf(moment, is_event) as last_moment,
                sum(events.volume_usdc) as volume_usdc,
                sum(events.fee_value_usdc) as fees_usdc,
                sum(events.paid_in_usdc) as paid_in_usdc,
                sum(delta_usdc) as cash,
{%- endset %}

with replay_events as (select * from {{ ref('int_replay_events') }}),

events as (
    select
        *,
        kind < 6 or (kind = 6 and (delta_shares != 0 or delta_usdc != 0)) as is_event
    from replay_events
),

positions as (
    {{ replay('events', keep='days', sums=sums) }}
),

-- Rounded so far, then told apart by day: the days add up to the whole.
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
        ) as days
    from positions
),

readable as (
    select
        wallet,
        condition_id,
        outcome_index,
        event_count,
        fill_count,
        {{ time_of_moment('first_moment') }} as first_at,
        {{ time_of_moment('last_moment') }} as last_at,
        volume_usdc,
        fees_usdc,
        paid_in_usdc,
        {{ from_base_units('cash') }} as cash_usdc,
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
