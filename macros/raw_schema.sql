{#- The database of the raw tables; the loaders read the same variable. -#}
{% macro raw_schema() %}{{ return(env_var('POLYLEDGER_RAW_SCHEMA', 'polyledger_raw')) }}{% endmacro %}
