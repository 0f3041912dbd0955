{{ config(order_by='condition_id') }}

with conditions as (select * from {{ ref('int_conditions') }}),

positions as (select * from {{ ref('int_positions') }}),

redemptions as (select * from {{ ref('int_redemptions') }}),

-- No source tells when a condition was resolved. Nobody can redeem before, so the first redemption is the nearest sign;
-- without one, nobody could have traded as if it were open after the last event.
first_redemptions as (
    select
        condition_id,
        min(happened_at) as first_redeemed_at
    from redemptions
    where delta_shares != 0 or delta_usdc != 0
    group by condition_id
),

times as (
    select
        condition_id,
        max(last_at) as last_event_at
    from positions
    where event_count > 0
    group by condition_id
),

resolved as (
    select
        times.condition_id as condition_id,
        coalesce(first_redemptions.first_redeemed_at, times.last_event_at) as resolved_at,
        if(first_redemptions.first_redeemed_at is null, 'last_event', 'first_redemption') as resolved_at_basis
    from times
    left join first_redemptions on times.condition_id = first_redemptions.condition_id
    inner join conditions on times.condition_id = conditions.condition_id
    where conditions.is_resolved
)

select * from resolved
settings join_use_nulls = 1
