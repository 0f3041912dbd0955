{{ config(materialized='view') }}

with wallets as (select * from {{ ref('int_wallets') }}),

system_addresses as (select address from {{ ref('int_system_addresses') }}),

pnl as (
    select
        {{ hex_text('wallets.wallet') }} as wallet,
        toBool(wallets.wallet in (select address from system_addresses)) as is_system_contract,
        settled_pnl_usdc,
        gains_usdc,
        losses_usdc,
        realized_pnl_usdc,
        subgraph_realized_pnl_usdc,
        unrealized_pnl_usdc,
        unrealized_unknown_because,
        realized_pnl_usdc + unrealized_pnl_usdc as total_pnl_usdc,
        volume_usdc,
        fees_usdc,
        fill_count,
        markets_traded,
        markets_resolved,
        toFloat64(markets_won) / nullIf(markets_resolved, 0) as win_rate,
        first_at,
        last_at
    from wallets
)

select * from pnl
