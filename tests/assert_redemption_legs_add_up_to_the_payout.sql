-- What was paid out is booked whole, whatever is inferred about the shares that left.
with redemptions as (
    select
        redemption_id,
        payout_usdc
    from {{ ref('stg_goldsky__redemptions') }}
    where condition_id in (select condition_id from {{ ref('int_markets') }})
    order by redemption_id asc, loaded_at desc
    limit 1 by redemption_id
),

booked as (
    select
        redemption_id,
        sum(delta_usdc) as booked_usdc
    from {{ ref('int_redemptions') }}
    group by redemption_id
)

select
    redemptions.redemption_id,
    redemptions.payout_usdc,
    booked.booked_usdc
from redemptions
left join booked on redemptions.redemption_id = booked.redemption_id
where redemptions.payout_usdc != coalesce(booked.booked_usdc, 0)
