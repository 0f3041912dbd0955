{#- Billionths of a base unit (10^-15 USDC, Int128) to a decimal, rounded half up. Up, below zero too: then two amounts
    that differ by whole base units still do when they are rounded. -#}
{% macro from_billionths(amount) -%}
    reinterpret(
        intDiv({{ amount }} + 500000000, 1000000000) - toInt128(({{ amount }} + 500000000) % 1000000000 < 0),
        'Decimal(38, 6)'
    )
{%- endmacro %}
