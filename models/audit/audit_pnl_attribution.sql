{{ config(materialized='view') }}

with wallet_conditions as (select * from {{ ref('int_wallet_conditions') }}),

misread as (select * from {{ ref('int_misread_amounts') }}),

conditions as (select * from {{ ref('int_conditions') }}),

known as (
    select
        wallet_conditions.wallet as wallet,
        wallet_conditions.is_resolved as is_resolved,
        wallet_conditions.cash_usdc as cash_usdc,
        coalesce(wallet_conditions.settlement_usdc, 0) as settlement_usdc,
        coalesce(wallet_conditions.settled_pnl_usdc, 0) as settled_pnl_usdc,
        misread.* except (wallet, condition_id),
        conditions.payout_numerators[1] as numerator_0,
        conditions.payout_numerators[2] as numerator_1,
        conditions.payout_denominator as denominator
    from wallet_conditions
    left join misread
        on
            wallet_conditions.wallet = misread.wallet
            and wallet_conditions.condition_id = misread.condition_id
    left join conditions on wallet_conditions.condition_id = conditions.condition_id
),

-- What each amount would have added at payout.
valued as (
    select
        wallet,
        is_resolved,
        cash_usdc,
        settlement_usdc,
        settled_pnl_usdc,
        redeemed_usdc,
        {{ settle('copied_shares_0', 'numerator_0', 'denominator') }}
        + {{ settle('copied_shares_1', 'numerator_1', 'denominator') }} + copied_usdc as copies,
        {{ settle('fee_shares_0', 'numerator_0', 'denominator') }}
        + {{ settle('fee_shares_1', 'numerator_1', 'denominator') }} + fee_usdc as fees,
        {{ settle('taker_shares_0', 'numerator_0', 'denominator') }}
        + {{ settle('taker_shares_1', 'numerator_1', 'denominator') }} + taker_usdc as taker_rows,
        {{ settle('other_side_shares_0', 'numerator_0', 'denominator') }}
        + {{ settle('other_side_shares_1', 'numerator_1', 'denominator') }} + other_side_usdc as other_sides,
        {{ settle('set_shares_0', 'numerator_0', 'denominator') }}
        + {{ settle('set_shares_1', 'numerator_1', 'denominator') }} + set_usdc as sets,
        {{ settle('least(fill_shares_0, toDecimal128(0, 6))', 'numerator_0', 'denominator') }}
        + {{ settle('least(fill_shares_1, toDecimal128(0, 6))', 'numerator_1', 'denominator') }} as sold_unbought
    from known
),

-- What was redeemed is a part of what the shares paid: with the wrong sign it would have been taken off twice.
attributed as (
    select
        {{ hex_text('wallet') }} as wallet,
        sumIf(valued.settled_pnl_usdc, is_resolved) as settled_pnl_usdc,
        sumIf(cash_usdc - settlement_usdc - 2 * redeemed_usdc, is_resolved) as wrong_sign_usdc,
        sumIf(valued.settled_pnl_usdc + other_sides, is_resolved) as both_rows_credited_usdc,
        sumIf(valued.settled_pnl_usdc + copies, is_resolved) as duplicates_kept_usdc,
        sum(if(is_resolved, valued.settled_pnl_usdc, cash_usdc)) as unresolved_at_zero_usdc,
        sumIf(valued.settled_pnl_usdc + fees, is_resolved) as fees_ignored_usdc,
        sumIf(valued.settled_pnl_usdc - sets - sold_unbought, is_resolved) as splits_and_conversions_ignored_usdc,
        sumIf(valued.settled_pnl_usdc - taker_rows, is_resolved) as taker_rows_dropped_usdc
    from valued
    group by valued.wallet
)

select * from attributed
settings join_use_nulls = 0
