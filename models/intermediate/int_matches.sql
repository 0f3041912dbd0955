{{ config(order_by='transaction_hash') }}

with landed as (select * from {{ ref('stg_goldsky__order_fills') }}),

exchanges as (
    select
        address,
        if(kind = 'ctf_exchange', 'ctf', 'neg_risk') as exchange
    from {{ ref('int_system_addresses') }}
    where kind in ('ctf_exchange', 'neg_risk_exchange')
),

fills as (
    select * from landed
    order by transaction_hash asc, order_hash asc, loaded_at desc
    limit 1 by transaction_hash, order_hash
),

-- Only the taker order's row names an exchange, as its counterparty.
sided as (
    select
        fills.transaction_hash as transaction_hash,
        fills.wallet as wallet,
        fills.counterparty as counterparty,
        exchanges.exchange as exchange,
        exchange is not null as is_taker,
        fills.given_asset_id = 0 as is_buy,
        if(is_buy, fills.received_asset_id, fills.given_asset_id) as token_id,
        if(is_buy, fills.received_amount, fills.given_amount) as shares,
        if(is_buy, fills.given_amount, fills.received_amount) as usdc
    from fills
    left join exchanges on fills.counterparty = exchanges.address
),

transactions as (
    select
        transaction_hash,
        if(min(sided.exchange) = max(sided.exchange), min(sided.exchange), null) as exchange,
        countIf(is_taker) as taker_count,
        maxIf(is_buy, is_taker) as any_buys,
        if(minIf(is_buy, is_taker) = any_buys, toNullable(any_buys), null) as is_taker_buy,
        anyIf(token_id, is_taker) as taker_token_id,
        anyIf(shares, is_taker) as taker_shares,
        anyIf(usdc, is_taker) as taker_usdc,
        countIf(not is_taker) > 0
        and minIf(counterparty, not is_taker) = anyIf(wallet, is_taker)
        and maxIf(counterparty, not is_taker) = anyIf(wallet, is_taker) as is_makers_counterparty,
        sumIf(shares, not is_taker and is_buy) as bought_shares,
        sumIf(usdc, not is_taker and is_buy) as bought_usdc,
        sumIf(shares, not is_taker and not is_buy) as sold_shares,
        sumIf(usdc, not is_taker and not is_buy) as sold_usdc
    from sided
    group by transaction_hash
    having taker_count > 0
),

-- Makers on the other side trade with the taker at their price. With those on the same side the exchange mints sets
-- for two buyers, or merges them for two sellers, at one USDC a set: the taker pays, or gets, what they leave of it.
measured as (
    select
        *,
        bought_shares + sold_shares as maker_shares,
        if(
            is_taker_buy,
            sold_usdc + bought_shares - bought_usdc,
            bought_usdc + sold_shares - sold_usdc
        ) as maker_usdc,
        if(is_taker_buy, taker_usdc - maker_usdc, taker_shares - maker_shares) as excess,
        if(is_taker_buy, taker_shares = maker_shares, taker_usdc = maker_usdc) as is_received_from_makers
    from transactions
),

-- What the taker received came from these makers and from nobody else, so all of them are here; then what they did not
-- take of what the taker gave went back. With several taker orders in one transaction nobody can tell whose it was.
proven as (
    select
        transaction_hash,
        exchange,
        taker_count,
        is_taker_buy,
        if(taker_count = 1, taker_token_id, 0) as token_id,
        if(taker_count = 1 and is_taker_buy, bought_shares, 0) as minted_sets,
        if(taker_count = 1 and not is_taker_buy, sold_shares, 0) as merged_sets,
        if(
            taker_count = 1, toNullable(is_makers_counterparty and is_received_from_makers and excess >= 0), null
        ) as is_whole,
        if(coalesce(is_whole, false) and is_taker_buy, excess, toDecimal128(0, 6)) as leftover_usdc,
        if(coalesce(is_whole, false) and not is_taker_buy, excess, toDecimal128(0, 6)) as leftover_shares
    from measured
)

select * from proven
settings join_use_nulls = 1
