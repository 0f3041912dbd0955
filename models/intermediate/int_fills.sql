{{ config(order_by=['wallet', 'token_id', 'filled_at', 'transaction_hash', 'order_hash']) }}

with landed as (select * from {{ ref('stg_goldsky__order_fills') }}),

refunds as (select * from {{ ref('stg_goldsky__fee_refunds') }}),

tokens as (select * from {{ ref('int_tokens') }}),

matches as (select * from {{ ref('int_matches') }}),

exchanges as (
    select address from {{ ref('int_system_addresses') }}
    where kind in ('ctf_exchange', 'neg_risk_exchange')
),

-- A window loaded twice lands its fills twice; the newest copy wins.
fills as (
    select * from landed
    order by transaction_hash asc, order_hash asc, loaded_at desc
    limit 1 by transaction_hash, order_hash
),

once_refunded as (
    select * from refunds
    order by refund_id asc, loaded_at desc
    limit 1 by refund_id
),

refunded as (
    select
        transaction_hash,
        order_hash,
        sum(refunded_amount) as refunded_amount
    from once_refunded
    group by transaction_hash, order_hash
),

-- Every row is one fill of the order's owner. Asset 0 is collateral, so an owner who gives it is buying.
-- The fee is taken from what the owner receives: shares of a buyer, collateral of a seller.
sided as (
    select
        fills.transaction_hash as transaction_hash,
        fills.order_hash as order_hash,
        fills.filled_at as filled_at,
        fills.wallet as wallet,
        nullIf(fills.counterparty, toFixedString('', 20)) as counterparty,
        fills.counterparty in (select address from exchanges) as is_taker,
        matches.exchange as exchange,
        matches.is_taker_buy as is_taker_buy,
        if(is_taker, matches.is_whole, null) as is_match_whole,
        if(is_taker, coalesce(matches.leftover_usdc, 0), 0) as leftover_usdc,
        if(is_taker, coalesce(matches.leftover_shares, 0), 0) as leftover_shares,
        fills.given_asset_id = 0 as is_buy,
        if(is_buy, fills.received_asset_id, fills.given_asset_id) as token_id,
        if(is_buy, fills.received_amount, fills.given_amount) as shares,
        if(is_buy, fills.given_amount, fills.received_amount) as usdc,
        fills.fee_amount - coalesce(refunded.refunded_amount, 0) as net_fee
    from fills
    left join matches on fills.transaction_hash = matches.transaction_hash
    left join refunded
        on
            fills.transaction_hash = refunded.transaction_hash
            and fills.order_hash = refunded.order_hash
),

signed as (
    select
        sided.* except (net_fee, is_taker_buy),
        multiIf(
            is_taker or is_taker_buy is null, null,
            is_buy != is_taker_buy, 'complementary',
            is_buy, 'mint',
            'merge'
        ) as match_type,
        tokens.condition_id as condition_id,
        tokens.outcome_index as outcome_index,
        if(is_buy, net_fee, toDecimal128(0, 6)) as fee_shares,
        if(is_buy, toDecimal128(0, 6), net_fee) as fee_usdc,
        -- Shares at the fill's price. The product has twelve decimals, so it is rounded once.
        fee_usdc + if(shares = 0, 0, toDecimal128(toDecimal256(fee_shares, 6) * usdc / shares, 6)) as fee_value_usdc,
        -- A taker's leftover was given and came back, outside of the row.
        if(is_buy, shares - fee_shares, -shares) + leftover_shares as delta_shares,
        if(is_buy, -usdc, usdc - fee_usdc) + leftover_usdc as delta_usdc
    from sided
    left join tokens on sided.token_id = tokens.token_id
)

select * from signed
settings join_use_nulls = 1
