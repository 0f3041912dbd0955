-- A time of resolution comes from somewhere, and only what is resolved has one.
select
    condition_id,
    is_resolved,
    resolved_at,
    resolved_at_basis
from {{ ref('vw_resolutions_truth') }}
where
    (resolved_at is null) != (resolved_at_basis is null)
    or (resolved_at is not null and not is_resolved)
