{{ config(order_by='pool') }}

with landed as (select * from {{ ref('stg_goldsky__fpmms') }}),

usdc as (
    select address from {{ ref('int_system_addresses') }}
    where kind = 'collateral'
),

once as (
    select * from landed
    order by pool asc, loaded_at desc
    limit 1 by pool
),

-- Anybody may open a market maker at the factory; Polymarket's trade one condition for USDC.
listed as (
    select
        pool,
        condition_ids[1] as condition_id,
        created_at,
        fee_rate
    from once
    where length(condition_ids) = 1 and collateral in (select address from usdc)
),

-- A share of a pool is a position like one of an outcome: its index counts down from 254, since a condition may have
-- several pools. Its token id is what the pnl subgraph calls it: the pool's address, read from its end.
numbered as (
    select
        *,
        toUInt8(255 - row_number() over (partition by condition_id order by created_at, pool)) as share_index,
        reinterpretAsUInt256(listed.pool) as share_token_id
    from listed
)

select * from numbered
