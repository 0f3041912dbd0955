{{ config(materialized='view') }}

with events as (select * from {{ ref('int_position_events') }}),

fills as (select * from {{ ref('int_fills') }}),

landed as (select * from {{ ref('stg_goldsky__order_fills') }}),

tokens as (select * from {{ ref('int_tokens') }}),

-- Every copy that is landed, less every fill once. What one copy more would add is seen before fees.
copies as (
    select
        landed.wallet as wallet,
        landed.given_asset_id = 0 as is_buy,
        if(is_buy, landed.received_asset_id, landed.given_asset_id) as token_id,
        if(is_buy, landed.received_amount, -landed.given_amount) as shares,
        if(is_buy, -landed.given_amount, landed.received_amount) as usdc
    from landed
    union all
    select
        fills.wallet as wallet,
        fills.is_buy as is_buy,
        fills.token_id as token_id,
        if(fills.is_buy, -fills.shares, fills.shares) as shares,
        if(fills.is_buy, fills.usdc, -fills.usdc) as usdc
    from fills
),

extra as (
    select
        wallet,
        token_id,
        sum(copies.shares) as shares,
        sum(copies.usdc) as usdc
    from copies
    group by wallet, token_id
    having shares != 0 or usdc != 0
),

amounts as (
    select
        'copy' as kind,
        extra.wallet as wallet,
        tokens.condition_id as condition_id,
        tokens.outcome_index as outcome_index,
        extra.shares as shares,
        extra.usdc as usdc
    from extra
    inner join tokens on extra.token_id = tokens.token_id
    union all
    select
        'fee' as kind,
        wallet,
        condition_id,
        outcome_index,
        fee_shares as shares,
        fee_usdc as usdc
    from fills
    union all
    select
        'taker row' as kind,
        wallet,
        condition_id,
        outcome_index,
        delta_shares as shares,
        delta_usdc as usdc
    from fills
    where is_taker
    union all
    select
        'other side' as kind,
        assumeNotNull(counterparty) as wallet,
        condition_id,
        outcome_index,
        if(is_buy, -fills.shares, fills.shares) as shares,
        if(is_buy, fills.usdc, -fills.usdc) as usdc
    from fills
    where not is_taker and counterparty is not null
    union all
    select
        if(event_type in ('fill', 'redemption'), event_type, 'set or conversion') as kind,
        wallet,
        condition_id,
        outcome_index,
        delta_shares as shares,
        delta_usdc as usdc
    from events
),

misread as (
    select
        wallet,
        assumeNotNull(amounts.condition_id) as condition_id,
        sumIf(amounts.shares, kind = 'copy' and outcome_index = 0) as copied_shares_0,
        sumIf(amounts.shares, kind = 'copy' and outcome_index = 1) as copied_shares_1,
        sumIf(amounts.usdc, kind = 'copy') as copied_usdc,
        sumIf(amounts.shares, kind = 'fee' and outcome_index = 0) as fee_shares_0,
        sumIf(amounts.shares, kind = 'fee' and outcome_index = 1) as fee_shares_1,
        sumIf(amounts.usdc, kind = 'fee') as fee_usdc,
        sumIf(amounts.shares, kind = 'taker row' and outcome_index = 0) as taker_shares_0,
        sumIf(amounts.shares, kind = 'taker row' and outcome_index = 1) as taker_shares_1,
        sumIf(amounts.usdc, kind = 'taker row') as taker_usdc,
        sumIf(amounts.shares, kind = 'other side' and outcome_index = 0) as other_side_shares_0,
        sumIf(amounts.shares, kind = 'other side' and outcome_index = 1) as other_side_shares_1,
        sumIf(amounts.usdc, kind = 'other side') as other_side_usdc,
        sumIf(amounts.shares, kind = 'set or conversion' and outcome_index = 0) as set_shares_0,
        sumIf(amounts.shares, kind = 'set or conversion' and outcome_index = 1) as set_shares_1,
        sumIf(amounts.usdc, kind = 'set or conversion') as set_usdc,
        sumIf(amounts.shares, kind = 'fill' and outcome_index = 0) as fill_shares_0,
        sumIf(amounts.shares, kind = 'fill' and outcome_index = 1) as fill_shares_1,
        sumIf(amounts.usdc, kind = 'redemption') as redeemed_usdc
    from amounts
    where amounts.condition_id is not null
    group by wallet, condition_id
)

select * from misread
