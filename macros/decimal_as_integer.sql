{#- A text such as 0.54 times 10^digits, as a UInt256 and without rounding: 54 for two digits. '' is 0. -#}
{% macro decimal_as_integer(text, digits) -%}
    toUInt256OrZero(concat(
        splitByChar('.', {{ text }})[1], rightPad(splitByChar('.', {{ text }})[2], {{ digits }}, '0')
    ))
{%- endmacro %}
