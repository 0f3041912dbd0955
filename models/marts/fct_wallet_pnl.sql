{{ config(materialized='view') }}

with stored as (select * from {{ ref('int_wallets') }}),

stored_values as (select * from {{ ref('int_wallet_values') }}),

system_addresses as (select address from {{ ref('int_system_addresses') }}),

-- Both by the text of the wallet, of which they have an index: so a filter by wallet reaches both.
wallets as (
    select
        {{ hex_text('stored.wallet') }} as wallet,
        toBool(stored.wallet in (select address from system_addresses)) as is_system_contract,
        stored.* except (wallet)
    from stored
),

wallet_values as (
    select
        {{ hex_text('stored_values.wallet') }} as wallet,
        value_usdc,
        unpriced_holdings
    from stored_values
),

-- Fills of unknown tokens are in no position, so what they booked and what is held of them is not known.
pnl as (
    select
        wallets.wallet as wallet,
        is_system_contract,
        settled_pnl_usdc,
        gains_usdc,
        losses_usdc,
        if(conditions > unplaced_conditions, toNullable(wallets.realized_pnl_usdc), null) as realized_pnl_usdc,
        if(
            conditions > unplaced_conditions, toNullable(wallets.subgraph_realized_pnl_usdc), null
        ) as subgraph_realized_pnl_usdc,
        multiIf(
            unplaced_conditions > 0, 'condition not loaded',
            unknown_pools > 0, 'pool not loaded',
            coalesce(wallet_values.unpriced_holdings, 0) > 0, 'never traded',
            null
        ) as unrealized_unknown_because,
        if(
            unrealized_unknown_because is null,
            coalesce(wallet_values.value_usdc, toDecimal128(0, 6)) - cost_usdc,
            null
        ) as unrealized_pnl_usdc,
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
    left join wallet_values on wallets.wallet = wallet_values.wallet
)

select
    wallet,
    is_system_contract,
    settled_pnl_usdc,
    gains_usdc,
    losses_usdc,
    realized_pnl_usdc,
    subgraph_realized_pnl_usdc,
    unrealized_pnl_usdc,
    unrealized_unknown_because,
    total_pnl_usdc,
    volume_usdc,
    fees_usdc,
    fill_count,
    markets_traded,
    markets_resolved,
    win_rate,
    first_at,
    last_at
from pnl
settings join_use_nulls = 1
