{{ config(order_by=['`window`', 'rank', 'wallet']) }}

with wallets as (select * from {{ ref('int_wallets') }}),

window_wallets as (select * from {{ ref('int_window_wallets') }}),

windows as (select * from {{ ref('int_windows') }}),

series as (select * from {{ ref('int_window_series') }}),

complete as (select * from {{ ref('int_complete_until') }}),

system_addresses as (select address from {{ ref('int_system_addresses') }}),

-- Exchanges and adapters hold and move what is others'; they trade for nobody. Who sold what was never bought has a
-- history that is not landed, or transfers that nobody serves: that P&L is not known. Nor is it where nobody can tell
-- what is in a pool.
traders as (
    select * from wallets
    where
        wallet not in (select address from system_addresses)
        and negative_holdings = 0
        and unknown_pools = 0
),

contenders as (
    select
        'all' as `window`,  -- noqa: RF06
        wallet,
        settled_pnl_usdc as pnl_usdc,
        volume_usdc,
        paid_in_usdc,
        fill_count,
        markets_traded,
        markets_resolved,
        markets_won,
        toDate(first_at) as first_day,
        (select max(last_day) from windows) as last_day
    from traders
    union all
    select * from window_wallets
    where wallet in (select wallet from traders)
),

-- Nothing but 0 was booked on any day of a wallet without a series. What settled after the last fill counts in 'all',
-- so its days do too.
measured as (
    select
        contenders.*,
        coalesce(series.gaining_days_usdc, toDecimal128(0, 6)) as gaining_days_usdc,
        coalesce(series.losing_days_usdc, toDecimal128(0, 6)) as losing_days_usdc,
        coalesce(series.squared_base_units, toInt256(0)) as squared_base_units,
        coalesce(series.max_drawdown_usdc, toDecimal128(0, 6)) as max_drawdown_usdc,
        greatest(contenders.last_day, coalesce(series.last_day, contenders.last_day)) - contenders.first_day + 1 as days
    from contenders
    left join series
        on
            contenders.window = series.window
            and contenders.wallet = series.wallet
),

-- Mean and deviation of the days, both squared and times days * days * (days - 1): whole numbers up to the last
-- quotient, because the squares of large sums lie close together. The deviation is that of a sample.
sharpes as (
    select
        *,
        toInt256(reinterpretAsInt128(pnl_usdc)) as base_units,
        (days - 1) * base_units * base_units as mean_squared,
        days * (days * squared_base_units - base_units * base_units) as deviation_squared,
        sign(base_units) * sqrt(toFloat64(365 * mean_squared) / nullIf(toFloat64(deviation_squared), 0)) as sharpe_ratio
    from measured
),

-- Competition ranks: equal P&L, equal rank, and the next one skips.
ranked as (
    select
        window,
        rank() over (partition by window order by pnl_usdc desc) as rank,
        {{ hex_text('sharpes.wallet') }} as wallet,
        pnl_usdc,
        volume_usdc,
        toFloat64(pnl_usdc) / nullIf(toFloat64(paid_in_usdc), 0) as roi,
        toFloat64(markets_won) / nullIf(markets_resolved, 0) as win_rate,
        toFloat64(gaining_days_usdc) / nullIf(toFloat64(losing_days_usdc), 0) as omega_ratio,
        sharpe_ratio,
        max_drawdown_usdc,
        markets_traded,
        fill_count,
        (select complete_until from complete) as complete_until
    from sharpes
)

select * from ranked
settings join_use_nulls = 1
