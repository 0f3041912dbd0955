-- A figure from elsewhere that can be compared, with a limit of its own, is not farther off than that.
select
    wallet,
    figure,
    expected_usdc,
    actual_usdc,
    variance_percent,
    error_percent
from {{ ref('audit_baselines') }}
where verdict = 'fail'
