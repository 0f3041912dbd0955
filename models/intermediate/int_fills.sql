{{ config(materialized='view') }}

with landed as (select * from {{ ref('stg_goldsky__order_fills') }}),

refunds as (select * from {{ ref('stg_goldsky__fee_refunds') }}),

moved as (select * from {{ ref('int_moved_fills') }}),

tokens as (select * from {{ ref('int_tokens') }}),

exchanges as (select * from {{ ref('int_system_addresses') }}),

-- Of the copies of a fill, `final` below leaves the newest. The row of a taker's order names the exchange as its
-- counterparty, and no other row does. Asset 0 is collateral, so an owner who gives it is buying.
sided as (
    select
        transaction_hash,
        order_hash,
        filled_at,
        wallet,
        counterparty,
        multiIf(
            counterparty in (
                select address from exchanges
                where kind = 'ctf_exchange'
            ), 'ctf',
            counterparty in (
                select address from exchanges
                where kind = 'neg_risk_exchange'
            ), 'neg_risk',
            ''
        ) as named_exchange,
        named_exchange != '' as is_taker,
        given_asset_id = 0 as is_buy,
        if(is_buy, received_asset_id, given_asset_id) as token_id,
        if(is_buy, received_amount, given_amount) as shares,
        if(is_buy, given_amount, received_amount) as usdc,
        fee_amount
    from landed
    where (transaction_hash, order_hash, filled_at) not in (
        select
            transaction_hash,
            order_hash,
            filled_at
        from moved
    )
),

transactions as (
    select
        *,
        countIf(is_taker) over in_transaction as taker_count,
        minIf(named_exchange, is_taker) over in_transaction as first_exchange,
        maxIf(named_exchange, is_taker) over in_transaction as last_exchange,
        minIf(is_buy, is_taker) over in_transaction as all_takers_buy,
        maxIf(is_buy, is_taker) over in_transaction as any_taker_buys,
        countIf(not is_taker) over in_transaction as maker_count,
        minIf(counterparty, not is_taker) over in_transaction as first_counterparty,
        maxIf(counterparty, not is_taker) over in_transaction as last_counterparty,
        sumIf(shares, not is_taker and is_buy) over in_transaction as bought_shares,
        sumIf(usdc, not is_taker and is_buy) over in_transaction as bought_usdc,
        sumIf(shares, not is_taker and not is_buy) over in_transaction as sold_shares,
        sumIf(usdc, not is_taker and not is_buy) over in_transaction as sold_usdc
    from sided
    window in_transaction as (partition by filled_at, transaction_hash)
),

-- Makers on the other side trade with the taker at their price. With those on the same side the exchange mints sets
-- for two buyers, or merges them for two sellers, at one USDC a set: the taker pays, or gets, what they leave of it.
measured as (
    select
        *,
        if(taker_count > 0 and all_takers_buy = any_taker_buys, toNullable(any_taker_buys), null) as is_taker_buy,
        is_taker and taker_count = 1 as is_only_taker,
        bought_shares + sold_shares as maker_shares,
        if(is_buy, sold_usdc + bought_shares - bought_usdc, bought_usdc + sold_shares - sold_usdc) as maker_usdc,
        if(is_buy, usdc - maker_usdc, shares - maker_shares) as excess,
        if(is_buy, shares = maker_shares, usdc = maker_usdc) as is_received_from_makers,
        maker_count > 0 and first_counterparty = wallet and last_counterparty = wallet as is_makers_counterparty
    from transactions
),

-- What the taker received came from these makers and from nobody else, so all of them are here; then what they did not
-- take of what the taker gave went back. With several taker orders in one transaction nobody can tell whose it was.
matched as (
    select
        transaction_hash,
        order_hash,
        filled_at,
        wallet,
        nullIf(counterparty, toFixedString('', 20)) as counterparty,
        is_taker,
        nullIf(if(first_exchange = last_exchange, first_exchange, ''), '') as exchange,
        multiIf(
            is_taker or is_taker_buy is null, null,
            is_buy != is_taker_buy, 'complementary',
            is_buy, 'mint',
            'merge'
        ) as match_type,
        if(
            is_only_taker, toNullable(is_makers_counterparty and is_received_from_makers and excess >= 0), null
        ) as is_match_whole,
        if(coalesce(is_match_whole, false) and is_buy, excess, toDecimal128(0, 6)) as leftover_usdc,
        if(coalesce(is_match_whole, false) and not is_buy, excess, toDecimal128(0, 6)) as leftover_shares,
        if(is_only_taker and is_buy, bought_shares, toDecimal128(0, 6)) as minted_sets,
        if(is_only_taker and not is_buy, sold_shares, toDecimal128(0, 6)) as merged_sets,
        is_buy,
        token_id,
        shares,
        usdc,
        fee_amount
    from measured
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

-- The fee is taken from what the owner receives: shares of a buyer, collateral of a seller.
charged as (
    select
        matched.* except (fee_amount),
        matched.fee_amount - coalesce(refunded.refunded_amount, 0) as net_fee,
        if(is_buy, net_fee, toDecimal128(0, 6)) as fee_shares,
        if(is_buy, toDecimal128(0, 6), net_fee) as fee_usdc
    from matched
    left join refunded
        on
            matched.transaction_hash = refunded.transaction_hash
            and matched.order_hash = refunded.order_hash
),

signed as (
    select
        charged.* except (net_fee),
        tokens.condition_id as condition_id,
        tokens.outcome_index as outcome_index,
        -- Shares at the fill's price. The product has twelve decimals, so it is rounded once.
        fee_usdc + if(
            fee_shares = 0 or shares = 0, 0, toDecimal128(toDecimal256(fee_shares, 6) * usdc / shares, 6)
        ) as fee_value_usdc,
        -- A taker's leftover was given and came back, outside of the row.
        if(is_buy, shares - fee_shares, -shares) + leftover_shares as delta_shares,
        if(is_buy, -usdc, usdc - fee_usdc) + leftover_usdc as delta_usdc
    from charged
    left join tokens on charged.token_id = tokens.token_id
)

select * from signed
settings join_use_nulls = 1, final = 1, do_not_merge_across_partitions_select_final = 1
