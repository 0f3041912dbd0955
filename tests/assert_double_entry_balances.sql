-- Over all wallets, shares and cash cancel out against the sets minted and merged, and all of them together won minus
-- the fees: in every condition and neg-risk event that is loaded whole.
select
    unit_kind,
    unit_id,
    reason
from {{ ref('audit_double_entry') }}
where status = 'unbalanced'
