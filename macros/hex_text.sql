{#- Bytes (an address or a hash) as people write them: 0x and lower-case hex digits. -#}
{% macro hex_text(column) -%}
    concat('0x', lower(hex({{ column }})))
{%- endmacro %}


{#- For a table that is sorted by bytes which a view shows as text: by this index, ClickHouse finds the rows of
    `where wallet = '0x..'` there too. Strings would take three times as long to sort by. -#}
{% macro text_index(column) -%}
    {{ return([{'name': column ~ '_text', 'definition': hex_text(column) ~ ' type minmax granularity 1'}]) }}
{%- endmacro %}
