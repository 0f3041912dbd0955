{{ config(order_by='condition_id', indexes=text_index('condition_id')) }}

with conditions as (select * from {{ ref('int_conditions') }}),

prices as (select * from {{ ref('int_token_prices') }}),

known as (
    select
        condition_id,
        is_resolved,
        payout_numerators,
        payout_denominator,
        [] as last_trades
    from conditions
    union all
    select
        condition_id,
        false as is_resolved,
        [] as payout_numerators,
        toUInt256(0) as payout_denominator,
        [(outcome_index, last_shares, last_usdc)] as last_trades
    from prices
),

condition_values as (
    select
        condition_id,
        toBool(max(known.is_resolved)) as is_resolved,
        groupArrayArray(known.payout_numerators) as payout_numerators,
        max(known.payout_denominator) as payout_denominator,
        cast(
            arraySort(groupArrayArray(known.last_trades)),
            'Array(Tuple(outcome_index UInt8, last_shares Decimal(38, 6), last_usdc Decimal(38, 6)))'
        ) as last_trades
    from known
    group by condition_id
)

select * from condition_values
