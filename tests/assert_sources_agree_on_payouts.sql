-- Whoever reports a payout reports the same one: as parts of a dollar, outcome by outcome.
with vectors as (select * from {{ ref('int_payout_vectors') }})

select
    {{ hex_text('vectors.condition_id') }} as condition_id,
    vectors.source as source,
    vectors.payout_numerators as payout_numerators,
    other.source as other_source,
    other.payout_numerators as other_payout_numerators
from vectors
inner join vectors as other on vectors.condition_id = other.condition_id
where
    vectors.priority < other.priority
    and (
        length(vectors.payout_numerators) != length(other.payout_numerators)
        or arrayExists(
            (ours, theirs) -> ours * other.payout_denominator != theirs * vectors.payout_denominator,
            vectors.payout_numerators,
            arrayResize(other.payout_numerators, length(vectors.payout_numerators))
        )
    )
