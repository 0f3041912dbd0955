{#- Before any run: an empty warehouse has the raw tables, as after a load, and one of an earlier version the new ones.
    What exists is left alone, and where nothing is missing no right to create is needed. -#}
{% macro create_raw_tables() %}
    {% if execute %}
        {% set statements = raw_tables(raw_schema()) %}
        {% set wanted = modules.re.findall('create table if not exists [^ ]+[.]([a-z0-9_]+)', statements) %}
        {% set existing = run_query(
            "select name from system.tables where database = '" ~ raw_schema() ~ "'"
        ).columns[0].values() %}
        {% if wanted | reject('in', existing) | list %}
            {% for statement in statements.split(';\n') if statement | trim %}
                {% do run_query(statement) %}
            {% endfor %}
        {% endif %}
    {% endif %}
{% endmacro %}
