{#- The rows of several tables of one order as if they were one table, which is then read in that order: a union would
    lose it, and what is grouped by it would have to be held in memory. Columns that a table lacks are 0 or empty. -#}
{% macro merged(relations) -%}
    {%- set merge -%}
        merge('{{ relations[0].schema }}', '^({{ relations | map(attribute="identifier") | join("|") }})$')
    {%- endset -%}
    {#- On a cluster as a subquery: shards would be asked to reckon with columns that their table lacks, and name
        themselves by their local tables. (sqlfluff knows no target.) -#}
    {%- if target is defined and target.cluster -%}
        (select *, replaceRegexpOne(_table, '_local2?$', '') as _table from {{ merge }})
    {%- else -%}
        {{ merge }}
    {%- endif -%}
{%- endmacro %}
