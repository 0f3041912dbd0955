{{ config(order_by='condition_id') }}

with positions as (select * from {{ ref('int_positions') }}),

entries as (select * from {{ ref('int_entries') }}),

redemptions as (select * from {{ ref('int_redemptions') }}),

wallet_conditions as (select * from {{ ref('int_wallet_conditions') }}),

held as (
    select
        condition_id,
        sum(positions.event_count) as event_rows,
        sumIf(positions.event_count, outcome_index = 255) as unplaced_rows,
        sumIf(positions.shares - positions.unmatched_shares, outcome_index = 0) as open_shares_0,
        sumIf(positions.shares - positions.unmatched_shares, outcome_index = 1) as open_shares_1,
        sum(positions.cash_usdc) as all_cash_usdc,
        min(positions.first_at) as first_at,
        max(positions.last_at) as last_at,
        sum(positions.fill_count) as fill_count
    from positions
    where positions.event_count > 0 and condition_id != toFixedString('', 32)
    group by condition_id
),

redeemed as (
    select
        condition_id,
        sumIf(delta_shares, outcome_index = 0) as redeemed_shares_0,
        sumIf(delta_shares, outcome_index = 1) as redeemed_shares_1,
        sum(delta_usdc) as redeemed_usdc
    from redemptions
    group by condition_id
),

-- Most events have nothing of this.
charged as (
    select
        condition_id,
        sumIf(entries.fee_shares, outcome_index = 0) as fee_shares_0,
        sumIf(entries.fee_shares, outcome_index = 1) as fee_shares_1,
        sum(entries.fee_usdc) as fee_usdc,
        countIf(entries.leftover_usdc > 0 or entries.leftover_shares > 0) as leftover_count,
        sum(entries.leftover_usdc) as leftover_usdc,
        sum(entries.leftover_shares) as leftover_shares,
        countIf(match_problem = 'no taker') as unmatched_fills,
        countIf(match_problem = 'broken') as broken_matches,
        countIf(match_problem = 'shared') as shared_matches
    from entries
    where
        entries.fee_shares != 0
        or entries.fee_usdc != 0
        or entries.leftover_usdc != 0
        or entries.leftover_shares != 0
        or match_problem != ''
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

-- A redemption pays out what is there and is no part of the balance: which shares left is inferred.
bookings as (
    select
        held.condition_id as condition_id,
        event_rows,
        unplaced_rows,
        open_shares_0 - redeemed_shares_0 as shares_0,
        open_shares_1 - redeemed_shares_1 as shares_1,
        all_cash_usdc - redeemed_usdc as cash_usdc,
        redeemed_usdc,
        first_at,
        last_at,
        fill_count,
        charged.* except (condition_id),
        settled.settled_pnl_usdc as settled_pnl_usdc
    from held
    left join redeemed on held.condition_id = redeemed.condition_id
    left join charged on held.condition_id = charged.condition_id
    left join settled on held.condition_id = settled.condition_id
)

select * from bookings
settings join_use_nulls = 0
