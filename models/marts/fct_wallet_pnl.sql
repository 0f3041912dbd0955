{{ config(order_by='wallet') }}

with wallets as (select * from {{ ref('int_wallets') }}),

pnl as (
    select
        {{ hex_text('wallets.wallet') }} as wallet,
        settled_pnl_usdc,
        gains_usdc,
        losses_usdc,
        toNullable(realized_pnl_usdc) as realized_pnl_usdc,
        toNullable(subgraph_realized_pnl_usdc) as subgraph_realized_pnl_usdc,
        unrealized_pnl_usdc,
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
