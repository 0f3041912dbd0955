{{ config(order_by=['condition_id', 'source']) }}

with logs as (select * from {{ ref('stg_chain__condition_resolutions') }}),

asked as (select * from {{ ref('stg_goldsky__conditions') }}),

given as (select * from {{ ref('stg_files__payouts') }}),

-- A log whose block has left the chain is landed once more as gone.
latest_logs as (
    select * from logs
    order by transaction_hash asc, log_index asc, resolved_at asc, loaded_at desc
    limit 1 by transaction_hash, log_index, resolved_at
),

-- The contract itself, then what was derived from it, then what somebody says.
reported as (
    select
        condition_id,
        'chain' as source,
        1 as priority,
        payout_numerators,
        payout_denominator,
        toNullable(resolved_at) as resolved_at,
        loaded_at
    from latest_logs
    where not is_gone
    union all
    select
        condition_id,
        'pnl-subgraph' as source,
        2 as priority,
        payout_numerators,
        payout_denominator,
        null as resolved_at,
        loaded_at
    from asked
    union all
    select
        condition_id,
        'file' as source,
        3 as priority,
        payout_numerators,
        payout_denominator,
        resolved_at,
        loaded_at
    from given
),

-- A condition is asked again until it is resolved, and once more when corrected: the newest answer counts.
latest as (
    select * from reported
    order by condition_id asc, source asc, loaded_at desc
    limit 1 by condition_id, source
),

resolved as (
    select
        condition_id,
        source,
        priority,
        payout_numerators,
        payout_denominator,
        resolved_at
    from latest
    where payout_denominator > 0
)

select * from resolved
