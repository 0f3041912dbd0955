{#- No two rows have the same values in all of `columns`; NULL is a value like any other. -#}
{% test unique_together(model, columns) %}
select {{ columns | join(', ') }} from {{ model }}
group by {{ columns | join(', ') }}
having count() > 1
{% endtest %}
