with landed as (select * from {{ source('files', 'file_payouts') }}),

-- As in stg_goldsky__conditions: every point moves to the right by the longest fraction.
measured as (
    select
        *,
        arrayMax(arrayMap(n -> length(splitByChar('.', n)[2]), payouts)) as fraction_digits
    from landed
),

typed as (
    select
        condition_id,
        arrayMap(n -> {{ decimal_as_integer('n', 'fraction_digits') }}, payouts) as payout_numerators,
        arraySum(payout_numerators) as payout_denominator,
        resolved_at,
        _loaded_at as loaded_at
    from measured
)

select * from typed
