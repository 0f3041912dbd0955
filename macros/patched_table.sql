{#- Large tables of which only what is touched is made anew. macros/patched_models.sql says which, and what touches it.

    The rows of touched keys are made beside the table, by the query of the model; in a clone of the table they take the
    place of those that were there; then both are exchanged, in one step. Beside the table lie `__read`, the states of all
    that it was made of, and `__changed`, what the last change of it changed. Where these do not lead from the rows that
    the table was made of to those that are there, it is made anew as a whole. -#}

{#- Returns the state of the rows afterwards; none where the table has to be made anew. `stands`: what is known of it;
    `query` and `states`: of what it would be made of now. -#}
{% macro patched_table(stands, query, states) %}
    {%- set rules = patched_models().get(model.name) -%}
    {% if not rules or not stands.state or stands.rows < var('least_rows_patched') %}
        {{ return(none) }}
    {% endif %}
    {%- set changes = changes_since(rules, stands, query, states) -%}
    {% if changes is none %}
        {{ return(none) }}
    {% endif %}
    {%- set made_by = query_of_changes(rules, changes) -%}
    {%- set touched, moved, rows, new = beside('touched'), beside('moved'), beside('rows'), beside('new') -%}
    {%- set columns = '`' ~ adapter.get_columns_in_relation(this) | map(attribute='name') | join('`, `') ~ '`' -%}
    {% for table in (touched, moved, rows, new) %}
        {% do drop_table(table) %}
    {% endfor %}

    {% do write_touched(touched, rules, changes) %}
    {%- set count = run_query('select count() from ' ~ touched).rows[0][0] -%}
    {% do log(this.identifier ~ ': ' ~ count ~ ' touched keys, ' ~ stands.rows ~ ' rows') %}
    {% if made_by == sql and count > var('most_keys_patched') * stands.rows %}
        {% do drop_table(touched) %}
        {{ return(none) }}
    {% endif %}

    {#- What is there now is what the rest goes by, and has to be what `stands` told of: else somebody has put another table
        in its place, and sums would move twice. -#}
    {% do clone_unmerged(new) %}
    {% if not is_as_known(stands) %}
        {% do log(this.identifier ~ ' is made anew: another one was put in its place', info=true) %}
        {{ return(none) }}
    {% endif %}
    {% if rules.sums %}
        {% do write_moved(moved, rules, changes, touched) %}
        {% if not knows_extremes(rules, moved) %}
            {% do log(this.identifier ~ ' is made anew: nobody can tell its extremes') %}
            {{ return(none) }}
        {% endif %}
    {% endif %}
    {%- set is_touched = is_among(rules.key, touched) if rules.by_short_key else
        '(' ~ rules.key.values() | join(', ') ~ ') in (select ' ~ rules.key | join(', ') ~ ' from '
        ~ (moved if rules.sums else touched) ~ ')' -%}
    {% do run_query('create table ' ~ rows ~ ' as ' ~ this) %}
    {% call statement('main') %}
        insert into {{ rows }} ({{ columns }})
        {% if rules.sums -%}
        {{ query_of_sums(rules, new ~ ' where ' ~ is_touched, moved) }}
        {%- else -%}
        select {{ columns }} from (
            {{ made_by }}
        )
        where {{ is_touched }}
        {{ settings_to_read(rules.read_only, touched) }}
        {%- endif %}
    {% endcall %}
    {% if rules.sums and run_query('select * from ' ~ rows ~ ' where toInt32(' ~ rules.sums.counted_by ~ ') <= 0 limit 1').rows %}
        {% do log(this.identifier ~ ' is made anew: its sums were not those of what was there', info=true) %}
        {{ return(none) }}
    {% endif %}
    {% do note_changes(new ~ ' where ' ~ is_touched, rows) %}
    {%- set state = stands.state -%}
    {% if run_query('select count() from ' ~ beside('changing')).rows[0][0] %}
        {%- set state = local_md5(tojson([query, states], sort_keys=true)) -%}
        {% do put_in_place(columns, new) %}
        {% if not is_in_place(new) %}
            {% do log(this.identifier ~ ' is made anew: other rows were deleted than those that are gone', info=true) %}
            {{ return(none) }}
        {% endif %}
        {% do keep_changes(stands.state, state) %}
        {% do run_query('exchange tables ' ~ new ~ ' and ' ~ this) %}
    {% endif %}
    {% for table in (touched, moved, rows, new, beside('changing')) %}
        {% do drop_table(table) %}
    {% endfor %}
    {{ return(state) }}
{% endmacro %}


{#- Whether the table has the comment that it had when it was asked what is known of it. -#}
{% macro is_as_known(stands) %}
    {{ return(run_query(
        "select comment from system.tables where database = '" ~ this.schema ~ "' and name = '" ~ this.identifier ~ "'"
    ).rows[0][0] == 'inputs ' ~ stands.inputs ~ ', rows ' ~ stands.state) }}
{% endmacro %}


{#- The keys that were touched; of sums, those of their parts. -#}
{% macro write_touched(touched, rules, changes) %}
    {%- set of = rules.sums or {'of': this.identifier, 'part': rules.key} -%}
    {%- set named_key = [] -%}
    {% for name, expression in of.part.items() %}
        {% do named_key.append(expression ~ ' as ' ~ name) %}
    {% endfor %}
    {% do run_query(
        'create table ' ~ touched ~ ' engine = MergeTree order by tuple() as select distinct * from ('
        ~ 'select ' ~ named_key | join(', ') ~ ' from ' ~ this.schema ~ '.' ~ of.of ~ ' where false'
        ~ queries_of_touched(rules, changes) | map('replace', '', ' union all ', 1) | join ~ ')'
    ) %}
    {% if of.together %}
        {% do run_query('insert into ' ~ touched ~ ' ' ~ modules.re.sub('\\btouched\\b', touched | string, of.together)) %}
    {% endif %}
{% endmacro %}


{#- Whether a key (names and expressions) is in a table, or one that has the same hash: that takes two thirds of the time
    that FixedStrings take. The index is asked for the keys themselves. -#}
{% macro is_among(key, table) -%}
    {%- set expressions, names = key.values() | join(', '), key | join(', ') -%}
    cityHash64({{ expressions }}) in (select cityHash64({{ names }}) from {{ table }})
    and indexHint(({{ expressions }}) in (select {{ names }} from {{ table }}))
{%- endmacro %}


{#- By how much sums moved: what the touched parts come to now, less what they came to before. All rows of these parts are
    read once and laid aside, since the views ask for them again and again. -#}
{% macro write_moved(moved, rules, changes, touched) %}
    {%- set sums, part = rules.sums, rules.sums.part -%}
    {%- set query = seen_through(sql, model.depends_on.nodes) -%}
    {%- set now, was = beside('now'), beside('was') -%}
    {% do write_copy(now, sums.of, 'select * from ' ~ this.schema ~ '.' ~ sums.of ~ ' where ' ~ is_among(part, touched)) %}
    {%- set reckoned = namespace(before=query) -%}
    {% for name, changed in changes.items() if rules.touched_by[name] %}
        {%- set table = now if name == sums.of else this.schema ~ '.' ~ name -%}
        {%- set rows = as_it_was(table, sums.unique_by[name], changed) -%}
        {% if name == sums.of %}
            {% do write_copy(was, name, 'select * from ' ~ rows) %}
        {% endif %}
        {%- set reckoned.before = with_in_place(reckoned.before, name, was if name == sums.of else rows) -%}
    {% endfor %}
    {% do run_query(
        'create table ' ~ moved ~ ' engine = MergeTree order by tuple() as '
        ~ query_of_sums(
            rules,
            '(' ~ with_in_place(query, sums.of, now) ~ ')',
            '(' ~ with_in_place(reckoned.before, sums.of, now) ~ ')',
            -1
        )
        ~ settings_to_read({}, touched)
    ) %}
    {% for table in (now, was) %}
        {% do drop_table(table) %}
    {% endfor %}
{% endmacro %}


{#- Rows in a table of their own, which is like another one. -#}
{% macro write_copy(copy, name, rows) %}
    {% do drop_table(copy) %}
    {% do run_query('create table ' ~ copy ~ ' as ' ~ this.schema ~ '.' ~ name) %}
    {% do run_query('insert into ' ~ copy ~ ' ' ~ rows) %}
{% endmacro %}


{#- The sums of two tables together, or their difference, where it is any. Of extremes there is no difference: of these it
    has what they are in the first and, as `*_was`, in the second. -#}
{% macro query_of_sums(rules, one, other, sign=1) %}
    {%- set extremes = rules.sums.extremes or {} -%}
    {%- set selected, differs, columns = [], [], [] -%}
    {% for column in adapter.get_columns_in_relation(this) %}
        {%- set name = column.name -%}
        {% if name in rules.key %}
            {% do selected.append(name) %}
            {% do columns.append(name) %}
        {% elif name not in extremes %}
            {#- Signed on both sides: there is no type that holds both UInt64 and Int64. -#}
            {% do columns.append(name ~ ' * sign as ' ~ name) %}
            {% do selected.append('sum(sums.' ~ name ~ ') as ' ~ name) %}
            {% do differs.append(name ~ ' != 0') %}
        {% elif sign == 1 %}
            {% do columns.append(name) %}
            {% do selected.append(extremes[name] ~ '(sums.' ~ name ~ ') as ' ~ name) %}
        {% else %}
            {% do columns.append(name) %}
            {% do selected.append(extremes[name] ~ 'OrNullIf(sums.' ~ name ~ ', sign = 1) as ' ~ name) %}
            {% do selected.append(extremes[name] ~ 'OrNullIf(sums.' ~ name ~ ', sign = -1) as ' ~ name ~ '_was') %}
            {% do differs.append('coalesce(' ~ name ~ ' != ' ~ name ~ '_was, true)') %}
        {% endif %}
    {% endfor %}
    {%- set of_both = 'select toInt8({sign}) as sign, ' ~ columns | join(', ') ~ ' from ' -%}
    {{ return(
        'select ' ~ selected | join(', ') ~ ' from (' ~ of_both.format(sign=1) ~ one ~ ' union all '
        ~ of_both.format(sign=sign) ~ other ~ ') as sums'
        ~ ' group by ' ~ rules.key | join(', ') ~ ' having ' ~ differs | join(' or ') ~ ' '
    ) }}
{% endmacro %}


{#- Whether every extreme can be told: not where what it was may be that of a part which has another one now. A row of
    which nothing is left has none. -#}
{% macro knows_extremes(rules, moved) %}
    {%- set lost = [] -%}
    {% for name, extreme in (rules.sums.extremes or {}).items() %}
        {%- set was = 'moved.' ~ name ~ '_was' -%}
        {% do lost.append(
            was ~ ' = stands.' ~ name ~ ' and coalesce(moved.' ~ name ~ (' > ' if extreme == 'min' else ' < ') ~ was ~ ', true)'
        ) %}
    {% endfor %}
    {{ return(not lost or not run_query(
        'select 1 from ' ~ moved ~ ' as moved inner join ' ~ this ~ ' as stands using (' ~ rules.key | join(', ') ~ ')'
        ~ ' where (' ~ lost | join(' or ') ~ ') and toInt64(stands.' ~ rules.sums.counted_by ~ ') + moved.'
        ~ rules.sums.counted_by ~ ' != 0 limit 1'
    ).rows) }}
{% endmacro %}


{#- A table as it was before some rows of it changed, as a subquery. No two rows have the same values of `unique_by`. -#}
{% macro as_it_was(table, unique_by, changed) %}
    {{ return(
        '(select * from ' ~ table ~ ' where (' ~ unique_by ~ ') not in (select ' ~ unique_by ~ ' from ' ~ changed ~ ')'
        ~ ' union all select * except (is_gone, times, places) from ' ~ changed ~ ' where is_gone)'
    ) }}
{% endmacro %}


{#- A query in which each view stands as the subquery that it is. -#}
{% macro seen_through(query, unique_ids) %}
    {%- set seen = namespace(query=query) -%}
    {% for id in unique_ids %}
        {%- set node = graph.sources.get(id) or graph.nodes[id] -%}
        {% if is_view(node) %}
            {%- set text = run_query(
                "select as_select from system.tables where database = '" ~ node.schema ~ "' and name = '" ~ node.alias ~ "'"
            ).rows[0][0] -%}
            {%- set seen.query = with_in_place(
                seen.query, node.alias, '(' ~ seen_through(text, node.depends_on.nodes) ~ ')'
            ) -%}
        {% endif %}
    {% endfor %}
    {{ return(seen.query) }}
{% endmacro %}


{#- A query that reads a subquery in the place of a table or view. -#}
{% macro with_in_place(query, name, subquery) %}
    {%- set relation = '`?\\b' ~ modules.re.escape(this.schema) ~ '`?\\.`?' ~ name ~ '\\b`?' -%}
    {{ return(modules.re.split(relation, query) | join(subquery | string)) }}
{% endmacro %}


{#- Of each table that it reads and that changed: the rows that are new or gone. None where nobody can tell. -#}
{% macro changes_since(rules, stands, query, states) %}
    {%- set comments = {} -%}
    {% for name, comment in run_query(
        "select name, comment from system.tables where database = '" ~ this.schema ~ "' and match(name, '__(read|changed)$')"
    ).rows %}
        {% do comments.update({name: comment}) %}
    {% endfor %}
    {% if this.identifier ~ '__read' not in comments %}
        {{ return(none) }}
    {% endif %}
    {%- set read = run_query(
        "select node, state from " ~ beside('read') ~ " where inputs = '" ~ stands.inputs ~ "'"
    ).rows | map('list') | list -%}
    {%- set before = dict(read) -%}
    {% if before.pop('', none) != query or before.keys() | sort != states.keys() | sort %}
        {{ return(none) }}
    {% endif %}
    {%- set changes = {} -%}
    {% for name, state in states.items() if state != before[name] %}
        {%- set changed = none -%}
        {% if (name ~ '__changed') in comments %}
            {% if comments[name ~ '__changed'] == 'from ' ~ before[name] ~ ' to ' ~ state %}
                {%- set changed = this.schema ~ '.' ~ name ~ '__changed' -%}
            {% endif %}
        {% else %}
            {%- set changed = newer_rows(name, before[name], state) -%}
        {% endif %}
        {% if name not in rules.touched_by or (rules.touched_by[name] and not changed) %}
            {% do log(this.identifier ~ ' is made anew: nobody can tell what of ' ~ name ~ ' changed') %}
            {{ return(none) }}
        {% endif %}
        {% do changes.update({name: changed}) %}
    {% endfor %}
    {{ return(changes) }}
{% endmacro %}


{#- A query for each table that changed: the keys that were touched. -#}
{% macro queries_of_touched(rules, changes) %}
    {%- set queries = [] -%}
    {% for name, changed in changes.items() if rules.touched_by[name] %}
        {% do queries.append(modules.re.sub('\\bchanged\\b', changed, rules.touched_by[name])) %}
    {% endfor %}
    {{ return(queries) }}
{% endmacro %}


{#- The query of the model; where what changed of a table is enough, that is what it reads in the table's place. -#}
{% macro query_of_changes(rules, changes) %}
    {%- set made_by = namespace(sql=sql) -%}
    {% for name, enough in (rules.from_changes or {}).items() if changes.get(name) %}
        {%- set unless = modules.re.sub('\\bchanged\\b', changes[name], enough.unless or '') -%}
        {% if not unless or not run_query(unless ~ ' limit 1').rows %}
            {%- set table = api.Relation.create(schema=this.schema, identifier=name) | string -%}
            {% if table not in sql %}
                {{ exceptions.raise_compiler_error(this.identifier ~ ' does not read ' ~ table) }}
            {% endif %}
            {%- set rows = '(' ~ modules.re.sub('\\bchanged\\b', changes[name], enough.rows) ~ ')' -%}
            {%- set made_by.sql = made_by.sql | replace(table, rows) -%}
        {% endif %}
    {% endfor %}
    {{ return(made_by.sql) }}
{% endmacro %}


{#- The rows of a raw table that may have been inserted since it had the state `before` (as known_relations has them):
    those of all parts with a block that is newer. None where rows may be others or gone, as in a partition all of whose
    versions are newer than those of then; nor for replicated tables, where a block may be seen after one that is newer. -#}
{% macro newer_rows(name, before, now) %}
    {%- set partition = "\\('(\\w+)',(\\d+),(\\d+),(\\d+)\\)" -%}
    {%- set parts_before, parts = modules.re.findall(partition, before), {} -%}
    {% for partition_id, oldest, newest, mutation in modules.re.findall(partition, now) %}
        {% do parts.update({partition_id: (oldest, newest | int, mutation)}) %}
    {% endfor %}
    {% if ' ReplacingMergeTree ' not in before or before.split('[')[0] != now.split('[')[0] %}
        {{ return(none) }}
    {% endif %}
    {% for partition_id, oldest, newest, mutation in parts_before %}
        {%- set part = parts.get(partition_id) -%}
        {% if not part or part[0] != oldest or part[1] < newest | int or part[2] != mutation %}
            {{ return(none) }}
        {% endif %}
    {% endfor %}
    {%- set versions, until = modules.re.search(' until (\\w+) (.+)', before).groups() -%}
    {% for partition_id in run_query(
        "select _partition_id from " ~ raw_schema() ~ "." ~ name ~ " group by _partition_id
        having min(" ~ versions ~ ") > '" ~ until ~ "'"
    ).columns[0] if partition_id | string in parts_before | map('first') | list %}
        {{ return(none) }}
    {% endfor %}
    {#- Of the name of a part, which may have been merged since: partition_oldest_newest_level. -#}
    {{ return(
        "(select * from " ~ raw_schema() ~ "." ~ name ~ " where toInt64(splitByChar('_', _part)[3]) > transform(_partition_id, ['"
        ~ ([['', 0, -1]] + parts_before) | map('first') | join("', '") ~ "'], ["
        ~ ([['', 0, -1]] + parts_before) | map(attribute=2) | join(', ') ~ "], toInt64(-1)))"
    ) }}
{% endmacro %}


{#- The states of the sources and tables that a model reads, by name. -#}
{% macro states_of_tables(nodes, relations) %}
    {%- set states = {} -%}
    {% for node in nodes if node.resource_type != 'seed' and not is_view(node) %}
        {%- set name = node.identifier or node.alias -%}
        {% do states.update({name: relations.get(node.schema ~ '.' ~ name, {}).state or invocation_id}) %}
    {% endfor %}
    {{ return(states) }}
{% endmacro %}


{#- Those of seeds and views. -#}
{% macro states_of_others(nodes, relations) %}
    {%- set states = {} -%}
    {% for node in nodes %}
        {% if node.resource_type == 'seed' %}
            {% do states.update({node.unique_id: [node.checksum, node.config.column_types]}) %}
        {% elif is_view(node) %}
            {% do states.update({node.unique_id: relations.get(node.schema ~ '.' ~ node.alias, {}).state or invocation_id}) %}
        {% endif %}
    {% endfor %}
    {{ return(states) }}
{% endmacro %}


{#- Whether a table that is made anew as a whole notes what changed: one that a patched table reads, where any of these is
    large enough, and which is not so large itself. -#}
{% macro is_noted(stands) %}
    {%- set readers, names = patched_models(), [] -%}
    {% for name, rules in readers.items() if model.name in rules.touched_by %}
        {% do names.append(name) %}
    {% endfor %}
    {%- set is_large = model.name in readers and stands.rows >= var('least_rows_patched') -%}
    {{ return(names and not is_large and rows_of(names) >= var('least_rows_patched')) }}
{% endmacro %}


{#- Of the largest of these tables. -#}
{% macro rows_of(names) %}
    {{ return(run_query("
        select max(coalesce(total_rows, 0)) from system.tables
        where database = '" ~ this.schema ~ "' and name in ('" ~ names | join("', '") ~ "')
    ").rows[0][0]) }}
{% endmacro %}


{% macro write_states_read(inputs, query, states) %}
    {%- set rows = [] -%}
    {% for name, state in [('', query)] + states.items() | list %}
        {% do rows.append("('" ~ inputs ~ "', '" ~ name ~ "', '" ~ state | replace("'", "\\'") ~ "')") %}
    {% endfor %}
    {% do run_query(
        "create or replace table " ~ beside('read') ~ " engine = MergeTree order by tuple() as
        select * from values('inputs String, node String, state String', " ~ rows | join(', ') ~ ")"
    ) %}
{% endmacro %}


{#- A clone of the table, whose parts are links, without its comment. Its parts are not merged: that would move rows
    between when they are looked up and when they are deleted. -#}
{% macro clone_unmerged(new) %}
    {% do run_query('create table ' ~ new ~ ' as ' ~ this) %}
    {% do run_query('alter table ' ~ new ~ ' modify setting ' ~ settings_of_merges() | join(' = 1, ') ~ ' = 1') %}
    {% do run_query('alter table ' ~ new ~ ' attach partition all from ' ~ this) %}
    {% do run_query("alter table " ~ new ~ " modify comment ''") %}
{% endmacro %}


{#- The largest part that merges may make, when there is room and when there is little. -#}
{% macro settings_of_merges() %}
    {{ return(['max_bytes_to_merge_at_max_space_in_pool', 'max_bytes_to_merge_at_min_space_in_pool']) }}
{% endmacro %}


{#- Takes the rows that are gone out of a clone of the table, and puts those in that are new. Which rows to delete is told
    by their places: to look each row up by its key takes several times as long. -#}
{% macro put_in_place(columns, new) %}
    {% if run_query('select count() from ' ~ beside('changing') ~ ' where is_gone').rows[0][0] %}
        {% do run_query(
            'delete from ' ~ new ~ ' where ' ~ place_of_row() ~ ' in (select arrayJoin(places) from ' ~ beside('changing') ~ ')'
        ) %}
    {% endif %}
    {% do run_query(
        'insert into ' ~ new ~ ' (' ~ columns ~ ') select ' ~ columns ~ ' from ' ~ beside('changing')
        ~ ' array join range(times) as time where not is_gone'
    ) %}
    {% for name in settings_of_merges() %}
        {%- set value = (model.config.settings or {}).get(name) -%}
        {% do run_query(
            'alter table ' ~ new ~ (' modify setting ' ~ name ~ ' = ' ~ value if value is not none else ' reset setting ' ~ name)
        ) %}
    {% endfor %}
    {#- Rows that were deleted stay on the disk until their part is merged. -#}
    {%- set rows_on_disk = "select sum(rows) from system.parts where active and database = '" ~ new.schema
        ~ "' and table = '" ~ new.identifier ~ "'" -%}
    {% if run_query('select (' ~ rows_on_disk ~ ') > 1.25 * count() from ' ~ new).rows[0][0] %}
        {% do run_query('alter table ' ~ new ~ ' apply deleted mask settings mutations_sync = 1') %}
    {% endif %}
{% endmacro %}


{#- Whether there are as many rows as there have to be. -#}
{% macro is_in_place(new) %}
    {{ return(run_query(
        'select (select count() from ' ~ new ~ ') = (select count() from ' ~ this ~ ') + ('
        ~ 'select sum(if(is_gone, -1, 1) * toInt64(times)) from ' ~ beside('changing') ~ ')'
    ).rows[0][0]) }}
{% endmacro %}


{#- The rows that only one of two tables has, how many times, whether it is the first one, and where they stand there. -#}
{% macro note_changes(first, second) %}
    {% do drop_table(beside('changing')) %}
    {% do run_query("
        create table " ~ beside('changing') ~ " engine = MergeTree order by tuple() as
        select * except (row, standing), arraySlice(standing, 1, if(is_gone, times, 0)) as places from (
            select
                * except (difference, place),
                sum(difference) < 0 as is_gone,
                abs(sum(difference)) as times,
                groupArrayIf(place, difference < 0) as standing
            from (
                select *, sipHash128(tuple(*)) as row, toInt8(-1) as difference, " ~ place_of_row() ~ " as place from " ~ first ~ "
                union all
                select *, sipHash128(tuple(*)) as row, toInt8(1) as difference, toUInt64(0) as place from " ~ second ~ "
            )
            group by all
            having sum(difference) != 0
        )
    ") %}
{% endmacro %}


{#- Which row of a table it is: parts are numbered, and the rows of a part. What has no array in it is worked out once for
    each part, not for each row. -#}
{% macro place_of_row() -%}
toUInt64(extract(_part, '_([0-9]+)_')) * 1099511627776 + _part_offset
{%- endmacro %}


{#- What was noted counts from here on. -#}
{% macro keep_changes(before, now) %}
    {%- set changing, changed = beside('changing'), beside('changed') -%}
    {% do run_query("alter table " ~ changing ~ " modify comment 'from " ~ before ~ " to " ~ now ~ "'") %}
    {% do drop_table(changed) %}
    {% do run_query('rename table ' ~ changing ~ ' to ' ~ changed) %}
{% endmacro %}


{#- Settings of the model, and what is to be read of large tables, also by views. -#}
{% macro settings_to_read(read_only, touched) %}
    {%- set settings = [] -%}
    {% for name, value in (model.config.query_settings or {}).items() %}
        {% do settings.append(name ~ ' = ' ~ value) %}
    {% endfor %}
    {%- set filters = [] -%}
    {% for relation, filter in read_only.items() %}
        {%- set filter = modules.re.sub('\\btouched\\b', touched | string, filter) -%}
        {% do filters.append("'" ~ relation ~ "': '" ~ filter | replace("'", "\\'") ~ "'") %}
    {% endfor %}
    {% if filters %}
        {#- Filters on a sorting key before `final`: else all that lies around a row is merged first. -#}
        {% do settings.append('optimize_move_to_prewhere_if_final = 1') %}
        {% do settings.append('additional_table_filters = {' ~ filters | join(', ') ~ '}') %}
    {% endif %}
    {{ return('settings ' ~ settings | join(', ') if settings else '') }}
{% endmacro %}


{% macro beside(what) %}
    {{ return(api.Relation.create(schema=this.schema, identifier=this.identifier ~ '__' ~ what, type='table')) }}
{% endmacro %}
