{#- Rows that may have been landed more than once, of copies the newest, and of those that were landed at once the one with
    the later time: a subquery over `rows`, which have a loaded_at and a happened_at. `id` names what tells them apart.
    Most were landed once, and are not sorted: those that were not are found by a short key first, which takes a fraction
    of the memory. On a cluster all are sorted: a shard that reads its rows after the keys were collected may see other
    copies. (sqlfluff knows no target.) -#}
{% macro newest_copies(rows, id) -%}
{%- set is_cluster = target is defined and target.cluster -%}
{%- set has_copies -%}
cityHash64({{ id }}) in (
        select cityHash64({{ id }}) as short_key
        from {{ rows }}
        group by short_key
        having count() > 1
    )
{%- endset -%}
{%- if not is_cluster -%}
select * from {{ rows }}
where not ({{ has_copies }})
union all
{% endif -%}
select * from (
    select * from {{ rows }}
    {%- if not is_cluster %}
    where {{ has_copies }}
    {%- endif %}
    order by {{ id }}, loaded_at desc, happened_at desc
    limit 1 by {{ id }}
)
{%- endmacro %}
