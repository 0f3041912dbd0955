{{ config(materialized='view') }}

with landed as (select * from {{ ref('stg_goldsky__order_fills') }}),

landed_v2 as (select * from {{ ref('stg_chain__order_fills') }}),

refunds as (select * from {{ ref('stg_goldsky__fee_refunds') }}),

moved as (select * from {{ ref('int_moved_fills') }}),

tokens as (select * from {{ ref('int_tokens') }}),

exchanges as (
    select *
    from {{ ref('int_system_addresses') }}
    where kind in ('ctf_exchange', 'neg_risk_exchange')
),

ctf_exchanges as (
    select address from exchanges
    where kind = 'ctf_exchange'
),

v1_exchanges as (
    select address from exchanges
    where protocol = 'v1'
),


-- Of the copies of a fill, `final` below leaves the newest. The row of a taker's order names the exchange as its
-- counterparty, and no other row does. Asset 0 is collateral, so an owner who gives it is buying.
{% for protocol, landed in [('v1', 'landed'), ('v2', 'landed_v2')] %}
sided_{{ protocol }} as (
    select
        transaction_hash,
        order_hash,
        {% if protocol == 'v1' %}null{% else %}log_index{% endif %} as log_index,
        filled_at,
        wallet,
        counterparty,
        multiIf(
            counterparty in (select address from ctf_exchanges), 'ctf',
            counterparty in (select address from exchanges), 'neg_risk',
            ''
        ) as named_exchange,
        given_asset_id = 0 as is_buy,
        if(is_buy, received_asset_id, given_asset_id) as token_id,
        if(is_buy, received_amount, given_amount) as shares,
        if(is_buy, given_amount, received_amount) as usdc,
        fee_amount,
        '{{ protocol }}' as protocol
    from {{ landed }}
    {% if protocol == 'v1' %}
    where (transaction_hash, order_hash, filled_at) not in (
        select
            transaction_hash,
            order_hash,
            filled_at
        from moved
    )
    {% else %}
    -- Fills of V1 come from its subgraph, also where a source serves them in this shape too.
    where
        not is_gone
        and landed_v2.exchange not in (select address from v1_exchanges)
    {% endif %}
),

{% endfor %}
matched as (
    select * from (
        {{ matched_fills('sided_v1') }}
    )
    union all
    select * from (
        {{ matched_fills('sided_v2') }}
    )
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

-- In V1 the fee is taken from what the owner receives: shares of a buyer, collateral of a seller. In V2 it is
-- collateral, which a buyer pays on top.
charged as (
    select
        matched.* except (fee_amount),
        matched.fee_amount - coalesce(refunded.refunded_amount, 0) as net_fee,
        if(is_buy and protocol = 'v1', net_fee, toDecimal128(0, 6)) as fee_shares,
        net_fee - fee_shares as fee_usdc
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
        if(is_buy, -usdc, usdc) - fee_usdc + leftover_usdc as delta_usdc
    from charged
    left join tokens on charged.token_id = tokens.token_id
)

select * from signed
settings join_use_nulls = 1, final = 1, do_not_merge_across_partitions_select_final = 1
