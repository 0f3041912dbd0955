{{ config(materialized='view') }}

with conditions as (select * from {{ ref('int_conditions') }}),

truth as (
    select
        {{ hex_text('conditions.condition_id') }} as condition_id,
        token_ids,
        length(token_ids) as outcome_count,
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
        -- The subgraph has no time of resolution; other sources will fill these.
        cast(null, 'Nullable(DateTime(\'UTC\'))') as resolved_at,
        cast(null, 'Nullable(String)') as resolved_at_basis,
        'pnl-subgraph' as source
    from conditions
)

select * except (highest_numerator) from truth
