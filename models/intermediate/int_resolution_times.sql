{{ config(order_by='condition_id') }}

with conditions as (select * from {{ ref('int_conditions') }}),

vectors as (select * from {{ ref('int_payout_vectors') }}),

positions as (select * from {{ ref('int_positions') }}),

redemptions as (select * from {{ ref('int_redemptions') }}),

reported as (
    select
        condition_id,
        argMin(vectors.resolved_at, priority) as reported_at,
        argMin(if(source = 'chain', 'resolution_log', source), priority) as reported_by
    from vectors
    where vectors.resolved_at is not null
    group by condition_id
),

-- Where no source tells when a condition was resolved: nobody can redeem before, so the first redemption is the nearest
-- sign; without one, nobody could have traded as if it were open after the last event.
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
        conditions.condition_id as condition_id,
        coalesce(
            reported.reported_at, first_redemptions.first_redeemed_at, times.last_event_at
        ) as known_at,
        multiIf(
            reported.reported_at is not null, reported.reported_by,
            first_redemptions.first_redeemed_at is null, 'last_event',
            'first_redemption'
        ) as basis
    from conditions
    left join reported on conditions.condition_id = reported.condition_id
    left join first_redemptions on conditions.condition_id = first_redemptions.condition_id
    left join times on conditions.condition_id = times.condition_id
    where conditions.is_resolved
),

dated as (
    select
        condition_id,
        assumeNotNull(known_at) as resolved_at,
        assumeNotNull(basis) as resolved_at_basis
    from resolved
    where known_at is not null
)

select * from dated
settings join_use_nulls = 1
