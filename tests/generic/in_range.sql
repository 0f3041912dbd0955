{#- Every value is above `above`, at least `at_least` and at most `at_most`, where given. NULL passes, NaN does not. -#}
{% test in_range(model, column_name, above=none, at_least=none, at_most=none) %}
select {{ column_name }} from {{ model }}
where
    {{ 'false' if above is none else 'not ' ~ column_name ~ ' > ' ~ above }}
    or {{ 'false' if at_least is none else 'not ' ~ column_name ~ ' >= ' ~ at_least }}
    or {{ 'false' if at_most is none else 'not ' ~ column_name ~ ' <= ' ~ at_most }}
{% endtest %}
