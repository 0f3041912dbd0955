-- The winner is inside the vector and alone at its top; a tie and an unresolved condition have none.
select
    condition_id,
    payout_numerators,
    winning_index
from {{ ref('vw_resolutions_truth') }}
where
    winning_index >= outcome_count
    or payout_numerators[winning_index + 1] != arrayMax(payout_numerators)
    or (winning_index is not null) != (is_resolved and countEqual(payout_numerators, arrayMax(payout_numerators)) = 1)
