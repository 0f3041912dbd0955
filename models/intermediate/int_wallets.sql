{{ config(order_by='wallet', indexes=text_index('wallet'), meta={'by_wallets_of': 'int_positions'}) }}

with wallet_conditions as (
    select
        *,
        coalesce(settled_pnl_usdc, toDecimal128(0, 6)) as pnl_usdc
    from {{ ref('int_wallet_conditions') }}
),

-- Sums and counts, so that they can be moved by what some of the conditions moved by; no prices, which move each day.
-- Traded means filled: a condition that was only split or converted into is not in the win rate. Beyond two gigabytes
-- conditions are put together on disk.
wallets as (
    select
        wallet,
        count() as conditions,
        countIf(wallet_conditions.realized_pnl_usdc is null) as unplaced_conditions,
        countIf(wallet_conditions.has_unknown_pool) as unknown_pools,
        countIf(least(open_shares_0, open_shares_1) < 0) as negative_holdings,
        sum(pnl_usdc) as settled_pnl_usdc,
        sumIf(pnl_usdc, pnl_usdc > 0) as gains_usdc,
        -sumIf(pnl_usdc, pnl_usdc < 0) as losses_usdc,
        coalesce(sum(wallet_conditions.realized_pnl_usdc), toDecimal128(0, 6)) as realized_pnl_usdc,
        coalesce(sum(wallet_conditions.subgraph_realized_pnl_usdc), toDecimal128(0, 6)) as subgraph_realized_pnl_usdc,
        coalesce(sum(wallet_conditions.cost_usdc), toDecimal128(0, 6)) as cost_usdc,
        sum(wallet_conditions.volume_usdc) as volume_usdc,
        sum(wallet_conditions.fees_usdc) as fees_usdc,
        sum(wallet_conditions.paid_in_usdc) as paid_in_usdc,
        countIf(wallet_conditions.fill_count > 0 and condition_id is not null) as markets_traded,
        countIf(wallet_conditions.fill_count > 0 and is_resolved) as markets_resolved,
        countIf(wallet_conditions.fill_count > 0 and is_resolved and pnl_usdc > 0) as markets_won,
        sum(wallet_conditions.fill_count) as fill_count,
        min(wallet_conditions.first_at) as first_at,
        max(wallet_conditions.last_at) as last_at
    from wallet_conditions
    group by wallet
)

select * from wallets
settings max_bytes_before_external_group_by = 2000000000
