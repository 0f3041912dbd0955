-- A join that finds two partners would add fills; a fill that nobody landed is one too many.
select fill_id from {{ ref('fct_fills') }}
except distinct
select id from {{ source('goldsky', 'order_filled_events') }}
