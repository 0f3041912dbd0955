{{ config(materialized='view') }}

with conditions as (select * from {{ ref('int_conditions') }}),

times as (select * from {{ ref('int_resolution_times') }}),

truth as (
    select
        {{ hex_text('conditions.condition_id') }} as condition_id,
        token_ids,
        -- Without the subgraph the tokens are not known, and the vector tells how many there are.
        greatest(length(token_ids), length(conditions.payout_numerators)) as outcome_count,
        is_resolved,
        if(is_resolved, conditions.payout_numerators, []) as payout_numerators,
        nullIf(conditions.payout_denominator, 0) as payout_denominator,
        arrayMap(
            n -> toDecimal128(toDecimal256(n, 18) / greatest(conditions.payout_denominator, toUInt256(1)), 18),
            payout_numerators
        ) as payouts,
        arrayMax(conditions.payout_numerators) as highest_numerator,
        if(
            is_resolved and countEqual(conditions.payout_numerators, highest_numerator) = 1,
            toUInt8(indexOf(conditions.payout_numerators, highest_numerator) - 1),
            null
        ) as winning_index,
        times.resolved_at as resolved_at,
        times.resolved_at_basis as resolved_at_basis,
        conditions.source as source
    from conditions
    left join times on conditions.condition_id = times.condition_id
)

select * except (highest_numerator) from truth
settings join_use_nulls = 1
