-- A fill that nobody landed is one too many. (One that is here twice, as after a join that finds two partners, fails
-- the test that its id is unique.)
select fill_id from {{ ref('fct_fills') }}
except distinct
(
    select id from {{ source('goldsky', 'order_filled_events') }}
    union all
    select id from {{ source('chain', 'order_filled_events_v2') }}
)
