{#- What shares that are held are worth in USDC: the payout once it is known, else what the token was last traded at;
    null where it never was. Nothing is worth nothing. -#}
{% macro held_value(shares, is_resolved, numerator, denominator, last_shares, last_usdc) -%}
{%- set paid = 'reinterpretAsInt128(' ~ last_usdc ~ ')' -%}
{%- set bought = 'reinterpretAsInt128(' ~ last_shares ~ ')' -%}
    multiIf(
        {{ shares }} = 0, toNullable(toDecimal128(0, 6)),
        {{ is_resolved }}, {{ settle(shares, numerator, denominator) }},
        {{ last_shares }} > 0, {{ settle(shares, paid, bought) }},
        null
    )
{%- endmacro %}
