-- Polymarket's own record is what our replay comes to, or the reason is known.
select
    wallet,
    token_id
from {{ ref('audit_subgraph_positions') }}
where verdict = 'unexplained'
