{#- Whether an event is a trade: a fill, or a trade with a market maker (liquidity has no volume). Takes the columns
    kind and fill_usdc of int_entries. -#}
{% macro is_trade() -%}
    (kind in (2, 3) or (kind = 0 and fill_usdc != 0))
{%- endmacro %}
