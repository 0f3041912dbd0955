-- A figure from elsewhere that can be compared is within the warning (5 %), whatever its limit.
{{ config(severity='warn') }}

select
    wallet,
    figure,
    expected_usdc,
    actual_usdc,
    variance_percent,
    warn_percent
from {{ ref('audit_baselines') }}
where verdict != 'not_checked' and abs(variance_usdc) * 100 > abs(expected_usdc) * warn_percent
