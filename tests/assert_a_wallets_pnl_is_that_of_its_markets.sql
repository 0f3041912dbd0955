-- Nothing is won or lost between the markets of a wallet and its total.
with markets as (
    select
        wallet,
        sum(coalesce(settled_pnl_usdc, 0)) as settled_pnl_usdc,
        sum(coalesce(realized_pnl_usdc, 0)) as realized_pnl_usdc
    from {{ ref('fct_realized_pnl_by_market') }}
    group by wallet
)

select
    wallets.wallet,
    wallets.settled_pnl_usdc,
    wallets.realized_pnl_usdc,
    markets.settled_pnl_usdc as settled_in_markets_usdc,
    markets.realized_pnl_usdc as realized_in_markets_usdc
from {{ ref('fct_wallet_pnl') }} as wallets
inner join markets on wallets.wallet = markets.wallet
where
    wallets.settled_pnl_usdc != settled_in_markets_usdc
    or coalesce(wallets.realized_pnl_usdc, 0) != realized_in_markets_usdc
    or wallets.gains_usdc - wallets.losses_usdc != settled_in_markets_usdc
