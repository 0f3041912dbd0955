with landed as (select * from {{ source('goldsky', 'conditions') }}),

-- Numerators come as integers (1), decimals (0.54) or integers of 10^18 scale. Moving every point to the right by
-- the longest fraction makes integers of them all, exactly and in the same proportion.
measured as (
    select
        *,
        arrayMax(
            arrayMap(n -> length(splitByChar('.', n)[2]), arrayPushBack(payout_numerators, payout_denominator))
        ) as fraction_digits
    from landed
),

scaled as (
    select
        *,
        arrayMap(n -> {{ decimal_as_integer('n', 'fraction_digits') }}, payout_numerators) as numerators,
        {{ decimal_as_integer('payout_denominator', 'fraction_digits') }} as given_denominator
    from measured
),

-- The denominator is the sum of the numerators where the source gives none.
typed as (
    select
        id as condition_id,
        position_ids as token_ids,
        numerators as payout_numerators,
        if(given_denominator > 0, given_denominator, arraySum(numerators)) as payout_denominator,
        _loaded_at as loaded_at
    from scaled
)

select * from typed
