{#- The elements of an array column add up to `total`, give or take `within` (exactly when none is given).
    An empty array passes: nothing is known yet. Elements without a total do not add up. -#}
{% test sums_to(model, column_name, total, within=0) %}
select
    {{ column_name }},
    {{ total }} as expected_total
from {{ model }}
where
    notEmpty({{ column_name }})
    and coalesce(abs(arraySum({{ column_name }}) - {{ total }}) > {{ within }}, true)
{% endtest %}
