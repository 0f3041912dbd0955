{{ config(materialized='view') }}

with splits as (select * from {{ ref('stg_goldsky__splits') }}),

merges as (select * from {{ ref('stg_goldsky__merges') }}),

markets as (select * from {{ ref('int_markets') }}),

exchange_sets as (select * from {{ ref('int_exchange_sets') }}),

-- A split pays one USDC for a set of both outcomes; a merge is the same, backwards.
sets as (
    select
        'split' as event_type,
        * except (split_id, sets),
        split_id as set_event_id,
        sets as delta_sets
    from splits
    union all
    select
        'merge' as event_type,
        * except (merge_id, sets),
        merge_id as set_event_id,
        -sets as delta_sets
    from merges
),

sets_of_wallets as (
    select * from sets
    where set_event_id not in (select set_event_id from exchange_sets)
),

once as (
    {{ newest_copies('sets_of_wallets', 'event_type, set_event_id') }}
),

-- Each leg carries half of the price; the odd base unit goes to the second, so that both add up to the whole.
legs as (
    select
        event_type,
        set_event_id,
        transaction_hash,
        log_index,
        happened_at,
        wallet,
        condition_id,
        outcome_index,
        delta_sets as delta_shares,
        if(outcome_index = 0, -delta_sets / 2, -delta_sets - (-delta_sets / 2)) as delta_usdc
    from once
    array join cast([0, 1], 'Array(UInt8)') as outcome_index
    where condition_id in (select condition_id from markets)
)

select * from legs
