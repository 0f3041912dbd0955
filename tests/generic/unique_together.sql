{#- No two rows have the same values in all of `columns`; NULL is a value like any other. Where a table is in their
    order it is read in it, so that hundreds of millions of rows need no memory. -#}
{% test unique_together(model, columns) %}
select {{ columns | join(', ') }} from {{ model }}
group by {{ columns | join(', ') }}
having count() > 1
settings optimize_aggregation_in_order = 1
{% endtest %}
