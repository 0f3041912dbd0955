{{ config(order_by='wallet') }}

with wallets as (select * from {{ ref('int_wallets') }}),

pnl as (
    select
        {{ hex_text('wallets.wallet') }} as wallet,
        settled_pnl_usdc,
        gains_usdc,
        losses_usdc,
        cast(null, 'Nullable(Decimal(38, 6))') as realized_pnl_usdc,
        cast(null, 'Nullable(Decimal(38, 6))') as subgraph_realized_pnl_usdc,
        cast(null, 'Nullable(Decimal(38, 6))') as unrealized_pnl_usdc,
        cast(null, 'Nullable(Decimal(38, 6))') as total_pnl_usdc,
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
