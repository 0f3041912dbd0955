{#- A model that names a table in `meta.by_wallets_of` is inserted in steps, each of the wallets of a range, so that what is
    grouped by wallet fits into memory however long the history is. It may read wallets from nowhere else; what joins them
    is read at each step. The condition on the wallet is exact; the filter keeps the table from being read whole.
    In one step where that table stands elsewhere (`--defer`), and on a cluster, where each shard groups its own wallets. -#}
{% macro clickhouse__insert_into(target_relation, sql, has_contract, use_columns_from_sql=False) %}
    {%- set wallets_of = model.config.meta.by_wallets_of if execute and model.config.meta else none -%}
    {%- set at_once = var('most_rows_at_once') | int -%}
    {% if at_once < 1 %}
        {{ exceptions.raise_compiler_error('most_rows_at_once is ' ~ var('most_rows_at_once') ~ ': make it 1 or more') }}
    {% endif %}
    {%- set steps = 1 + rows_of([wallets_of]) // at_once if wallets_of and not is_cluster() else 1 -%}
    {% if steps == 1 %}
        {{ return(dbt.clickhouse__insert_into(target_relation, sql, has_contract, use_columns_from_sql)) }}
    {% endif %}
    {%- set columns = adapter.get_columns_in_relation(target_relation) | map(attribute='quoted') | join(', ') -%}
    {% for step in range(steps) %}
        {%- set first, next = step * 65536 // steps, (step + 1) * 65536 // steps -%}
        {%- set is_in_range -%}
            wallet >= unhex('{{ '%04x' % first }}{{ '00' * 18 }}')
            {%- if step + 1 < steps %} and wallet < unhex('{{ '%04x' % next }}{{ '00' * 18 }}'){% endif %}
        {%- endset -%}
        {%- set insert -%}
            insert into {{ target_relation }} ({{ columns }})
            select {{ columns }} from (
                {{ sql }}
            )
            where {{ is_in_range }}
            {{ settings_to_read({this.schema ~ '.' ~ wallets_of: is_in_range}, '') }}
        {%- endset -%}
        {% if step + 1 < steps %}
            {% do run_query(insert) %}
        {% else %}
            {{ return(insert) }}
        {% endif %}
    {% endfor %}
{% endmacro %}
