{#- A history of Polymarket made of hash functions: raw tables of any size, the same rows at every call. history.py
    renders it: `raw` is the raw database, `made` one of its own for what the rows are made from.

    A lot is a number of outcome sets of one condition and what becomes of them: minted by two buyers or split by one
    wallet, sold on up to twice on either side, then merged by two sellers or by one wallet, or held to the end. Who
    sells in a lot has bought in it before, so holdings are negative only where shares moved outside of the exchange (3
    in 1,000 sales). Who trades is a place in the condition's pool of wallets, drawn with a preference for low places,
    and which wallet has the place is drawn likewise: few wallets are most of the trade, and come back to a market.
    Only products of random numbers are used, so that every machine gets the same digits. -#}

{#- The j-th random number of a seed: in [0, 1], its powers (mostly small), or a whole number below n. -#}
{% macro bench_u(seed, j) %}(intHash64({{ seed }} + {{ j }}) / 18446744073709551616.){% endmacro %}
{% macro bench_u3(seed, j) %}({{ bench_u(seed, j) }} * {{ bench_u(seed, j) }} * {{ bench_u(seed, j) }}){% endmacro %}
{% macro bench_u4(seed, j) %}({{ bench_u3(seed, j) }} * {{ bench_u(seed, j) }}){% endmacro %}
{% macro bench_below(seed, j, n) %}(intHash64({{ seed }} + {{ j }}) % {{ n }}){% endmacro %}

{#- The wallet of the j-th trader of a lot, 20 bytes. -#}
{% macro bench_wallet(wallets, j) -%}
    {%- set place %}toUInt32(pool * {{ bench_u3('seed', '100 + ' ~ j) }}){% endset -%}
    SHA1(toString(toUInt32({{ wallets }} * {{ bench_u4('sipHash64(n, ' ~ place ~ ')', 0) }})))
{%- endmacro %}

{#- Conditions in the order in which they open: four in ten are questions of neg-risk events, three in four resolved.
    Three years up to `until` (unix seconds), and more and more of everything. -#}
{% macro bench_conditions(made, conditions, lots, until) %}
create or replace table {{ made }}.conditions engine = MergeTree order by n as
with
    toUInt32({{ until }}) as until,
    toUInt32(86400 * 1096) as span,

    events as (
        select
            sipHash64('event', number) as life_seed,
            3 + {{ bench_below('life_seed', 0, 10) }} as event_questions,
            {{ bench_below('life_seed', 1, 'event_questions') }} as winner,
            toFixedString(concat(substring(SHA256(concat('event ', toString(number))), 1, 31), char(0)), 32) as event_id
        from numbers(intDiv({{ conditions }} * 4, 75))
    ),

    questions as (
        select
            life_seed,
            event_id,
            toUInt8(question) as question,
            toUInt8(event_questions) as question_count,
            toUInt8(question != winner) as winning_outcome,
            {{ condition_of_question('event_id', 'question') }} as condition_id,
            arrayMap(q -> {{ condition_of_question('event_id', 'q') }}, range(event_questions)) as event_conditions
        from events
        array join range(event_questions) as question
    ),

    plain as (
        select
            sipHash64('condition', number) as life_seed,
            toFixedString('', 32) as event_id,
            toUInt8(0) as question,
            toUInt8(0) as question_count,
            toUInt8({{ bench_below('life_seed', 1, 2) }}) as winning_outcome,
            SHA256(concat('condition ', toString(number))) as condition_id,
            [condition_id] as event_conditions
        from numbers({{ conditions }})
        limit {{ conditions }} - (select count() from questions)
    ),

    both as (
        select * from questions
        union all
        select * from plain
    ),

    lives as (
        select
            *,
            sipHash64(condition_id) as seed,
            greatest({{ bench_u('life_seed', 2) }}, {{ bench_u('life_seed', 3) }}, {{ bench_u('life_seed', 4) }}) as birth,
            {{ bench_below('life_seed', 5, 1000) }} >= 166 and birth < 0.9655 as is_resolved,
            toUInt32(until - span + (span - 2 * 86400) * birth) as opened,
            toUInt32(if(
                is_resolved,
                least(opened + 86400 + toUInt32(240 * 86400 * {{ bench_u4('life_seed', 6) }}), toUInt64(until - 7200)),
                until - 60
            )) as closed,
            row_number() over (order by seed) as rank
        from both
    )

select
    toUInt32(row_number() over (order by opened, condition_id)) as n,
    event_id,
    question,
    question_count,
    winning_outcome,
    condition_id,
    reinterpretAsUInt256(SHA256(concat('token 0 ', condition_id))) as yes,
    reinterpretAsUInt256(SHA256(concat('token 1 ', condition_id))) as no,
    arrayMap(c -> reinterpretAsUInt256(SHA256(concat('token 0 ', c))), event_conditions) as event_yes,
    arrayMap(c -> reinterpretAsUInt256(SHA256(concat('token 1 ', c))), event_conditions) as event_no,
    toFixedString(unhex(if(
        question_count > 0, 'c5d563a36ae78145c45a50134d48a1215220f80a', '4bfb41d5b3570defd03c39a9a4d8de6bd8b8982e'
    )), 20) as exchange,
    is_resolved,
    opened,
    closed,
    toInt32(80 + {{ bench_below('seed', 0, 840) }}) as first_price,
    toInt32(if(is_resolved, if(winning_outcome = 0, 985, 15), 80 + {{ bench_below('seed', 1, 840) }})) as last_price,
    -- Fees since 2026-01-05, in one market of ten.
    opened > 1767571200 and {{ bench_below('seed', 2, 10) }} = 0 as has_fees,
    -- The r-th market's trade falls with the cube root of r squared; every market has some.
    toUInt32(greatest(1, round(
        {{ lots }} * (cbrt(rank / {{ conditions }}) - cbrt((rank - 1) / {{ conditions }}))
    ))) as lots
from lives
{% endmacro %}

{#- Lots by chapter: `history` is all up to the end, other chapters are a day after it. -#}
{% macro bench_create_lots(made) %}
create or replace table {{ made }}.lots (
    chapter LowCardinality(String), n UInt32, k UInt32, since UInt32, until UInt32, pool UInt32
) engine = MergeTree partition by chapter order by (n, k)
{% endmacro %}

{% macro bench_history_lots(made) %}
insert into {{ made }}.lots
select
    'history',
    n,
    k,
    opened,
    closed,
    greatest(2, toUInt32(lots * 2.1))
from {{ made }}.conditions
array join range(lots) as k
{% endmacro %}

{#- Lots of one day, where the trade has been in conditions that are open; or, where `late`, of any condition and time.
    With `old`, in conditions open for a year and by those who have the first places there. -#}
{% macro bench_day_lots(raw, made, chapter, day, lots, late, old) %}
insert into {{ made }}.lots
select
    '{{ chapter }}',
    n,
    k,
    {{ 'since' if late else day }},
    {{ 'until' if late else day + 86400 - 60 }},
    {{ 'greatest(2, intDiv(pool, 50))' if old else 'pool' }}
from {{ made }}.lots
where
    chapter = 'history'
    {% if not late %}
    and n in (
        select n from {{ made }}.conditions
        where
            not is_resolved
            and condition_id not in (select id from {{ raw }}.conditions where _run_id = 'bench-resolutions')
            {{ 'and opened < ' ~ (day - 365 * 86400) if old }}
    )
    {% endif %}
order by sipHash64('{{ chapter }}{{ late }}', n, k)
limit {{ lots }}
{% endmacro %}

{#- The lots of a chapter in conditions from number `least` up to, not including, `most`, and what becomes of each.
    Traders are numbered: 0, 1, 2 hold the YES shares one after the other, 4, 5, 6 the NO shares. Moments are those of
    six steps: 0 mint or split, 1 and 3 sales of YES, 2 and 4 sales of NO, 5 merge. -#}
{% macro bench_lots(made, chapter, least, most) %}
lots as (
    select
        * except (until),
        sipHash64('{{ chapter }}', n, k) as seed,
        until - 20 as latest,
        toUInt64(500 + 1000000 * {{ bench_u4('seed', 0) }}) as units,
        {{ bench_below('seed', 1, 100) }} < 62 as is_split,
        {{ bench_below('seed', 2, 100) }} as ending,
        ending < 15 as is_merged_by_wallet,
        ending between 15 and 21 as is_merged_by_match,
        greatest([0, 0, 0, 0, 1, 1, 1, 1, 2, 2][1 + {{ bench_below('seed', 3, 10) }}], toUInt8(is_split)) as yes_sales,
        greatest([0, 0, 0, 0, 1, 1, 1, 1, 2, 2][1 + {{ bench_below('seed', 4, 10) }}], toUInt8(is_merged_by_wallet)) as no_sales,
        yes_sales as last_yes,
        multiIf(is_merged_by_wallet, last_yes, no_sales > 0, 4 + no_sales, is_split, 0, 4) as last_no,
        toUInt32(since + (latest - since) * {{ bench_u('seed', 5) }}) as at_0,
        {%- for step in range(1, 6) %}
        {%- set before = 'at_' ~ (step - 1) %}
        toUInt32({{ before }} + 2 + (latest - least(latest, {{ before }})) * {{ bench_u3('seed', 5 + step) }}) as at_{{ step }},
        {%- endfor %}
        [at_0, at_1, at_2, at_3, at_4, at_5] as moments
    from {{ made }}.lots as lots
    inner join {{ made }}.conditions as conditions using (n)
    where chapter = '{{ chapter }}' and n >= {{ least }} and n < {{ most }}
)
{%- endmacro %}

{#- The matches of lots: `one` buys the YES of a mint, sells the YES of a merge, and sells in a sale. -#}
{% macro bench_matches() %}
matches as (
    select
        seed, n, pool, units, exchange, step,
        moments[1 + step] as happened,
        multiIf(
            -- The shares came to this wallet outside of the exchange.
            step between 1 and 4 and {{ bench_below('seed', '20 + step', 1000) }} < 3, 20 + step,
            step in (0, 1), 0,
            step = 2, if(is_split, 0, 4),
            step = 3, 1,
            step = 4, 5,
            last_yes
        ) as one,
        multiIf(
            step = 0, 4,
            step in (1, 3), intDiv(step + 1, 2),
            step = 2 * no_sales or step = 5, last_no,
            5
        ) as other,
        step in (2, 4) as is_one_no,
        step in (0, 2, 4, 5) as is_other_no,
        if(is_one_no, no, yes) as one_token,
        if(is_other_no, no, yes) as other_token,
        has_fees and (step = 5 or ending >= 22 and step in (3, 4)) as is_charged,
        least(1., (happened - opened) / (closed - opened)) as age,
        first_price + (last_price - first_price) * age * age as yes_price
    from lots
    array join [0, 1, 2, 3, 4, 5] as step
    where multiIf(
        step = 0, not is_split,
        step in (1, 3), yes_sales >= intDiv(step + 1, 2),
        step in (2, 4), no_sales >= intDiv(step, 2),
        is_merged_by_match
    )
)
{%- endmacro %}

{#- One lot of twenty in a question of a neg-risk event has a conversion: trader 0 buys the NO of up to three questions,
    converts, and sells some of the YES. Steps: 0 to 2 mints, 3 conversion, 4 and 5 sales. -#}
{% macro bench_conversions() %}
conversions as (
    select
        * except (seed, moments),
        sipHash64('conversion', lots.seed) as seed,
        least(question_count, [1, 1, 1, 1, 1, 2, 2, 2, 3, 3][1 + {{ bench_below('seed', 11, 10) }}]) as no_count,
        arrayMap(i -> 1 + (question + i) % question_count, range(question_count)) as turned,
        [at_0, at_0 + 1, at_0 + 2, at_3, at_4, at_5] as moments
    from lots
    where question_count > 0 and {{ bench_below('lots.seed', 10, 100) }} < 8
)
{%- endmacro %}

{% macro bench_conversion_matches() %}
matches as (
    select
        seed, n, pool, units, exchange, step,
        moments[1 + step] as happened,
        if(step < 3, 4 + step, 0) as one,
        if(step < 3, 0, 4 + step) as other,
        false as is_one_no,
        step < 3 as is_other_no,
        turned[if(step < 3, 1 + step, no_count + step - 3)] as place,
        event_yes[place] as one_token,
        if(is_other_no, event_no[place], one_token) as other_token,
        false as is_charged,
        1000 / question_count as yes_price
    from conversions
    array join [0, 1, 2, 4, 5] as step
    where if(step < 3, step < no_count, no_count + step - 3 <= question_count)
)
{%- endmacro %}

{#- Rows of order_filled_events: a maker row for each of up to three orders of one trader, a taker row of the other. The
    cash of a mint or a merge adds up to the sets, that of a sale is the same on both sides. -#}
{% macro bench_fills(raw, made, wallets, chapter, least, most, landed, converting) %}
insert into {{ raw }}.order_filled_events (
    transaction_hash, timestamp, order_hash, maker, taker, maker_asset_id, taker_asset_id,
    maker_amount_filled, taker_amount_filled, fee, _loaded_at, _run_id
)
with
{{ bench_lots(made, chapter, least, most) }},
{% if converting %}
{{ bench_conversions() }},
{{ bench_conversion_matches() }},
{% else %}
{{ bench_matches() }},
{% endif %}

orders as (
    select
        seed, step, happened, exchange, units, is_charged,
        one_token = other_token as is_sale,
        {{ bench_below('seed', '30 + step', 2) }} = 0 as is_one_maker,
        SHA256(toString(seed + step)) as transaction_hash,
        {{ bench_wallet(wallets, 'one') }} as one_wallet,
        {{ bench_wallet(wallets, 'other') }} as other_wallet,
        if(is_one_maker, one_wallet, other_wallet) as maker_wallet,
        if(is_one_maker, other_wallet, one_wallet) as taker_wallet,
        if(is_one_maker, one_token, other_token) as maker_token,
        if(is_one_maker, other_token, one_token) as taker_token,
        if(is_sale, not is_one_maker, step < 3) as is_maker_buying,
        if(is_sale, is_one_maker, step < 3) as is_taker_buying,
        toUInt64(greatest(10., least(990., yes_price + 60 * {{ bench_u('seed', '40 + step') }} - 30))) as yes_mills,
        if(if(is_one_maker, is_one_no, is_other_no), 1000 - yes_mills, yes_mills) as mills,
        {{ bench_below('seed', '50 + step', 3) }} as tick,
        [1, 1, 1, 1, 1, 1, 2, 2, 2, 3][1 + {{ bench_below('seed', '60 + step', 10) }}] as makers
    from matches
),

parts as (
    select
        *,
        part,
        part = makers as is_taker,
        intDiv(units, makers) as part_units,
        units - part_units * (makers - 1) as last_units,
        -- Hundredths of a share at thousandths of a dollar: ten base units each.
        10 * (part_units * (makers - 1) * (mills - 1) + part_units * tick * intDiv((makers - 1) * (makers - 2), 2)
        + last_units * (mills - 1 + tick * (makers - 1))) as makers_cash,
        multiIf(
            not is_taker, 10 * if(part = makers - 1, last_units, part_units) * (mills - 1 + tick * part),
            is_sale, makers_cash,
            10000 * units - makers_cash
        ) as cash,
        10000 * multiIf(is_taker, units, part = makers - 1, last_units, part_units) as shares,
        if(is_taker, is_taker_buying, is_maker_buying) as is_buying,
        if(is_taker, taker_token, maker_token) as token
    from orders
    array join range(toUInt8(makers + 1)) as part
)

select
    transaction_hash,
    happened,
    SHA256(toString(seed + 1000 + 8 * step + part)),
    if(is_taker, taker_wallet, maker_wallet),
    if(is_taker, exchange, taker_wallet),
    if(is_buying, 0, token),
    if(is_buying, token, 0),
    if(is_buying, cash, shares),
    if(is_buying, shares, cash),
    if(is_taker and is_charged, intDiv(if(is_buying, shares, cash), 100), 0),
    toDateTime64({{ landed }}, 6, 'UTC'),
    'bench-{{ chapter }}'
from parts
{% endmacro %}

{#- The id of activity: transaction and log index. -#}
{% macro bench_activity_id(seed) -%}
concat('0x', lower(hex(SHA256(toString({{ seed }})))), '_0x', lower(trimLeft(hex(toUInt16(1 + {{ seed }} % 400)), '0')))
{%- endmacro %}

{% macro bench_splits(raw, made, wallets, chapter, least, most, landed) %}
insert into {{ raw }}.splits (id, timestamp, stakeholder, condition, amount, _loaded_at, _run_id)
with {{ bench_lots(made, chapter, least, most) }}

select
    {{ bench_activity_id('seed') }},
    at_0,
    {{ bench_wallet(wallets, '0') }},
    condition_id,
    10000 * units,
    toDateTime64({{ landed }}, 6, 'UTC'),
    'bench-{{ chapter }}'
from lots
where is_split
{% endmacro %}

{% macro bench_merges(raw, made, wallets, chapter, least, most, landed) %}
insert into {{ raw }}.merges (id, timestamp, stakeholder, condition, amount, _loaded_at, _run_id)
with {{ bench_lots(made, chapter, least, most) }}

select
    {{ bench_activity_id('seed + 5') }},
    at_5,
    {{ bench_wallet(wallets, 'last_yes') }},
    condition_id,
    10000 * units,
    toDateTime64({{ landed }}, 6, 'UTC'),
    'bench-{{ chapter }}'
from lots
where is_merged_by_wallet
{% endmacro %}

{% macro bench_neg_risk_conversions(raw, made, wallets, chapter, least, most, landed) %}
insert into {{ raw }}.neg_risk_conversions (
    id, timestamp, stakeholder, neg_risk_market_id, amount, index_set, question_count, _loaded_at, _run_id
)
with
{{ bench_lots(made, chapter, least, most) }},
{{ bench_conversions() }}

select
    {{ bench_activity_id('seed + 3') }},
    moments[4],
    {{ bench_wallet(wallets, '0') }},
    event_id,
    10000 * units,
    arraySum(arrayMap(place -> bitShiftLeft(toUInt256(1), place - 1), arraySlice(turned, 1, no_count))),
    question_count,
    toDateTime64({{ landed }}, 6, 'UTC'),
    'bench-{{ chapter }}'
from conversions
{% endmacro %}

{#- One in three holders of resolved conditions without fees redeems all that is held, mostly winners. -#}
{% macro bench_redemptions(raw, made, wallets, chapter, least, most, landed, until) %}
insert into {{ raw }}.redemptions (id, timestamp, redeemer, condition, index_sets, payout, _loaded_at, _run_id)
with
{{ bench_lots(made, chapter, least, most) }},

held as (
    select
        {{ bench_wallet(wallets, 'trader') }} as wallet,
        condition_id,
        outcome,
        units
    from lots
    array join
        [last_yes, last_no] as trader,
        [0, 1] as outcome
    where is_resolved and not has_fees and ending >= 22
),

winning as (
    select
        wallet,
        held.condition_id as condition_id,
        sumIf(held.units, outcome = conditions.winning_outcome) as winning_units,
        any(conditions.closed) as closed,
        sipHash64(wallet, condition_id) as seed
    from held
    inner join {{ made }}.conditions as conditions on held.condition_id = conditions.condition_id
    where sipHash64(wallet, held.condition_id) % 3 = 0
    group by wallet, condition_id
)

select
    {{ bench_activity_id('seed') }},
    least(closed + 3600 + toUInt32(20 * 86400 * {{ bench_u3('seed', 1) }}), toUInt64({{ until }} - 1)),
    wallet,
    condition_id,
    [1, 2],
    10000 * winning_units,
    toDateTime64({{ landed }}, 6, 'UTC'),
    'bench-{{ chapter }}'
from winning
where winning_units > 0 or seed % 3 = 0
{% endmacro %}

{#- What exchanges and subgraphs say of conditions: payouts of those that are resolved. -#}
{% macro bench_markets(raw, made, landed) %}
insert into {{ raw }}.conditions
select
    condition_id,
    [yes, no],
    if(is_resolved, if(winning_outcome = 0, ['1', '0'], ['0', '1']), []),
    toString(toUInt8(is_resolved)),
    toDateTime64({{ landed }}, 6, 'UTC'),
    'bench-history'
from {{ made }}.conditions;

insert into {{ raw }}.market_data
select
    token,
    condition_id,
    null,
    toDateTime64({{ landed }}, 6, 'UTC'),
    'bench-history'
from {{ made }}.conditions
array join [yes, no] as token;

insert into {{ raw }}.neg_risk_events
select distinct
    event_id,
    question_count,
    toDateTime64({{ landed }}, 6, 'UTC'),
    'bench-history'
from {{ made }}.conditions
where question_count > 0
{% endmacro %}

{#- Of the conditions that are still open, those that have been for longest are paid, and asked for once more. -#}
{% macro bench_resolutions(raw, made, conditions, landed) %}
insert into {{ raw }}.conditions
select
    condition_id,
    [yes, no],
    if(winning_outcome = 0, ['1', '0'], ['0', '1']),
    '1',
    toDateTime64({{ landed }}, 6, 'UTC'),
    'bench-resolutions'
from {{ made }}.conditions
where
    not is_resolved
    and condition_id not in (select id from {{ raw }}.conditions where _run_id = 'bench-resolutions')
order by n
limit {{ conditions }}
{% endmacro %}

{#- Half of one fee in three comes back. -#}
{% macro bench_fee_refunds(raw, landed) %}
insert into {{ raw }}.fee_refunds
select
    concat('0x', lower(hex(transaction_hash)), '_0x', lower(hex(toUInt8(1 + fee % 200)))),
    order_hash,
    taker_asset_id,
    timestamp,
    maker,
    intDiv(fee, 2),
    fee - intDiv(fee, 2),
    taker = unhex('c5d563a36ae78145c45a50134d48a1215220f80a'),
    _loaded_at,
    _run_id
from {{ raw }}.order_filled_events
where fee > 0 and sipHash64(order_hash) % 3 = 0 and _loaded_at = toDateTime64({{ landed }}, 6, 'UTC')
{% endmacro %}

{#- Merged as after a while, and from now on the engine leaves the table alone: the copies that follow are all there, and
    no merge in the background takes time from what is measured. -#}
{% macro bench_settle(raw, table) %}
optimize table {{ raw }}.{{ table }} final;
alter table {{ raw }}.{{ table }} modify setting max_bytes_to_merge_at_max_space_in_pool = 1
{% endmacro %}

{#- One window in twenty is landed again, an hour later: six hours each. -#}
{% macro bench_land_again(raw, table) %}
insert into {{ raw }}.{{ table }}
select * replace (_loaded_at + interval 1 hour as _loaded_at, 'bench-again' as _run_id)
from {{ raw }}.{{ table }}
where sipHash64(intDiv(toUnixTimestamp(timestamp), 21600)) % 20 = 0
{% endmacro %}

{% macro bench_windows(raw, until) %}
insert into {{ raw }}.load_windows (entity, scope, since, until, cursor, state)
select
    arrayJoin(['OrderFilledEvent', 'FeeRefundedEntity', 'Split', 'Merge', 'Redemption', 'NegRiskConversion']),
    '',
    toDateTime('2020-09-01', 'UTC'),
    toDateTime({{ until }}, 'UTC'),
    '',
    'complete'
{% endmacro %}
