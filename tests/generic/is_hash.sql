{#- Every value is a 32-byte hash as text, and not zero. NULL passes: `not_null` is a claim of its own. -#}
{% test is_hash(model, column_name) %}
select {{ column_name }} from {{ model }}
where
    not match({{ column_name }}, '^0x[0-9a-f]{64}$')
    or {{ column_name }} = concat('0x', repeat('0', 64))
{% endtest %}
