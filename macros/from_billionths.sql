{#- Billionths of a base unit (10^-15 USDC, Int128) to a decimal, rounded half up. Up, below zero too: then two amounts
    that differ by whole base units still do when they are rounded. The division truncates, so it is made positive. -#}
{% macro from_billionths(amount) -%}
    {%- set most -%} toInt128('1000000000000000000000000000') {%- endset -%}
    reinterpret(
        intDiv({{ amount }} + 500000000 + {{ most }} * 1000000000, 1000000000) - {{ most }}, 'Decimal(38, 6)'
    )
{%- endmacro %}
