{#- What dbt does with models that are tables, and with views, in this project. -#}
{% materialization table, adapter='clickhouse' %}
    {#- In dbt_project.yml as settings they would reach views too, which have none of them. -#}
    {%- do model.config.update({'settings': model.config.meta.table_settings or {}}) -%}
    {{ return(sharded_table() if is_cluster() else kept_table()) }}
{% endmaterialization %}


{#- A view that would come out as it stands is kept: to make one, the engine looks into all that is behind it. Its comment
    says what it was built from, and has a hash of its text as the engine has it: another one may have been put there. -#}
{% materialization view, adapter='clickhouse' %}
    {%- set built = {'relations': [this.incorporate(type='view')]} -%}
    {% if flags.DEFER or is_cluster() %}
        {% do drop_what_was_a_table() %}
        {{ return(dbt.materialization_view_clickhouse()) }}
    {% endif %}
    {%- set inputs = inputs_of_view() -%}
    {%- set stands = view_as_it_stands() if load_cached_relation(this) else none -%}
    {% if stands and stands.comment == 'inputs ' ~ inputs ~ ', text ' ~ stands.text and not should_full_refresh() %}
        {% call statement('main') %}select 'kept'{% endcall %}
    {% else %}
        {% do drop_what_was_a_table() %}
        {%- set built = dbt.materialization_view_clickhouse() -%}
        {%- set stands = view_as_it_stands() -%}
    {% endif %}
    {% do run_query("alter table " ~ this ~ " modify comment 'inputs " ~ inputs ~ ", text " ~ stands.text ~ "'") %}
    {{ return(built) }}
{% endmaterialization %}


{#- Its comment, and a hash of its text without the name of the database; none where no view stands. -#}
{% macro view_as_it_stands() %}
    {%- set found = run_query("
        select comment, lower(hex(sipHash128(replaceRegexpAll(as_select, '\\\\b" ~ target.schema ~ "\\\\b', ''))))
        from system.tables
        where database = '" ~ this.schema ~ "' and name = '" ~ this.identifier ~ "' and engine = 'View'
    ").rows -%}
    {{ return({'comment': found[0][0], 'text': found[0][1]} if found | length else none) }}
{% endmacro %}


{#- Its query, and all that the engine takes from elsewhere: whose rights it has, and columns that it reads, in order. -#}
{% macro inputs_of_view() %}
    {%- set names = [] -%}
    {% for id in model.depends_on.nodes %}
        {%- set node = graph.sources.get(id) or graph.nodes[id] -%}
        {% do names.append("'" ~ (node.identifier or node.alias) ~ "'") %}
    {% endfor %}
    {%- set found = run_query("
        select currentUser(), version(), (
            select groupArray((table, name, type)) from (
                select table, name, type from system.columns
                where database in ('" ~ raw_schema() ~ "', '" ~ target.schema ~ "') and table in ('', " ~ names | join(', ') ~ ")
                order by table, position
            )
        )
    ").rows[0] | list -%}
    {{ return(local_md5(tojson([query_of_model(), found | string], sort_keys=true))) }}
{% endmacro %}


{#- Where a model was a table before: what lies beside it belongs to nobody any more. -#}
{% macro drop_what_was_a_table() %}
    {%- set stands = load_cached_relation(this) -%}
    {% if stands and stands.type != 'view' %}
        {% for name in ['__read', '__changed', '_local', '_local2'] %}
            {% do drop_table(local_table(this, name)) %}
        {% endfor %}
    {% endif %}
{% endmacro %}


{#- Without the name of the database: `publish` builds in another one, and exchanges them. -#}
{% macro query_of_model() %}
    {{ return([
        modules.re.sub('\\b' ~ target.schema ~ '\\b', '', sql),
        model.config,
        model.columns.values() | map(attribute='data_type', default='') | list,
    ]) }}
{% endmacro %}


{#- A table that would come out as it stands is kept: its query, and all that the query reads, are as they were. A large
    one is patched where it can be (macros/patched_table.sql). Any other is built as dbt does, beside the one that stands,
    and exchanged. `--full-refresh` builds all.

    The comment of a table says what it was built from, and what came out. Where that is what it was before, the tables
    that read it are kept too. With `--defer` all are built: what they read stands elsewhere. -#}
{% macro kept_table() %}
    {%- set compares = not flags.DEFER -%}
    {%- set read = nodes_read(model.depends_on.nodes, []) -%}
    {%- set relations = known_relations(read + [model]) if compares else {} -%}
    {%- set query = query_of_model() -%}
    {%- set inputs = local_md5(tojson(query + [states_of(model.depends_on.nodes, relations, {})], sort_keys=true)) -%}
    {%- set existing = load_cached_relation(this) -%}
    {%- set was_table = existing and existing.type == 'table' -%}
    {%- set stands = relations.get(this.schema ~ '.' ~ this.identifier, {}) if was_table else {} -%}
    {%- set compares_rows = compares and not should_full_refresh() -%}
    {% if compares_rows and stands.inputs == inputs %}
        {% call statement('main') %}select 'kept'{% endcall %}
        {#- Written once more: the time of the comment is that of the rows that the table is known to be of (verify). -#}
        {% do write_states(this, inputs, stands.state) %}
        {{ return({'relations': [this.incorporate(type='table')]}) }}
    {% endif %}

    {%- set tables = states_of_tables(read, relations) -%}
    {%- set query_read = local_md5(tojson(query + [states_of_others(read, relations)], sort_keys=true)) -%}
    {%- set state = patched_table(stands, query_read, tables) if compares_rows else none -%}
    {%- set built = {'relations': [this.incorporate(type='table')]} -%}
    {% if not state %}
        {%- set notes = compares_rows and stands.state and is_noted(stands) -%}
        {% if notes %}
            {% do drop_table(beside('before')) %}
            {% do run_query('create table ' ~ beside('before') ~ ' clone as ' ~ this) %}
        {% endif %}
        {#- Of a build that was cut off. -#}
        {%- set left = ['touched', 'now', 'was', 'moved', 'rows', 'new', 'changing'] if model.name in patched_models() else [] -%}
        {% for what in left + (['before', 'changing'] if was_table and not stands.state else []) %}
            {% do drop_table(beside(what)) %}
        {% endfor %}
        {%- set built = dbt.materialization_table_clickhouse() -%}
        {% if compares %}
            {%- set state = state_of_rows(this) or inputs -%}
        {% endif %}
        {% if notes %}
            {#- Rows with other columns cannot be compared: then nobody can tell. -#}
            {%- set columns = [] -%}
            {% for table in (beside('before'), this) %}
                {% do columns.append(adapter.get_columns_in_relation(table) | map('string') | list) %}
            {% endfor %}
            {% if state != stands.state and columns[0] == columns[1] %}
                {% do note_changes(beside('before'), this) %}
                {% do keep_changes(stands.state, state) %}
            {% endif %}
            {% do drop_table(beside('before')) %}
        {% endif %}
    {% endif %}
    {% if compares %}
        {% if model.name in patched_models() and rows_of([model.name]) >= var('least_rows_patched') %}
            {% do write_states_read(inputs, query_read, tables) %}
        {% endif %}
        {% do write_states(this, inputs, state) %}
    {% endif %}
    {{ return(built) }}
{% endmacro %}


{% macro write_states(relation, inputs, rows) %}
    {% do run_query("alter table " ~ relation ~ " modify comment 'inputs " ~ inputs ~ ", rows " ~ rows ~ "'") %}
{% endmacro %}


{#- All that a query reads, views seen through: sources, seeds, tables and the views themselves. -#}
{% macro nodes_read(unique_ids, found) %}
    {% for id in unique_ids %}
        {% set node = graph.sources.get(id) or graph.nodes[id] %}
        {% if node not in found %}
            {% do found.append(node) %}
            {% if is_view(node) %}
                {% do nodes_read(node.depends_on.nodes, found) %}
            {% endif %}
        {% endif %}
    {% endfor %}
    {{ return(found) }}
{% endmacro %}


{% macro is_view(node) %}
    {{ return(node.resource_type == 'model' and node.config.materialized != 'table') }}
{% endmacro %}


{#- What is known of the tables and views of nodes: {relation: {rows, inputs, state}}. The state of a view is its query.
    That of a raw table says which rows were ever inserted, or changed in place: merges keep the numbers of the oldest and
    newest block and of the mutation (the last part of a part's name; data_version is that of a block where none was). A
    table that was emptied counts its blocks from one again once its engine was started anew, so the state also has the
    newest version of any row, which merges keep too, and which rows that are landed later do not have.
    Other relations are not asked for: to write out the query of every view would take longer than most models here. -#}
{% macro known_relations(nodes) %}
    {% set names = [] %}
    {% for node in nodes %}
        {% do names.append("'" ~ (node.identifier or node.alias) ~ "'") %}
    {% endfor %}
    {% set found = run_query("
        select
            concat(tables.database, '.', tables.name) as relation,
            coalesce(total_rows, 0) as rows,
            extract(comment, 'inputs (\\\\w+)') as inputs,
            multiIf(
                tables.database = '" ~ raw_schema() ~ "',
                if(engine like '%MergeTree', concat(toString(uuid), ' ', engine, ' ', blocks), ''),
                engine = 'View', replaceRegexpAll(as_select, '\\\\b" ~ target.schema ~ "\\\\b', ''),
                extract(comment, 'rows (\\\\w+)')
            ) as state,
            if(tables.database = '" ~ raw_schema() ~ "', " ~ column_of_versions() ~ ", '') as versions
        from system.tables as tables
        left join (
            select database, table, toString(arraySort(groupArray((partition_id, oldest, newest, mutation)))) as blocks
            from (
                select
                    database,
                    table,
                    partition_id,
                    min(min_block_number) as oldest,
                    max(max_block_number) as newest,
                    max(toInt64OrZero(splitByChar('_', name)[5])) as mutation
                from system.parts
                where database = '" ~ raw_schema() ~ "' and table in (" ~ names | join(', ') ~ ") and active
                group by database, table, partition_id
            )
            group by database, table
        ) as parts on tables.database = parts.database and tables.name = parts.table
        where
            tables.database in ('" ~ raw_schema() ~ "', '" ~ target.schema ~ "')
            and tables.name in (" ~ names | join(', ') ~ ")
    ") %}
    {% set relations, newest = {}, [] %}
    {% for relation, rows, inputs, state, versions in found.rows %}
        {% do relations.update({relation: {'rows': rows, 'inputs': inputs, 'state': state}}) %}
        {% if versions %}
            {% do newest.append("select '" ~ relation ~ "', concat('" ~ versions ~ " ', max(" ~ versions ~ ")) from " ~ relation) %}
        {% endif %}
    {% endfor %}
    {% if newest %}
        {% for relation, newest_version in run_query(newest | join(' union all ')).rows %}
            {% do relations[relation].update({'state': relations[relation].state ~ ' until ' ~ newest_version}) %}
        {% endfor %}
    {% endif %}
    {{ return(relations) }}
{% endmacro %}


{#- Of system.tables: the column that tells a ReplacingMergeTree which copy of a row is the newest, or ''. -#}
{% macro column_of_versions() -%}
extract(engine_full, '^\\w*ReplacingMergeTree\\((?:[^)]*, )?(\\w+)\\)')
{%- endmacro %}


{#- States of nodes: of a table what came out, of a view its query and what that reads, of a seed its file. What cannot
    be told is something else in each run. -#}
{% macro states_of(unique_ids, relations, known) %}
    {% set states = [] %}
    {% for id in unique_ids | sort %}
        {% if id not in known %}
            {% set node = graph.sources.get(id) or graph.nodes[id] %}
            {% set found = relations.get(node.schema ~ '.' ~ (node.identifier or node.alias), {}).state or invocation_id %}
            {% if node.resource_type == 'seed' %}
                {% set found = [node.checksum, node.config.column_types] %}
            {% elif is_view(node) %}
                {% set found = [found, states_of(node.depends_on.nodes, relations, known)] %}
            {% endif %}
            {% do known.update({id: local_md5(tojson(found, sort_keys=true))}) %}
        {% endif %}
        {% do states.append([id, known[id]]) %}
    {% endfor %}
    {{ return(states) }}
{% endmacro %}


{#- A hash of the rows of a table, whatever their order; none of a large one, where it would cost more than it saves. -#}
{% macro state_of_rows(relation) %}
    {% set count = run_query("select count() from " ~ relation).rows[0][0] %}
    {% if count <= var('most_rows_hashed') %}
        {{ return(run_query("
            select concat(toString(count()), 'x', toString(sum(reinterpretAsUInt128(sipHash128(tuple(*))))))
            from " ~ relation).rows[0][0]) }}
    {% endif %}
    {{ return(none) }}
{% endmacro %}
