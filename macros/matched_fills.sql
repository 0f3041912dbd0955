{#- What the rows of a transaction tell of each other. A subquery: `rows` (columns as in the CTEs of int_fills that it is
    called with) and what each fill's match was. Each protocol by itself, so that its rows are read in the order in which
    they are stored: a union would have to be sorted. -#}
{% macro matched_fills(rows) -%}
with transactions as (
    select
        *,
        named_exchange != '' as is_taker,
        countIf(is_taker) over in_transaction as taker_count,
        count() over in_transaction - taker_count as maker_count,
        -- Bits, since each aggregate is worked out for every fill: 1 and 2 are the exchanges, 4 is a buyer, 8 a seller.
        groupBitOrIf(
            toUInt8(if(named_exchange = 'ctf', 1, 2) + if(is_buy, 4, 8)), is_taker
        ) over in_transaction as takers,
        minIf(counterparty, not is_taker) over in_transaction as first_counterparty,
        maxIf(counterparty, not is_taker) over in_transaction as last_counterparty,
        sumIf(shares, not is_taker and is_buy) over in_transaction as bought_shares,
        sumIf(usdc, not is_taker and is_buy) over in_transaction as bought_usdc,
        sumIf(shares, not is_taker and not is_buy) over in_transaction as sold_shares,
        sumIf(usdc, not is_taker and not is_buy) over in_transaction as sold_usdc
    from {{ rows }}
    window in_transaction as (partition by filled_at, transaction_hash)
),

-- Makers on the other side trade with the taker at their price. With those on the same side the exchange mints sets
-- for two buyers, or merges them for two sellers, at one USDC a set: the taker pays, or gets, what they leave of it.
measured as (
    select
        *,
        transform(bitAnd(takers, 12), [4, 8], [true, false], null) as is_taker_buy,
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
        log_index,
        filled_at,
        wallet,
        nullIf(counterparty, toFixedString('', 20)) as counterparty,
        is_taker,
        transform(bitAnd(takers, 3), [1, 2], ['ctf', 'neg_risk'], null) as exchange,
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
        fee_amount,
        protocol
    from measured
)

select * from matched
{%- endmacro %}
