-- Deduplication may drop copies, never a fill. Of V2 those count whose block is still in the chain, and V1 has its own.
(
    select id from {{ source('goldsky', 'order_filled_events') }}
    union all
    select id from {{ source('chain', 'order_filled_events_v2') }} final
    where
        is_deleted = 0
        and address not in (
            select address from {{ ref('int_system_addresses') }}
            where protocol = 'v1'
        )
)
except distinct
select fill_id as id from {{ ref('fct_fills') }}
