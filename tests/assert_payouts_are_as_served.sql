-- Outcome by outcome, the truth pays what the newest answer about the condition says.
with served as (
    select
        id,
        arrayMap(n -> toFloat64OrZero(n), payout_numerators) as numerators
    from {{ source('goldsky', 'conditions') }}
    order by id asc, _loaded_at desc
    limit 1 by id
),

expected as (
    select
        {{ hex_text('id') }} as condition_id,
        arrayMap(n -> n / arraySum(numerators), numerators) as payouts
    from served
)

select
    truth.condition_id,
    truth.payouts,
    expected.payouts as expected_payouts
from {{ ref('vw_resolutions_truth') }} as truth
inner join expected on truth.condition_id = expected.condition_id
where
    truth.source = 'pnl-subgraph'
    and (
        length(truth.payouts) != length(expected.payouts)
        or arrayExists(
            (ours, theirs) -> abs(toFloat64(ours) - theirs) > 1e-9,
            truth.payouts,
            arrayResize(expected.payouts, length(truth.payouts))
        )
    )
