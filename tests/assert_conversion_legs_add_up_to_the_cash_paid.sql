-- The adapter pays (questions given up - 1) x shares; booking that by question must not make or lose a base unit, nor
-- a question.
with conversions as (
    select
        conversion_id,
        question_count,
        shares * (bitCount(index_set) - 1) as paid_usdc
    from {{ ref('stg_goldsky__neg_risk_conversions') }}
    order by conversion_id asc, loaded_at desc
    limit 1 by conversion_id
),

booked as (
    select
        conversion_id,
        count() as legs,
        sum(delta_usdc) as booked_usdc
    from {{ ref('int_conversions') }}
    group by conversion_id
)

select
    conversions.conversion_id,
    conversions.question_count,
    conversions.paid_usdc,
    booked.legs,
    booked.booked_usdc
from conversions
left join booked on conversions.conversion_id = booked.conversion_id
where
    coalesce(booked.legs, 0) != conversions.question_count
    or coalesce(booked.booked_usdc, 0) != conversions.paid_usdc
