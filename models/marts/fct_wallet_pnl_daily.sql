{{ config(materialized='view') }}

with wallet_days as (select * from {{ ref('int_wallet_days') }}),

cumulated as (
    select
        {{ hex_text('wallet_days.wallet') }} as wallet,
        day,
        realized_pnl_usdc,
        settled_pnl_usdc,
        booked_pnl_usdc,
        sum(realized_pnl_usdc) over so_far as cumulative_realized_pnl_usdc,
        sum(settled_pnl_usdc) over so_far as cumulative_settled_pnl_usdc,
        sum(booked_pnl_usdc) over so_far as cumulative_booked_pnl_usdc
    from wallet_days
    window so_far as (partition by wallet_days.wallet order by day rows between unbounded preceding and current row)
)

select * from cumulated
