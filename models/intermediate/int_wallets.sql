{{ config(
    order_by='wallet',
    indexes=text_index('wallet'),
    query_settings={
        'optimize_aggregation_in_order': 1,
        'aggregation_in_order_max_block_bytes': 4000000,
        'max_block_size': 16384,
    },
) }}

with wallet_conditions as (
    select
        *,
        coalesce(settled_pnl_usdc, toDecimal128(0, 6)) as pnl_usdc
    from {{ ref('int_wallet_conditions') }}
),

-- Traded means filled: a condition that was only split or converted into is not in the win rate.
wallets as (
    select
        wallet,
        sum(pnl_usdc) as settled_pnl_usdc,
        sumIf(pnl_usdc, pnl_usdc > 0) as gains_usdc,
        -sumIf(pnl_usdc, pnl_usdc < 0) as losses_usdc,
        sum(wallet_conditions.realized_pnl_usdc) as realized_pnl_usdc,
        sum(wallet_conditions.subgraph_realized_pnl_usdc) as subgraph_realized_pnl_usdc,
        -- Fills of unknown tokens are in no position, so what they booked and what is held of them is not known.
        multiIf(
            countIf(wallet_conditions.realized_pnl_usdc is null) > 0, 'condition not loaded',
            countIf(wallet_conditions.has_unknown_pool) > 0, 'pool not loaded',
            countIf(wallet_conditions.unrealized_pnl_usdc is null) > 0, 'never traded',
            null
        ) as unrealized_unknown_because,
        if(
            unrealized_unknown_because is null, sum(wallet_conditions.unrealized_pnl_usdc), null
        ) as unrealized_pnl_usdc,
        toBool(countIf(least(open_shares_0, open_shares_1) < 0) > 0) as has_negative_holdings,
        toBool(countIf(wallet_conditions.has_unknown_pool) > 0) as has_unknown_pool,
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
