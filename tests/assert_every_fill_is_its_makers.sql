-- A row is a fill of the wallet in `maker`, and of nobody else.
select
    transaction_hash,
    order_hash,
    maker
from {{ source('goldsky', 'order_filled_events') }}
except distinct
select
    transaction_hash,
    order_hash,
    wallet
from {{ ref('int_fills') }}
