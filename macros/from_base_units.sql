{#- Base units (10^-6, whole numbers) to a decimal, exactly: the digits stay, the point moves.
    `unbounded` is for 256-bit amounts: those beyond 10^38 exist only for worthless tokens of other projects, and
    saturate instead of failing the build. -#}
{% macro from_base_units(column, unbounded=false) -%}
    {%- set most = "toUInt256('99999999999999999999999999999999999999')" -%}
    reinterpret(toInt128({{ 'least(' ~ column ~ ', ' ~ most ~ ')' if unbounded else column }}), 'Decimal(38, 6)')
{%- endmacro %}
