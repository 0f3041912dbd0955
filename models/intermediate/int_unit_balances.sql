{{ config(materialized='view') }}

with balances as (select * from {{ ref('int_condition_balances') }}),

summed as (
    select
        unit_kind,
        unit_id,
        count() as condition_count,
        toBool(min(balances.is_resolved)) as is_resolved,
        minOrNullIf(balances.first_at, balances.event_rows > 0) as first_at,
        maxOrNullIf(balances.last_at, balances.event_rows > 0) as last_at,
        sum(balances.event_rows) as event_rows,
        sum(balances.fill_count) as fill_count,
        sum(balances.unplaced_rows) as unplaced_rows,
        sum(balances.unmatched_fills) as unmatched_fills,
        sum(balances.broken_matches) as broken_matches,
        sum(balances.shared_matches) as shared_matches,
        sum(balances.leftover_count) as leftover_count,
        sum(balances.leftover_usdc) as leftover_usdc,
        sum(balances.leftover_shares) as leftover_shares,
        arraySort(groupArray((
            balances.place, [gross_shares_0, gross_shares_1], [fee_shares_0, fee_shares_1], [remainder_0, remainder_1]
        ))) as places,
        sum(gross_usdc) as cash_usdc,
        sum(balances.fee_usdc) as fee_usdc,
        sum(balances.split_sets) as split_sets,
        sum(balances.merged_sets) as merged_sets,
        sum(balances.exchange_minted_sets) as exchange_minted_sets,
        sum(balances.exchange_merged_sets) as exchange_merged_sets,
        sum(balances.amm_minted_sets) as amm_minted_sets,
        sum(balances.amm_merged_sets) as amm_merged_sets,
        sum(balances.pool_count) as pool_count,
        sum(balances.converted_shares) as converted_shares,
        sum(balances.conversion_usdc) as conversion_usdc,
        sum(balances.collateral_usdc) as collateral_usdc,
        sum(balances.redeemed_usdc) as redeemed_usdc,
        sum(balances.remainder_usdc) as remainder_usdc,
        sum(balances.settled_pnl_usdc) as settled_pnl_usdc,
        sum(balances.fees_at_payout_usdc) as fees_at_payout_usdc,
        sum(balances.conversion_gain_usdc) as conversion_gain_usdc
    from balances
    group by unit_kind, unit_id
),

-- One value for each outcome of each question, in order. Before all is resolved nothing is settled.
unit_balances as (
    select
        * except (places, settled_pnl_usdc, fees_at_payout_usdc, conversion_gain_usdc),
        arrayFlatten(places.2) as shares,
        arrayFlatten(places.3) as fee_shares,
        arrayFlatten(places.4) as remainder_shares,
        if(is_resolved, summed.settled_pnl_usdc, null) as settled_pnl_usdc,
        if(is_resolved, summed.fees_at_payout_usdc, null) as fees_at_payout_usdc,
        if(is_resolved, summed.conversion_gain_usdc, null) as conversion_gain_usdc
    from summed
)

select * from unit_balances
