{#- The rows of several tables of one order as if they were one table, which is then read in that order: a union would
    lose it, and what is grouped by it would have to be held in memory. Columns that a table lacks are 0 or empty. -#}
{% macro merged(relations) -%}
    merge('{{ relations[0].schema }}', '^({{ relations | map(attribute="identifier") | join("|") }})$')
{%- endmacro %}
