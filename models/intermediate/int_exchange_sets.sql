{{ config(order_by='set_event_id') }}

with splits as (select * from {{ ref('stg_goldsky__splits') }}),

merges as (select * from {{ ref('stg_goldsky__merges') }}),

fills as (select * from {{ ref('stg_chain__order_fills') }}),

contracts as (
    select address from {{ ref('int_system_addresses') }}
    where kind in ('ctf_exchange', 'neg_risk_exchange', 'collateral_adapter')
),

-- The V2 exchanges, and the adapters that they go through, stand as owners of what they mint and merge in a match. In
-- V1 the subgraph left these rows out. The fills of the transaction tell who got the sets.
sets as (
    select
        split_id as set_event_id,
        transaction_hash
    from splits
    where wallet in (select address from contracts)
    union all
    select
        merge_id as set_event_id,
        transaction_hash
    from merges
    where wallet in (select address from contracts)
),

-- The newest copy of a fill may say that it is gone.
matched as (
    select transaction_hash
    from fills
    where transaction_hash in (select transaction_hash from sets)
    group by filled_at, transaction_hash, log_index
    having not argMax(is_gone, fills.loaded_at)
)

select distinct set_event_id
from sets
where transaction_hash in (select transaction_hash from matched)
