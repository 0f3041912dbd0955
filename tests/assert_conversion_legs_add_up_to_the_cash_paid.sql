-- The adapter pays (questions given up - 1) x shares; booking that by question must not make or lose a base unit.
with conversions as (
    select
        conversion_id,
        shares * (bitCount(index_set) - 1) as paid_usdc
    from {{ ref('stg_goldsky__neg_risk_conversions') }}
    order by conversion_id asc, loaded_at desc
    limit 1 by conversion_id
),

booked as (
    select
        conversion_id,
        sum(delta_usdc) as booked_usdc
    from {{ ref('int_conversions') }}
    group by conversion_id
)

select
    conversions.conversion_id,
    conversions.paid_usdc,
    booked.booked_usdc
from conversions
left join booked on conversions.conversion_id = booked.conversion_id
where conversions.paid_usdc != booked.booked_usdc
