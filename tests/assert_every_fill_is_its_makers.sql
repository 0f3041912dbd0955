-- A row is a fill of the wallet in `maker`, and of nobody else.
with landed as (
    select
        transaction_hash,
        order_hash,
        maker
    from {{ source('goldsky', 'order_filled_events') }}
    union all
    select
        transaction_hash,
        order_hash,
        maker
    from {{ source('chain', 'order_filled_events_v2') }} final
    where
        is_deleted = 0
        and address not in (
            select address from {{ ref('int_system_addresses') }}
            where protocol = 'v1'
        )
)

select * from landed
except distinct
select
    transaction_hash,
    order_hash,
    wallet
from {{ ref('int_fills') }}
