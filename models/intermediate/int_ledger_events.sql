{{ config(materialized='view') }}

with events as (select * from {{ ref('int_replay_events') }}),

conversions as (select * from {{ ref('int_conversions') }}),

conversion_costs as (select * from {{ ref('int_conversion_costs') }}),

-- YES shares that a conversion brings, at what its NO shares had cost.
converted as (
    select
        wallet,
        condition_id,
        outcome_index,
        happened_at,
        transaction_hash,
        5 as kind,
        log_index,
        toFixedString('', 32) as order_hash,
        conversions.conversion_id as source_id,
        reinterpretAsInt128(conversions.delta_shares) as delta_shares,
        reinterpretAsInt128(conversions.delta_usdc) as delta_usdc,
        false as carries_cost,
        delta_shares as subgraph_shares,
        conversion_costs.subgraph_yes_price as subgraph_price,
        false as at_average,
        false as is_amount_unknown,
        conversion_costs.yes_cost as added_cost
    from conversions
    inner join conversion_costs on conversions.conversion_id = conversion_costs.conversion_id
    where outcome_index = 0
),

ledger_events as (
    select * from events
    union all
    select * from converted
)

select * from ledger_events
