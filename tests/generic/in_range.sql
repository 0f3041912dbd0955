{#- Every value is above `above`, at least `at_least` and at most `at_most`, where given. NULL passes. -#}
{% test in_range(model, column_name, above=none, at_least=none, at_most=none) %}
select {{ column_name }} from {{ model }}
where
    false
    {%- if above is not none %} or {{ column_name }} <= {{ above }}{% endif %}
    {%- if at_least is not none %} or {{ column_name }} < {{ at_least }}{% endif %}
    {%- if at_most is not none %} or {{ column_name }} > {{ at_most }}{% endif %}
{% endtest %}
