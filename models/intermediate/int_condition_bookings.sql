{{ config(order_by='condition_id') }}

with events as (select * from {{ ref('int_position_events') }}),

fills as (select * from {{ ref('int_fills') }}),

wallet_conditions as (select * from {{ ref('int_wallet_conditions') }}),

-- A redemption pays out what is there and is no part of the balance: which shares left is inferred.
booked as (
    select
        assumeNotNull(events.condition_id) as condition_id,
        count() as event_rows,
        countIf(outcome_index is null) as unplaced_rows,
        sumIf(delta_shares, event_type != 'redemption' and outcome_index = 0) as shares_0,
        sumIf(delta_shares, event_type != 'redemption' and outcome_index = 1) as shares_1,
        sumIf(delta_usdc, event_type != 'redemption') as cash_usdc,
        sumIf(delta_usdc, event_type = 'redemption') as redeemed_usdc,
        min(happened_at) as first_at,
        max(happened_at) as last_at
    from events
    where events.condition_id is not null
    group by condition_id
),

charged as (
    select
        assumeNotNull(fills.condition_id) as condition_id,
        count() as fill_count,
        sumIf(fee_shares, outcome_index = 0) as fee_shares_0,
        sumIf(fee_shares, outcome_index = 1) as fee_shares_1,
        sum(fee_usdc) as fee_usdc,
        countIf(fills.leftover_usdc > 0 or fills.leftover_shares > 0) as leftover_count,
        sum(fills.leftover_usdc) as leftover_usdc,
        sum(fills.leftover_shares) as leftover_shares,
        countIf(not is_taker and match_type is null) as unmatched_fills,
        countIf(is_match_whole = 0) as broken_matches,
        countIf(is_taker and is_match_whole is null) as shared_matches
    from fills
    where fills.condition_id is not null
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

-- Where nothing was filled, nothing was charged: zero is known here.
bookings as (
    select
        booked.condition_id as condition_id,
        booked.* except (condition_id),
        charged.* except (condition_id),
        settled.settled_pnl_usdc as settled_pnl_usdc
    from booked
    left join charged on booked.condition_id = charged.condition_id
    left join settled on booked.condition_id = settled.condition_id
)

select * from bookings
settings join_use_nulls = 0
