{#- Where an event stands in the order of events: time, transaction, kind, then `tail` (45 bits: log index or order).
    UInt128. Of hashes the first bits are enough: they only part events of one second, of one wallet. -#}
{% macro event_moment(happened_at, transaction_hash, kind, tail) -%}
    bitShiftLeft(toUInt128(toUnixTimestamp({{ happened_at }})), 96)
    + bitShiftLeft(toUInt128(bitShiftRight(byteSwap(reinterpretAsUInt64({{ transaction_hash }})), 16)), 48)
    + bitShiftLeft(toUInt128({{ kind }}), 45)
    + {{ tail }}
{%- endmacro %}

{#- The last part of it for a fill: the first bits of the order's hash. -#}
{% macro order_tail(order_hash) -%}
    bitShiftRight(byteSwap(reinterpretAsUInt64({{ order_hash }})), 19)
{%- endmacro %}

{#- The last part of it for activity: the log index; where the source left it out, last and by id. It is odd, so that a
    line of what a conversion carried fits in before it. -#}
{% macro log_tail(log_index, id) -%}
    bitShiftLeft(toUInt64(coalesce({{ log_index }}, 4294967295)), 13) + bitOr(bitShiftRight(sipHash64({{ id }}), 51), 1)
{%- endmacro %}

{#- Block time of a moment: Unix seconds, and as a time. -#}
{% macro second_of_moment(moment) -%}
    toUInt32(bitShiftRight({{ moment }}, 96))
{%- endmacro %}

{% macro time_of_moment(moment) -%}
    toDateTime({{ second_of_moment(moment) }}, 'UTC')
{%- endmacro %}

{#- Kind of the event of a moment: 0 of a market maker, 1 split, 2 maker fill, 3 taker fill, 4 merge, 5 conversion,
    6 redemption. -#}
{% macro kind_of_moment(moment) -%}
    toUInt8(bitAnd(bitShiftRight({{ moment }}, 45), 7))
{%- endmacro %}
