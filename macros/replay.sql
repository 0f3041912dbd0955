{#- Two ledgers of one position (a wallet's holding of an outcome token), kept side by side, event after event.

    Average cost: shares held and what they cost. What leaves takes its part of the cost along; what leaves beyond what
    is held books nothing and is counted. Money is in 10^-15 USDC here, so that the rounding of a part is never seen.
    Subgraph: what Polymarket's pnl-subgraph stores, prices and money in 10^-6, truncated toward zero at every event
    (its src at 7a92ba026a).

    A subquery: one row per wallet, condition and outcome of `events` (columns as in int_replay_events). The arrays
    `ordered` (the events) and held, unmatched, amount, total_bought, unknown_amounts have an element for each event:
    the state after it. The arrays of `places` (1 is the first event), cost, realized, avg_price and pnl have one for
    each event that is kept; `keep` says which: 'days' (the last of each day, and both sides of what conversions took
    along; avg_price and pnl then have the last only), 'conversions' (and those before them) or 'steps' (all).

    What is a sum is summed for the whole array at once. Only what depends on a rounded value before it is folded, since
    a step of a fold costs the same for one position as for thousands. -#}
{% macro replay(events, keep) -%}
{#- Cost that is gone, average price, P&L. The cost is that of all shares ever held, less what is gone. -#}
{%- set next_cost_gone = 'state.1 + toInt128(intDiv(toInt256(added - state.1) * leaving, held))' -%}
{%- set next_state -%}
    {{ next_cost_gone }},
    intDiv(state.2 * amount + paid, new_amount),
    state.3 + intDiv(sold * (price - state.2), 1000000)
{%- endset -%}
{#- What was kept so far is copied at every step, so there is no more in it than is asked for. -#}
{%- if keep == 'days' -%}
    {%- set kept, type_of_kept, cost_gone = next_cost_gone, 'Int128', 'folded.4' -%}
    {%- set avg_price, pnl = '[folded.2]', '[folded.3]' -%}
{%- else -%}
    {%- set kept, type_of_kept, cost_gone = '(' ~ next_state ~ ')', 'Tuple(Int128, Int128, Int128)', 'folded.4.1' -%}
    {%- set avg_price, pnl = 'folded.4.2', 'folded.4.3' -%}
{%- endif -%}
select
    *,
    {{ cost_gone }} as cost_gone,
    arrayMap(
        (added, gone) -> added - gone, arrayFilter((added, is_it) -> is_it, added_so_far, is_kept), cost_gone
    ) as cost,
    -- What conversions took along was not booked.
    arrayCumSum(arrayMap(
        (is_it, now, before) -> if(is_it, now - before, toInt128(0)),
        arrayFilter((carries_it, is_it) -> is_it, carries, is_kept),
        cost_gone,
        arrayPushFront(arrayPopBack(cost_gone), toInt128(0))
    )) as carried,
    arrayMap(
        (proceeds, gone, unbooked) -> proceeds - gone + unbooked,
        arrayFilter((proceeds, is_it) -> is_it, proceeds_so_far, is_kept),
        cost_gone,
        carried
    ) as realized,
    {{ avg_price }} as avg_price,
    {{ pnl }} as pnl
from (
    select
        *,
        arrayFold(
            (state, added, leaving, held, amount, paid, new_amount, sold, price, is_kept) -> (
                {{ next_state }},
                if(is_kept, arrayPushBack(state.4, {{ kept }}), state.4)
            ),
            added_so_far,
            leaving,
            arrayMap(shares -> greatest(shares, 1), held_before),
            -- What is not bought leaves the average as it is, also where nothing is held.
            arrayMap((shares, more) -> if(shares + more = 0, toInt128(1), shares), amount_before, bought),
            arrayMap((more, price) -> more * price, bought, ordered.subgraph_price),
            arrayMap((shares, more) -> greatest(shares + more, 1), amount_before, bought),
            arrayMap((less, is_free) -> if(is_free, toInt128(0), less), sold, ordered.at_average),
            ordered.subgraph_price,
            is_kept,
            cast((0, 0, 0, []), 'Tuple(Int128, Int128, Int128, Array({{ type_of_kept }}))')
        ) as folded,
        arrayFilter((place, is_it) -> is_it, arrayEnumerate(ordered), is_kept) as places
    from (
        select
            *,
            ordered.delta_shares as delta_shares,
            ordered.carries_cost as carries,
            arrayMap(moment -> toDate({{ time_of_moment('moment') }}), ordered.moment) as event_days,
            arrayCumSumNonNegative(delta_shares) as held,
            arrayPushFront(arrayPopBack(held), toInt128(0)) as held_before,
            arrayMap((delta, shares) -> least(greatest(-delta, 0), shares), delta_shares, held_before) as leaving,
            arrayCumSum(
                arrayMap((delta, matched) -> greatest(-delta, 0) - matched, delta_shares, leaving)
            ) as unmatched,
            arrayCumSum(
                arrayMap((delta, cost) -> if(delta < 0, toInt128(0), cost), delta_shares, ordered.added_cost)
            ) as added_so_far,
            arrayCumSum(arrayMap(
                (delta, usdc, matched, is_carried) -> if(
                    delta < 0 and not is_carried,
                    toInt128(intDiv(toInt256(usdc) * 1000000000 * matched, greatest(-delta, 1))),
                    toInt128(0)
                ),
                delta_shares, ordered.delta_usdc, leaving, carries
            )) as proceeds_so_far,
            arrayCumSumNonNegative(ordered.subgraph_shares) as amount,
            arrayPushFront(arrayPopBack(amount), toInt128(0)) as amount_before,
            arrayMap(shares -> greatest(shares, 0), ordered.subgraph_shares) as bought,
            arrayCumSum(bought) as total_bought,
            arrayMap(
                (delta, shares) -> least(greatest(-delta, 0), shares), ordered.subgraph_shares, amount_before
            ) as sold,
            arrayCumSum(arrayMap(
                (is_unknown, shares) -> toUInt64(is_unknown and shares > 0), ordered.is_amount_unknown, amount_before
            )) as unknown_amounts,
            {% if keep == 'days' %}
            arrayMap(
                (now, next, is_carried, is_next_carried) -> now != next or is_carried or is_next_carried,
                event_days,
                arrayPushBack(arrayPopFront(event_days), event_days[-1] + 1),
                carries,
                arrayPushBack(arrayPopFront(carries), false)
            ) as is_kept
            {% elif keep == 'conversions' %}
            arrayMap(
                (is_it, is_next) -> is_it or is_next,
                ordered.at_average,
                arrayPushBack(arrayPopFront(ordered.at_average), false)
            ) as is_kept
            {% elif keep == 'steps' %}
            arrayMap(event -> true, ordered) as is_kept
            {% endif %}
        from (
            select
                wallet,
                condition_id,
                outcome_index,
                {{ ordered_events() }} as ordered
            from {{ events }}
            group by wallet, condition_id, outcome_index
        )
    )
)
{%- endmacro %}


{#- The events of a group as an array in the order of events. Columns as in int_replay_events; the array's tuples bear
    their names. -#}
{% macro ordered_events() -%}
cast(
    arraySort(event -> event.1, groupArray((
        moment, delta_shares, delta_usdc, added_cost, carries_cost,
        subgraph_shares, subgraph_price, at_average, is_amount_unknown, fill_usdc, fee_value
    ))),
    'Array(Tuple(
        moment UInt128, delta_shares Int128, delta_usdc Int128, added_cost Int128, carries_cost Bool,
        subgraph_shares Int128, subgraph_price Int128, at_average Bool, is_amount_unknown Bool,
        fill_usdc Int128, fee_value Int128
    ))'
)
{%- endmacro %}


{#- What both ledgers take from the lines of positions (columns as in int_position_lines): base units, and 10^-15 USDC
    for costs. `costs` says whether there are lines of what the shares of a conversion had cost.

    The subgraph takes a fill before fees, any leg of a set at half a dollar, and NO shares that are converted at what
    they cost on average. A fill of no shares has no price: it would stop the subgraph, and is left out.
    It reads the V1 exchanges only.
    YES shares that a conversion brings have no cost of their own: it comes with a line of int_conversion_costs. -#}
{% macro replay_events(lines, costs=true) -%}
select
    wallet,
    condition_id,
    outcome_index,
    moment,
    kind,
    reinterpretAsInt128({{ lines }}.shares - fee_shares + leftover_shares + {{ lines }}.delta_shares) as delta_shares,
    reinterpretAsInt128(
        {{ lines }}.fill_usdc + other_usdc - fee_usdc + leftover_usdc + {{ lines }}.delta_usdc
    ) as delta_usdc,
    carries_cost,
    toBool(kind = 5 and {{ lines }}.shares > 0) as is_brought,
    multiIf(
        {% if costs %}kind = 7, {{ lines }}.added_cost,{% endif %}
        is_brought, toInt128(0),
        -delta_usdc * 1000000000
    ) as added_cost,
    multiIf(
        kind in (6, 7), {{ lines }}.subgraph_shares,
        is_brought or is_v2, toInt128(0),
        reinterpretAsInt128({{ lines }}.shares)
    ) as subgraph_shares,
    multiIf(
        kind in (2, 3),
        toInt128(intDiv(abs(fill_usdc) * 1000000, greatest(abs(reinterpretAsInt128({{ lines }}.shares)), 1))),
        kind in (1, 4),
        toInt128(500000),
        {{ lines }}.subgraph_price
    ) as subgraph_price,
    toBool(kind = 5 and {{ lines }}.shares < 0) as at_average,
    is_amount_unknown,
    reinterpretAsInt128({{ lines }}.fill_usdc) as fill_usdc,
    reinterpretAsInt128(fee_value_usdc) as fee_value
from {{ lines }}
{%- endmacro %}
