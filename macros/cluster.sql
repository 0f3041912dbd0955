{#- Tables of the target `cluster`. Each is two: one of rows on every node, x_local, and a Distributed one, x, which reads
    and writes them all and is what everybody names. `sharding_key` in dbt_project.yml says by what each table is sharded;
    views are on every node and hold nothing. On other targets all of this is as dbt-clickhouse has it. -#}

{% macro is_cluster() %}
    {{ return(adapter.get_clickhouse_cluster_name() is not none) }}
{% endmacro %}


{#- New rows are written beside the old ones, on all shards; then the Distributed table changes in one step on each node,
    so that whoever reads sees all of the old or all of the new. x_local and x_local2 take turns. (dbt-clickhouse's own
    distributed_table empties the table first and fills it before everybody's eyes.) -#}
{% macro sharded_table() %}
    {%- set table = this.incorporate(type='table') -%}
    {%- set new = api.Relation.create(schema=this.schema, identifier=this.identifier ~ '__new', type='table', can_on_cluster=true) -%}
    {%- set rows = run_query(
        "select engine_full from system.tables where database = '" ~ this.schema ~ "' and name = '" ~ this.identifier ~ "'"
    ).rows -%}
    {%- set is_there = rows | length > 0 -%}
    {%- set has_first = is_there and "_local'" in rows[0][0] -%}
    {%- set next_local = local_table(this, '_local2' if has_first else '_local') -%}
    {%- set last_local = local_table(this, '_local' if has_first else '_local2') -%}
    {%- set create_new = distributed_over(new, next_local) -%}

    {{ run_hooks(pre_hooks, inside_transaction=False) }}
    {{ run_hooks(pre_hooks, inside_transaction=True) }}
    {% do drop_table(new) %}
    {% do drop_table(next_local) %}
    {{ clickhouse__create_empty_table(False, next_local, sql, config.get('contract').enforced) }}
    {% do run_query(create_new) %}
    {% call statement('main') %}
        {{ clickhouse__insert_into(new, sql, config.get('contract').enforced) }}
    {% endcall %}
    {% if is_there %}
        {% do exchange_tables_atomic(new, table) %}
    {% else %}
        {% do run_query('rename table ' ~ new ~ ' to ' ~ table ~ on_cluster_clause(table)) %}
    {% endif %}

    {% do persist_docs(table, model) %}
    {{ run_hooks(post_hooks, inside_transaction=True) }}
    {{ adapter.commit() }}
    {% do drop_table(new) %}
    {% do drop_table(last_local) %}
    {{ run_hooks(post_hooks, inside_transaction=False) }}
    {{ return({'relations': [table]}) }}
{% endmacro %}


{#- A view that reads for every client as it does for dbt, whose settings (profiles.yml) others lack. -#}
{% macro clickhouse__create_view_as(relation, sql) %}
    {% if is_cluster() %}
        {% set sql = 'select * from (\n' ~ sql ~ '\n) settings allow_push_predicate_ast_for_distributed_subqueries = 0' %}
    {% endif %}
    {{ return(dbt.clickhouse__create_view_as(relation, sql)) }}
{% endmacro %}


{#- A seed, which is made anew each time. -#}
{% macro clickhouse__create_csv_table(model, agate_table) %}
    {% if not is_cluster() %}
        {{ return(dbt.clickhouse__create_csv_table(model, agate_table)) }}
    {% endif %}
    {%- set local = local_table(this, '_local') -%}
    {% set columns %}
        {% for name in agate_table.column_names -%}
            {{ adapter.quote(name) }} {{ model.config.column_types[name] }}{{ ', ' if not loop.last }}
        {%- endfor %}
    {% endset %}
    {%- set create_above = distributed_over(this, local) -%}
    {% do drop_table(this) %}
    {% do drop_table(local) %}
    {% do run_query('create table ' ~ local ~ on_cluster_clause(local) ~ '(' ~ columns ~ ')' ~ engine_clause() ~ ' order by tuple()') %}
    {% do run_query(create_above) %}
    {{ return(columns) }}
{% endmacro %}


{% macro local_table(relation, suffix) %}
    {{ return(api.Relation.create(
        schema=relation.schema, identifier=relation.identifier ~ suffix, type='table', can_on_cluster=true
    )) }}
{% endmacro %}

{% macro drop_table(relation) %}
    {% do run_query('drop table if exists ' ~ relation ~ on_cluster_clause(relation, True)) %}
{% endmacro %}

{#- The statement that makes a table over local ones. A model that does not say by what it is sharded is refused: its
    rows would lie anywhere. -#}
{% macro distributed_over(relation, local) %}
    {% set key = config.get('sharding_key') %}
    {% if not key %}
        {{ exceptions.raise_compiler_error(
            this.identifier ~ ' does not say by what it is sharded: add its sharding_key to dbt_project.yml'
        ) }}
    {% endif %}
    {{ return(
        'create table ' ~ relation ~ on_cluster_clause(relation) ~ ' as ' ~ local
        ~ ' engine = Distributed(' ~ adapter.get_clickhouse_cluster_name() | replace('"', "'") ~ ", '"
        ~ local.schema ~ "', '" ~ local.identifier ~ "', " ~ key ~ ')'
    ) }}
{% endmacro %}

{#- Where the profile says so (profiles.yml, default_table_engine). -#}
{% macro is_replicated() %}
    {{ return(is_cluster() and (target.custom_settings or {}).get('default_table_engine', '').startswith('Replicated')) }}
{% endmacro %}

{% macro engine_clause() %}
    {%- set engine = config.get('engine', default='MergeTree()') -%}
    engine = {{ 'Replicated' if is_replicated() and not engine.startswith('Replicated') }}{{ engine }}
{%- endmacro %}
