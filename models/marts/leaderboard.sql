{{ config(order_by=['`window`', 'rank', 'wallet']) }}

with wallets as (select * from {{ ref('int_wallets') }}),

system_addresses as (select address from {{ ref('int_system_addresses') }}),

-- Exchanges and adapters hold and move what is others'; they trade for nobody. Who sold what was never bought has a
-- history that is not landed, or transfers that nobody serves: that P&L is not known.
traders as (
    select * from wallets
    where
        wallet not in (select address from system_addresses)
        and not has_negative_holdings
),

-- Competition ranks: equal P&L, equal rank, and the next one skips.
ranked as (
    select
        'all' as `window`,  -- noqa: RF06
        rank() over (order by settled_pnl_usdc desc) as rank,
        {{ hex_text('traders.wallet') }} as wallet,
        settled_pnl_usdc as pnl_usdc,
        volume_usdc,
        toFloat64(settled_pnl_usdc) / nullIf(toFloat64(paid_in_usdc), 0) as roi,
        toFloat64(markets_won) / nullIf(markets_resolved, 0) as win_rate,
        cast(null, 'Nullable(Float64)') as omega_ratio,
        cast(null, 'Nullable(Float64)') as sharpe_ratio,
        cast(null, 'Nullable(Decimal(38, 6))') as max_drawdown_usdc,
        markets_traded,
        fill_count
    from traders
)

select * from ranked
