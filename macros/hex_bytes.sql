{#- The bytes of a text such as 0x4bfb..; `size` is 20 for an address, 32 for a hash. -#}
{% macro hex_bytes(text, size) -%}
    toFixedString(unhex(substring({{ text }}, 3, {{ 2 * size }})), {{ size }})
{%- endmacro %}
