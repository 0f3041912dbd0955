{#- The text id of a fill: of V1 as its subgraph has it; of V2, where one transaction may fill an order twice, by log. -#}
{% macro fill_id(fills) -%}
    concat(
        {{ hex_text(fills ~ '.transaction_hash') }},
        '_0x',
        if(
            {{ fills }}.log_index is null,
            lower(hex({{ fills }}.order_hash)),
            replaceRegexpOne(lower(hex(assumeNotNull({{ fills }}.log_index))), '^0', '')
        )
    )
{%- endmacro %}
