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

-- Of the copies of a fill, `final` leaves the newest, which may say that it is gone.
matched as (
    select distinct transaction_hash
    from fills
    where not is_gone and transaction_hash in (select transaction_hash from sets)
    settings final = 1
)

select distinct set_event_id
from sets
where transaction_hash in (select transaction_hash from matched)
