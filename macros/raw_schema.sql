{#- The database of the raw tables; the loaders read the same variable. It is pasted into statements, so it is plain. -#}
{% macro raw_schema() %}
    {% set name = env_var('POLYLEDGER_RAW_SCHEMA', 'polyledger_raw') %}
    {% for given in (name, target.schema) if not modules.re.fullmatch('[A-Za-z_][A-Za-z0-9_]{0,99}', given) %}
        {{ exceptions.raise_compiler_error(
            given[:80] ~ " is no database name: use letters, digits and underscores (POLYLEDGER_RAW_SCHEMA, POLYLEDGER_SCHEMA)"
        ) }}
    {% endfor %}
    {% set cluster = target.cluster or '' %}
    {% if not modules.re.fullmatch('[A-Za-z0-9_.{}-]{0,100}', cluster) %}
        {{ exceptions.raise_compiler_error(
            cluster[:80] ~ " is no name of a cluster: use letters, digits, . and - (CLICKHOUSE_CLUSTER)"
        ) }}
    {% endif %}
    {{ return(name) }}
{% endmacro %}
