{#- Bytes (an address or a hash) as people write them: 0x and lower-case hex digits. -#}
{% macro hex_text(column) -%}
    concat('0x', lower(hex({{ column }})))
{%- endmacro %}
