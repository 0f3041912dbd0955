{#- Before any run: an empty warehouse has the raw tables, as after a load. What exists is left alone, and where nothing
    is missing no right to create is needed. -#}
{% macro create_raw_tables() %}
    {% if execute %}
        {% set declared = raw_tables(raw_schema()) %}
        {% if is_cluster() %}
            {% set declared = raw_tables_on_cluster(raw_schema(), target.cluster, is_replicated()) %}
        {% endif %}
        {% set found = run_query("select name from system.tables where database = '" ~ raw_schema() ~ "'") %}
        {% set missing =
            modules.re.findall('create table if not exists [^.]+[.](\w+)', declared)
            | reject('in', found.rows | map(attribute=0) | list) | list %}
        {% if missing %}
            {% for statement in declared.split(';\n') if statement | trim %}
                {% do run_query(statement) %}
            {% endfor %}
        {% endif %}
    {% endif %}
{% endmacro %}
