{{ config(materialized='view') }}

with baselines as (select * from {{ ref('dome_baseline') }}),

loaded as (select * from {{ ref('int_loaded_spans') }}),

-- What is loaded of everybody is loaded of each.
spans as (
    select
        baselines.wallet as wallet,
        loaded.entity as entity,
        any(baselines.first_trade_at) as start_at,
        arraySort(groupArray((loaded.since, loaded.until))) as spans_in_order
    from baselines
    cross join loaded
    where loaded.scope in ('', concat('wallet:', baselines.wallet))
    group by baselines.wallet, loaded.entity
),

reached as (
    select
        wallet,
        entity,
        arrayFold(
            (reach, span) -> if(span.1 <= reach, greatest(reach, span.2), reach), spans_in_order, start_at
        ) as reached_at
    from spans
)

select * from reached
