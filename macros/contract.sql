{#- Whether a model has the columns that its contract names: instead of dbt-clickhouse's own macro, which runs the query
    with `limit 0`. That works out every scalar subquery and plans all that is behind every view; to describe the query
    takes half as long. -#}
{% macro clickhouse__get_assert_columns_equivalent(sql) %}
    {%- set columns, named, found = [], [], [] -%}
    {% for row in run_query('describe (' ~ sql ~ adapter.get_model_query_settings(model) ~ ')').rows %}
        {% do columns.append({'name': row[0], 'data_type': row[1]}) %}
        {% do found.append(row[0] ~ ' ' ~ row[1]) %}
    {% endfor %}
    {% for column in model.columns.values() %}
        {% do named.append(column.name ~ ' ' ~ column.data_type) %}
    {% endfor %}
    {% if named | sort != found | sort %}
        {% do exceptions.raise_contract_error(model.columns.values(), columns) %}
    {% endif %}
{% endmacro %}
