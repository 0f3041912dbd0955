{{ config(materialized='view') }}

with landed as (select * from {{ ref('stg_goldsky__user_positions') }}),

windows as (select * from {{ source('loaders', 'load_windows') }}),

-- A position is served anew whenever it is asked for: the newest answer counts.
latest as (
    select * from landed
    order by wallet asc, token_id asc, loaded_at desc
    limit 1 by wallet, token_id
),

-- The loaders remember, as `block:unix time:deployment`, of which moment a wallet's positions are.
snapshots as (
    select
        {{ hex_bytes("replaceOne(scope, 'wallet:', '')", 20) }} as wallet,
        argMax(cursor, updated_at) as newest_cursor,
        toDateTime(toUInt32OrZero(splitByChar(':', newest_cursor)[2]), 'UTC') as read_at
    from windows
    where entity = 'UserPosition' and scope like 'wallet:0x%'
    group by wallet
),

served as (
    select
        latest.wallet as wallet,
        latest.token_id as token_id,
        reinterpretAsInt128(latest.shares) as amount,
        toInt128(latest.avg_price_units) as avg_price,
        toInt128(latest.realized_pnl_units) as realized_pnl,
        toInt128(latest.total_bought_units) as total_bought,
        if(snapshots.read_at > toDateTime(0, 'UTC'), snapshots.read_at, null) as read_at
    from latest
    left join snapshots on latest.wallet = snapshots.wallet
)

select * from served
settings join_use_nulls = 1
