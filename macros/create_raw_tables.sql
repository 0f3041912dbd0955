{#- Before any run: an empty warehouse has the raw tables, as after a load. What exists is left alone. -#}
{% macro create_raw_tables() %}
    {% if execute %}
        {% set missing_needs_no_right_to_create = run_query(
            "select count() from system.tables where name = 'rejected_rows' and database = '" ~ raw_schema() ~ "'"
        ).columns[0].values()[0] %}
        {% if missing_needs_no_right_to_create | int == 0 %}
            {% for statement in raw_tables(raw_schema()).split(';\n') if statement | trim %}
                {% do run_query(statement) %}
            {% endfor %}
        {% endif %}
    {% endif %}
{% endmacro %}
