{{ config(materialized='view') }}

with entries as (select * from {{ ref('int_entries') }}),

redemptions as (select * from {{ ref('int_redemptions') }}),

fills as (select * from {{ ref('int_fills') }}),

landed as (select * from {{ ref('stg_goldsky__order_fills') }}),

tokens as (select * from {{ ref('int_tokens') }}),

-- Every copy that is landed, less every fill once. What one copy more would add is seen before fees.
copies as (
    select
        landed.wallet as wallet,
        if(landed.given_asset_id = 0, landed.received_asset_id, landed.given_asset_id) as token_id,
        sum(if(landed.given_asset_id = 0, landed.received_amount, -landed.given_amount)) as shares,
        sum(if(landed.given_asset_id = 0, -landed.given_amount, landed.received_amount)) as usdc
    from landed
    group by wallet, token_id
),

amounts as (
    select
        'copy' as kind,
        copies.wallet as wallet,
        tokens.condition_id as condition_id,
        tokens.outcome_index as outcome_index,
        copies.shares as shares,
        copies.usdc as usdc
    from copies
    inner join tokens on copies.token_id = tokens.token_id
    union all
    select
        mistake.1 as kind,
        wallet,
        nullIf(entries.condition_id, toFixedString('', 32)) as condition_id,
        nullIf(entries.outcome_index, 255) as outcome_index,
        mistake.2 as shares,
        mistake.3 as usdc
    from entries
    array join
        arrayFilter(m -> m.2 != 0 or m.3 != 0, if(
            entries.kind in (2, 3),
            [
                ('copy', -entries.shares, -fill_usdc),
                ('fee', fee_shares, fee_usdc),
                (
                    if(entries.kind = 3, 'taker row', ''),
                    entries.shares - fee_shares + leftover_shares,
                    fill_usdc - fee_usdc + leftover_usdc
                ),
                (
                    'fill', entries.shares - fee_shares + leftover_shares, fill_usdc - fee_usdc + leftover_usdc
                )
            ],
            -- None of these mistakes was about market makers.
            if(entries.kind = 0, [], [('set or conversion', entries.shares, other_usdc)])
        )) as mistake
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
        'redemption' as kind,
        wallet,
        toNullable(condition_id) as condition_id,
        toNullable(outcome_index) as outcome_index,
        delta_shares as shares,
        delta_usdc as usdc
    from redemptions
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
