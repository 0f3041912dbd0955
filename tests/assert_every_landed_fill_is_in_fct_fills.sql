-- Deduplication may drop copies, never a fill.
select id from {{ source('goldsky', 'order_filled_events') }}
except distinct
select fill_id from {{ ref('fct_fills') }}
