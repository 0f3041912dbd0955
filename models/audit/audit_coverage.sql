{{ config(order_by=['day', 'source']) }}

with landed as (select * from {{ ref('stg_goldsky__order_fills') }}),

landed_v2 as (select * from {{ ref('stg_chain__order_fills') }}),

amm_trades as (select * from {{ ref('stg_goldsky__fpmm_transactions') }}),

exchanges as (
    select address from {{ ref('int_system_addresses') }}
    where protocol = 'v1'
),

file_runs as (select * from {{ ref('int_file_runs') }}),

fills as (
    select
        'v1' as protocol,
        filled_at,
        run_id
    from landed
    union all
    select
        'v2' as protocol,
        filled_at,
        run_id
    from landed_v2
    where not is_gone and landed_v2.exchange not in (select address from exchanges)
    union all
    -- No file holds these.
    select
        'amm' as protocol,
        happened_at as filled_at,
        '' as run_id
    from amm_trades
),

by_run as (
    select
        protocol,
        run_id,
        toDate(filled_at) as day,
        count() as fill_count,
        min(filled_at) as first_at,
        max(filled_at) as last_at
    from fills
    group by protocol, run_id, day
),

days as (
    select
        day,
        concat(by_run.protocol, if(run_id in (select run_id from file_runs), ' files', '')) as source,
        any(by_run.protocol) as protocol,
        sum(by_run.fill_count) as fill_count,
        min(by_run.first_at) as first_at,
        max(by_run.last_at) as last_at
    from by_run
    group by day, source
),

-- The day before it that the protocol has any fill on, from whatever source.
followed as (
    select
        *,
        max(day) over (
            partition by protocol order by day range between unbounded preceding and 1 preceding
        ) as day_before,
        min(day) over (partition by protocol) as first_day
    from days
),

coverage as (
    select
        day,
        source,
        protocol,
        fill_count,
        first_at,
        last_at,
        toUInt64(if(day = first_day, 0, day - day_before - 1)) as missing_days
    from followed
)

select * from coverage
settings final = 1, do_not_merge_across_partitions_select_final = 1
