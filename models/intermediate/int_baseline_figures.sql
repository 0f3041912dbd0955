{{ config(materialized='view') }}

with baselines as (select * from {{ ref('dome_baseline') }}),

wallets as (select * from {{ ref('fct_wallet_pnl') }}),

wallet_conditions as (select * from {{ ref('int_wallet_conditions') }}),

unplaced as (
    select
        {{ hex_text('wallet_conditions.wallet') }} as wallet,
        sum(wallet_conditions.fill_count) as unplaced_fills
    from wallet_conditions
    where
        wallet_conditions.wallet in (select {{ hex_bytes('wallet', 20) }} from baselines)
        and (wallet_conditions.condition_id is null or has_unknown_outcome)
    group by wallet
),

known as (
    select
        baselines.wallet as wallet,
        baselines.net_pnl_usdc as net_pnl_usdc,
        baselines.gains_usdc as gains_usdc,
        baselines.losses_usdc as losses_usdc,
        baselines.definition as target_definition,
        baselines.as_of as target_as_of,
        baselines.dome_api_net_pnl_usdc as dome_api_net_pnl_usdc,
        baselines.dome_api_definition as dome_api_definition,
        baselines.dome_api_as_of as dome_api_as_of,
        baselines.warn_percent as warn_percent,
        baselines.error_percent as error_percent,
        baselines.fill_count as expected_fill_count,
        baselines.first_trade_at as first_trade_at,
        baselines.last_trade_at as last_trade_at,
        baselines.origin as origin,
        coalesce(wallets.fill_count, 0) as landed_fill_count,
        coalesce(unplaced.unplaced_fills, 0) as unplaced_fills,
        wallets.last_at as last_at,
        wallets.settled_pnl_usdc as settled_pnl_usdc,
        wallets.gains_usdc as settled_gains_usdc,
        wallets.losses_usdc as settled_losses_usdc,
        wallets.realized_pnl_usdc as realized_pnl_usdc,
        wallets.subgraph_realized_pnl_usdc as subgraph_realized_pnl_usdc
    from baselines
    left join wallets on baselines.wallet = wallets.wallet
    left join unplaced on baselines.wallet = unplaced.wallet
),

-- Gains and losses by condition are known of the settled definition alone.
figures as (
    select
        wallet,
        one.1 as figure,
        assumeNotNull(one.2) as definition,
        one.3 as as_of,
        assumeNotNull(one.4) as expected_usdc,
        one.5 as settled_usdc,
        if(figure in ('net', 'dome_api_net'), realized_pnl_usdc, null) as realized_usdc,
        if(figure in ('net', 'dome_api_net'), subgraph_realized_pnl_usdc, null) as subgraph_usdc,
        warn_percent,
        error_percent,
        expected_fill_count,
        landed_fill_count,
        unplaced_fills,
        first_trade_at,
        last_trade_at,
        last_at,
        origin
    from known
    array join
        [
            ('net', target_definition, target_as_of, net_pnl_usdc, settled_pnl_usdc),
            ('gains', target_definition, target_as_of, gains_usdc, settled_gains_usdc),
            ('losses', target_definition, target_as_of, losses_usdc, settled_losses_usdc),
            ('dome_api_net', dome_api_definition, dome_api_as_of, dome_api_net_pnl_usdc, settled_pnl_usdc)
        ] as one
    where one.4 is not null
)

select * from figures
settings join_use_nulls = 1
