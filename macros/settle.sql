{#- What shares of an outcome pay: shares x numerator / denominator, rounded toward zero as the contract does. USDC. -#}
{% macro settle(shares, numerator, denominator) -%}
    reinterpret(
        toInt128(intDiv(
            toInt256(reinterpretAsInt128({{ shares }})) * toInt256({{ numerator }}),
            greatest(toInt256({{ denominator }}), toInt256(1))
        )),
        'Decimal(38, 6)'
    )
{%- endmacro %}
