{#- After a run in which something failed: says so if rows were landed meanwhile. Of two models, one may have read them and
    the other not, so tests that compare the two may fail without anything being wrong. Parts that were merged since are
    seen for eight minutes; on a cluster, those of the node that was asked. -#}
{% macro landed_meanwhile(results) %}
    {% if execute and results | selectattr('status', 'in', ['error', 'fail']) | list %}
        {% set seconds = (modules.datetime.datetime.now(modules.pytz.utc) - run_started_at).total_seconds() %}
        {% set landed = run_query(
            "select count() from system.parts where database = '" ~ raw_schema() ~ "' and not startsWith(table, 'load_')
            and min_block_number = max_block_number and modification_time >= now() - " ~ seconds | round(0, 'ceil') | int
        ).rows[0][0] %}
        {% if landed %}
            {% do exceptions.warn(
                'Rows were landed in ' ~ raw_schema() ~ ' during this run: tests that compare what was read before and after '
                ~ 'may have failed for that alone. Run it again when no load is under way (README, On a schedule).'
            ) %}
        {% endif %}
    {% endif %}
{% endmacro %}
