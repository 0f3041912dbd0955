{{ config(order_by='token_id') }}

with conditions as (select * from {{ ref('int_conditions') }}),

registered as (select * from {{ ref('stg_goldsky__registered_tokens') }}),

market_makers as (select * from {{ ref('int_market_makers') }}),

-- The place among the position ids is the outcome. The exchange registers both orders, so its order means nothing.
positions as (
    select
        token_id,
        condition_id,
        cast(position - 1, 'Nullable(UInt8)') as outcome_index,
        2 as authority
    from conditions
    array join
        token_ids as token_id,
        arrayEnumerate(token_ids) as position
),

-- A token whose condition is not loaded yet: its condition is known, its outcome is not.
registrations as (
    select
        token_id,
        condition_id,
        cast(null, 'Nullable(UInt8)') as outcome_index,
        1 as authority
    from registered
),

pool_shares as (
    select
        share_token_id as token_id,
        condition_id,
        toNullable(share_index) as outcome_index,
        2 as authority
    from market_makers
),

known as (
    select * from positions
    union all
    select * from registrations
    union all
    select * from pool_shares
),

best as (
    select
        token_id,
        condition_id,
        outcome_index
    from known
    order by token_id asc, authority desc, condition_id asc
    limit 1 by token_id
)

select * from best
