{#- Rows that may have been landed more than once, of copies the newest: a subquery over `rows`, which have a loaded_at.
    `id` names what tells them apart. Most were landed once, and are not sorted: those that were not are found by a short
    key first, which takes a fraction of the memory. -#}
{% macro newest_copies(rows, id) -%}
{%- set has_copies -%}
cityHash64({{ id }}) in (
        select cityHash64({{ id }}) as short_key
        from {{ rows }}
        group by short_key
        having count() > 1
    )
{%- endset -%}
select * from {{ rows }}
where not ({{ has_copies }})
union all
select * from (
    select * from {{ rows }}
    where {{ has_copies }}
    order by {{ id }}, loaded_at desc
    limit 1 by {{ id }}
)
{%- endmacro %}
