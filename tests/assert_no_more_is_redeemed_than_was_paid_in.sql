-- Redemptions are paid from the sets. More than those tells of history that is not loaded, or of rows that are lost.
{{ config(severity='warn') }}

select
    unit_kind,
    unit_id,
    collateral_usdc,
    redeemed_usdc
from {{ ref('audit_double_entry') }}
where status = 'overdrawn'
