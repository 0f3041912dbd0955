{{ config(severity='warn') }}

-- The order book keeps one of two fills of an order in one transaction; trades with market makers are not loaded.
select
    wallet,
    token_id
from {{ ref('audit_subgraph_positions') }}
where verdict = 'event_missing'
