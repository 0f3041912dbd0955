{#- The log index at the end of an id such as 0xabc.._0x1a (hex); null where the source left it out. -#}
{% macro log_index(id) -%}
    if(position({{ id }}, '_0x') > 0, reinterpretAsUInt32(reverse(unhex(leftPad(splitByString('_0x', {{ id }})[2], 8, '0')))), null)
{%- endmacro %}
