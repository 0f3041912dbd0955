{#- Before any run: an empty warehouse has the raw tables, as after a load. What exists is left alone, and where nothing
    is missing no right to create is needed. -#}
{% macro create_raw_tables() %}
    {% if execute %}
        {% set declared = modules.re.findall("create table if not exists \\S+\\.(\\w+)", raw_tables(raw_schema())) %}
        {% set there = run_query(
            "select name from system.tables where database = '" ~ raw_schema() ~ "'"
        ).columns[0].values() %}
        {% if declared | reject('in', there) | list %}
            {% for statement in raw_tables(raw_schema()).split(';\n') if statement | trim %}
                {% do run_query(statement) %}
            {% endfor %}
        {% endif %}
    {% endif %}
{% endmacro %}
