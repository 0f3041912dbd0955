{{ config(order_by='condition_id') }}

with conditions as (select * from {{ ref('int_conditions') }}),

events as (select * from {{ ref('int_position_events') }}),

-- No source tells when a condition was resolved. Nobody can redeem before, so the first redemption is the nearest sign;
-- without one, nobody could have traded as if it were open after the last event.
times as (
    select
        assumeNotNull(condition_id) as condition_id,
        minOrNullIf(happened_at, event_type = 'redemption') as first_redeemed_at,
        max(happened_at) as last_event_at
    from events
    where events.condition_id is not null
    group by condition_id
),

resolved as (
    select
        times.condition_id as condition_id,
        coalesce(first_redeemed_at, last_event_at) as resolved_at,
        if(first_redeemed_at is null, 'last_event', 'first_redemption') as resolved_at_basis
    from times
    inner join conditions on times.condition_id = conditions.condition_id
    where conditions.is_resolved
)

select * from resolved
