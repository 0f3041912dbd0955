{#- Every value is an address as text, and not the zero address. NULL passes: `not_null` is a claim of its own. -#}
{% test is_address(model, column_name) %}
select {{ column_name }} from {{ model }}
where
    not match({{ column_name }}, '^0x[0-9a-f]{40}$')
    or {{ column_name }} = concat('0x', repeat('0', 40))
{% endtest %}
