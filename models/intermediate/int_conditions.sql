{{ config(order_by='condition_id') }}

with asked as (select * from {{ ref('stg_goldsky__conditions') }}),

-- A condition is asked again until it is resolved, and once more when corrected: the newest answer counts.
latest as (
    select * from asked
    order by condition_id asc, loaded_at desc
    limit 1 by condition_id
),

resolved as (
    select
        condition_id,
        token_ids,
        toBool(payout_denominator > 0) as is_resolved,
        payout_numerators,
        payout_denominator
    from latest
)

select * from resolved
