{{ config(order_by=['entity', 'scope', 'since']) }}

with recorded as (select * from {{ source('loaders', 'load_windows') }}),

windows as (
    select
        entity,
        scope,
        since,
        until,
        argMax(state, updated_at) as newest_state
    from recorded
    group by entity, scope, since, until
    having newest_state = 'complete' and since < until
),

-- A span begins where no earlier window reaches.
starts as (
    select
        *,
        since > max(until) over (
            partition by entity, scope
            order by since, until
            rows between unbounded preceding and 1 preceding
        ) as is_start
    from windows
),

numbered as (
    select
        *,
        sum(is_start) over (
            partition by entity, scope
            order by since, until
            rows between unbounded preceding and current row
        ) as span
    from starts
),

spans as (
    select
        entity,
        scope,
        min(numbered.since) as since,
        max(numbered.until) as until
    from numbered
    group by entity, scope, span
)

select * from spans
