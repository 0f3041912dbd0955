{{ config(order_by='condition_id') }}

with positions as (select * from {{ ref('int_positions') }}),

wallet_conditions as (select * from {{ ref('int_wallet_conditions') }}),

-- A redemption pays out what is there and is no part of the balance: which shares left is inferred.
booked as (
    select
        condition_id,
        sum(positions.event_count) as event_rows,
        sumIf(positions.event_count, outcome_index = 255) as unplaced_rows,
        sumIf(positions.open_shares - positions.redeemed_shares, outcome_index = 0) as shares_0,
        sumIf(positions.open_shares - positions.redeemed_shares, outcome_index = 1) as shares_1,
        sum(positions.cash_usdc - positions.redeemed_usdc) as cash_usdc,
        sum(positions.redeemed_usdc) as redeemed_usdc,
        min(positions.first_at) as first_at,
        max(positions.last_at) as last_at,
        sum(positions.fill_count) as fill_count,
        sumIf(positions.fee_shares, outcome_index = 0) as fee_shares_0,
        sumIf(positions.fee_shares, outcome_index = 1) as fee_shares_1,
        sum(positions.fee_usdc) as fee_usdc,
        sum(positions.leftover_count) as leftover_count,
        sum(positions.leftover_usdc) as leftover_usdc,
        sum(positions.leftover_shares) as leftover_shares,
        sum(positions.unmatched_fills) as unmatched_fills,
        sum(positions.broken_matches) as broken_matches,
        sum(positions.shared_matches) as shared_matches
    from positions
    where positions.event_count > 0 and condition_id != toFixedString('', 32)
    group by condition_id
),

settled as (
    select
        assumeNotNull(wallet_conditions.condition_id) as condition_id,
        sum(wallet_conditions.settled_pnl_usdc) as settled_pnl_usdc
    from wallet_conditions
    where wallet_conditions.condition_id is not null
    group by condition_id
),

bookings as (
    select
        booked.*,
        settled.settled_pnl_usdc as settled_pnl_usdc
    from booked
    left join settled on booked.condition_id = settled.condition_id
)

select * from bookings
settings join_use_nulls = 0
