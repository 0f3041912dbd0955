{{ config(materialized='view') }}

with fills as (select * from {{ ref('int_fills') }}),

-- A view: the text of the ids is made for the rows that are asked for, and not stored twice.
readable as (
    select
        {{ fill_id('fills') }} as fill_id,
        {{ hex_text('fills.transaction_hash') }} as transaction_hash,
        {{ hex_text('fills.order_hash') }} as order_hash,
        filled_at,
        {{ hex_text('fills.wallet') }} as wallet,
        {{ hex_text('fills.counterparty') }} as counterparty,
        if(is_taker, 'taker', 'maker') as role,
        if(is_buy, 'buy', 'sell') as side,
        token_id,
        {{ hex_text('fills.condition_id') }} as condition_id,
        outcome_index,
        shares,
        usdc,
        toFloat64(usdc) / nullIf(toFloat64(shares), 0) as price,
        fee_shares,
        fee_usdc,
        delta_shares,
        delta_usdc,
        exchange,
        protocol
    from fills
)

select * from readable
