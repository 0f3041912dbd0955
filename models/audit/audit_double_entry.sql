{{ config(order_by=['unit_kind', 'unit_id']) }}
{%- set v1_start = "toDateTime('" ~ var('v1_era_start') ~ "', 'UTC')" %}

with balances as (select * from {{ ref('int_unit_balances') }}),

loaded as (select * from {{ ref('int_loaded_spans') }}),

everything as (
    select groupArray((entity, since, until)) as spans from loaded
    where scope = ''
),

-- Each row of an event may be rounded by one base unit.
measured as (
    select
        *,
        {{ from_base_units('event_rows') }} as dust_usdc,
        settled_pnl_usdc + fees_at_payout_usdc - conversion_gain_usdc as settled_remainder_usdc,
        arrayFilter(
            entity -> not arrayExists(
                span -> span.1 = entity and span.2 <= balances.first_at and span.3 > balances.last_at,
                (select spans from everything)
            ),
            if(unit_kind = 'event', ['NegRiskConversion'], [])
            || if(pool_count > 0, ['FpmmTransaction', 'FpmmFundingAddition', 'FpmmFundingRemoval'], [])
            || ['OrderFilledEvent', 'Split', 'Merge', 'Redemption']
        ) as not_loaded,
        -- Automated market makers never had shares of neg-risk events, so no history of theirs is older than V1.
        unit_kind = 'event' and arrayAll(
            entity -> arrayExists(
                span -> span.1 = entity and span.2 <= {{ v1_start }} and span.3 > balances.last_at,
                (select spans from everything)
            ),
            ['OrderFilledEvent', 'Split', 'Merge', 'NegRiskConversion']
        ) as is_all_history
    from balances
),

-- What cannot be judged is told apart from what is wrong.
judged as (
    select
        *,
        arrayMax(arrayMap(s -> abs(s), remainder_shares)) as most_shares,
        multiIf(
            first_at is not null and notEmpty(not_loaded),
            concat(arrayStringConcat(not_loaded, ', '), ' of all wallets not loaded from first to last event'),
            unmatched_fills > 0,
            concat(toString(unmatched_fills), ' fills without a taker row in their transaction'),
            unplaced_rows > 0,
            concat(toString(unplaced_rows), ' fills whose outcome is not known: run polyledger load payouts'),
            null
        ) as obstacle,
        multiIf(
            most_shares > dust_usdc,
            concat('shares differ from the sets by up to ', toString(most_shares)),
            abs(remainder_usdc) > dust_usdc,
            concat('cash differs from what the sets cost by ', toString(remainder_usdc)),
            coalesce(abs(settled_remainder_usdc) > dust_usdc, false),
            concat('settled P&L of all wallets differs from the fees by ', toString(settled_remainder_usdc)),
            is_all_history and redeemed_usdc > collateral_usdc + dust_usdc,
            concat('more was redeemed than was paid in, by ', toString(redeemed_usdc - collateral_usdc)),
            null
        ) as difference
    from measured
),

entries as (
    select
        unit_kind,
        {{ hex_text('unit_id') }} as unit_id,
        multiIf(
            obstacle is not null or (difference is not null and shared_matches > 0), 'partial',
            difference is not null, 'unbalanced',
            redeemed_usdc > collateral_usdc + dust_usdc, 'overdrawn',
            'balanced'
        ) as status,
        multiIf(
            obstacle is not null, obstacle,
            difference is not null and shared_matches > 0,
            concat(difference, '; takers share a transaction, so what each got back cannot be told'),
            difference is not null and broken_matches > 0,
            concat(difference, '; ', toString(broken_matches), ' taker rows do not agree with their maker rows'),
            difference is not null, difference,
            status = 'overdrawn', 'more was redeemed than is known to be paid in: earlier history is missing',
            null
        ) as reason,
        condition_count,
        is_resolved,
        first_at,
        last_at,
        event_rows,
        fill_count,
        toBool(empty(not_loaded)) as is_loaded,
        unmatched_fills,
        broken_matches,
        shared_matches,
        shares,
        cash_usdc,
        fee_shares,
        fee_usdc,
        split_sets,
        merged_sets,
        exchange_minted_sets,
        exchange_merged_sets,
        amm_minted_sets,
        amm_merged_sets,
        converted_shares,
        conversion_usdc,
        collateral_usdc,
        redeemed_usdc,
        leftover_count,
        leftover_usdc,
        leftover_shares,
        remainder_shares,
        remainder_usdc,
        dust_usdc,
        settled_pnl_usdc,
        fees_at_payout_usdc,
        conversion_gain_usdc,
        settled_remainder_usdc
    from judged
)

select * from entries
