-- Who sold what was never bought has a history that is not loaded, or got the shares by transfer.
{{ config(severity='warn') }}

select
    wallet,
    condition_id,
    open_shares
from {{ ref('fct_realized_pnl_by_market') }}
where arrayExists(s -> s < 0, open_shares)
