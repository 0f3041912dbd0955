{#- Two ledgers of one position (a wallet's holding of an outcome token), kept side by side, event after event.

    Average cost: shares held and what they cost. What leaves takes its part of the cost along; what leaves beyond what
    is held books nothing and is counted. Money is in 10^-15 USDC here, so that the rounding of a part is never seen.
    Subgraph: what Polymarket's pnl-subgraph stores, prices and money in 10^-6, truncated toward zero at every event
    (its src at 7a92ba026a).

    `events`: an array of tuples as replay_event() makes them, in order. `keep`: what to collect in `kept` besides the
    final state: 'days' (realized P&L so far, at the end of each day that booked any), 'conversions' (average price and
    cost of the NO shares that each took) or 'steps' (the state after every event). It is copied at every event, so it
    had better be short. -#}
{% macro replay(events, keep) -%}
{%- set leaving %}least(greatest(-event.delta_shares, 0), state.held){% endset -%}
{%- set left_cost %}toInt128(intDiv(toInt256(state.cost) * {{ leaving }}, greatest(state.held, 1))){% endset -%}
{%- set proceeds -%}
    toInt128(intDiv(toInt256(event.delta_usdc) * 1000000000 * {{ leaving }}, greatest(-event.delta_shares, 1)))
{%- endset -%}
{%- set realized -%}
    state.realized + if(event.delta_shares < 0 and not event.carries_cost, {{ proceeds }} - {{ left_cost }}, 0)
{%- endset -%}
{%- set bought %}greatest(event.subgraph_shares, 0){% endset -%}
{%- set sold %}least(greatest(-event.subgraph_shares, 0), state.amount){% endset -%}
{%- set price %}if(event.at_average, state.avg_price, event.subgraph_price){% endset -%}
{%- set paid_in %}state.avg_price * state.amount + event.subgraph_price * {{ bought }}{% endset -%}
{%- set next_state -%}
    state.held + greatest(event.delta_shares, 0) - {{ leaving }},
    state.cost + if(event.delta_shares < 0, 0, event.added_cost) - {{ left_cost }},
    {{ realized }},
    state.unmatched + greatest(-event.delta_shares, 0) - {{ leaving }},
    state.amount + {{ bought }} - {{ sold }},
    if({{ bought }} > 0, intDiv({{ paid_in }}, greatest(state.amount + {{ bought }}, 1)), state.avg_price),
    state.pnl + intDiv({{ sold }} * ({{ price }} - state.avg_price), 1000000),
    state.total_bought + {{ bought }},
    state.unknown_amounts + toInt128(event.is_amount_unknown and state.amount > 0)
{%- endset -%}
{%- set state_type -%}
    held Int128, cost Int128, realized Int128, unmatched Int128,
    amount Int128, avg_price Int128, pnl Int128, total_bought Int128, unknown_amounts Int128
{%- endset -%}
{%- if keep == 'days' -%}
    {%- set kept_type %}day Date, realized Int128{% endset -%}
    {%- set day %}toDate(event.happened_at){% endset -%}
    {%- set earlier %}if(tupleElement(state.kept[-1], 'day') = {{ day }}, arrayPopBack(state.kept), state.kept){% endset -%}
    {%- set keeping -%}
        if({{ realized }} = state.realized, state.kept, arrayPushBack({{ earlier }}, ({{ day }}, {{ realized }})))
    {%- endset -%}
{%- elif keep == 'conversions' -%}
    {%- set kept_type %}conversion_id String, avg_price Int128, cost Int128{% endset -%}
    {%- set keeping -%}
        if(
            event.at_average,
            arrayPushBack(state.kept, (event.source_id, state.avg_price, {{ left_cost }})),
            state.kept
        )
    {%- endset -%}
{%- elif keep == 'steps' -%}
    {%- set kept_type = state_type -%}
    {%- set keeping %}arrayPushBack(state.kept, ({{ next_state }})){% endset -%}
{%- endif -%}
arrayFold(
    (state, event) -> cast(
        ({{ next_state }}, {{ keeping }}), 'Tuple({{ state_type }}, kept Array(Tuple({{ kept_type }})))'
    ),
    {{ events }},
    cast((0, 0, 0, 0, 0, 0, 0, 0, 0, []), 'Tuple({{ state_type }}, kept Array(Tuple({{ kept_type }})))')
)
{%- endmacro %}


{#- The events of a group as an array in the order of events: time, transaction, kind, log index where known, order.
    Columns as in int_replay_events; the array's tuples bear their names. -#}
{% macro replay_events() -%}
cast(
    arraySort(groupArray((
        happened_at, transaction_hash, kind, coalesce(log_index, 4294967295), order_hash, source_id,
        delta_shares, delta_usdc, added_cost, carries_cost,
        subgraph_shares, subgraph_price, at_average, is_amount_unknown
    ))),
    'Array(Tuple(
        happened_at DateTime(\'UTC\'), transaction_hash FixedString(32), kind UInt8, log_index UInt32,
        order_hash FixedString(32), source_id String,
        delta_shares Int128, delta_usdc Int128, added_cost Int128, carries_cost Bool,
        subgraph_shares Int128, subgraph_price Int128, at_average Bool, is_amount_unknown Bool
    ))'
)
{%- endmacro %}
