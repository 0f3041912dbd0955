{{ config(order_by='condition_id') }}

with bookings as (select * from {{ ref('int_condition_bookings') }}),

sets as (select * from {{ ref('int_condition_sets') }}),

units as (select * from {{ ref('int_units') }}),

conditions as (select * from {{ ref('int_conditions') }}),

-- Sets that were landed and are in no wallet's book must show too.
both_sides as (
    select
        condition_id,
        bookings.* except (condition_id),
        sets.* except (condition_id)
    from bookings
    full outer join sets using (condition_id)
),

known as (
    select
        both_sides.condition_id as condition_id,
        both_sides.* except (condition_id),
        units.unit_kind as unit_kind,
        units.unit_id as unit_id,
        units.place as place,
        conditions.is_resolved as is_resolved,
        conditions.payout_numerators[1] as numerator_0,
        conditions.payout_numerators[2] as numerator_1,
        conditions.payout_denominator as denominator
    from both_sides
    inner join units on both_sides.condition_id = units.condition_id
    left join conditions on both_sides.condition_id = conditions.condition_id
),

-- Fees left the wallets and not the balance; what market makers hold is in no wallet's book. Every set is one share of
-- each outcome for one USDC. A conversion wins and loses nothing if one of its questions was YES, and only one.
balances as (
    select
        condition_id,
        unit_kind,
        unit_id,
        place,
        is_resolved,
        first_at,
        last_at,
        event_rows,
        fill_count,
        unplaced_rows,
        unmatched_fills,
        broken_matches,
        shared_matches,
        leftover_count,
        leftover_usdc,
        leftover_shares,
        fee_shares_0,
        fee_shares_1,
        fee_usdc,
        split_sets,
        merged_sets,
        exchange_minted_sets,
        exchange_merged_sets,
        amm_minted_sets,
        amm_merged_sets,
        pool_count,
        converted_shares,
        conversion_usdc,
        net_sets - conversion_usdc as collateral_usdc,
        redeemed_usdc,
        settled_pnl_usdc,
        shares_0 + fee_shares_0 as gross_shares_0,
        shares_1 + fee_shares_1 as gross_shares_1,
        cash_usdc + fee_usdc as gross_usdc,
        gross_shares_0 + pooled_shares_0 - net_sets - converted_yes_shares as remainder_0,
        gross_shares_1 + pooled_shares_1 - net_sets + converted_no_shares as remainder_1,
        gross_usdc + pooled_usdc + net_sets - conversion_usdc as remainder_usdc,
        fee_usdc
        + {{ settle('fee_shares_0', 'numerator_0', 'denominator') }}
        + {{ settle('fee_shares_1', 'numerator_1', 'denominator') }} as fees_at_payout_usdc,
        {{ settle('converted_yes_shares + converted_no_shares', 'numerator_0', 'denominator') }}
        - converted_shares as conversion_gain_usdc
    from known
)

select * from balances
settings join_use_nulls = 0
