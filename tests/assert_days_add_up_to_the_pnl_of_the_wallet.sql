-- Whoever has a P&L has the days it was booked on, and nobody else has any.
with days as (
    select
        wallet,
        sum(realized_pnl_usdc) as realized_usdc,
        sum(settled_pnl_usdc) as settled_usdc,
        sum(booked_pnl_usdc) as booked_usdc,
        argMax(cumulative_realized_pnl_usdc, day) as last_realized_usdc,
        argMax(cumulative_settled_pnl_usdc, day) as last_settled_usdc,
        argMax(cumulative_booked_pnl_usdc, day) as last_booked_usdc
    from {{ ref('fct_wallet_pnl_daily') }}
    group by wallet
),

wallets as (select * from {{ ref('fct_wallet_pnl') }})

select
    coalesce(wallets.wallet, days.wallet) as wallet,
    wallets.realized_pnl_usdc,
    wallets.settled_pnl_usdc,
    days.realized_usdc,
    days.settled_usdc,
    days.last_realized_usdc,
    days.last_settled_usdc,
    days.booked_usdc,
    days.last_booked_usdc
from wallets
full outer join days on wallets.wallet = days.wallet
where
    coalesce(wallets.realized_pnl_usdc, 0) != coalesce(days.realized_usdc, 0)
    or coalesce(wallets.settled_pnl_usdc, 0) != coalesce(days.settled_usdc, 0)
    or days.last_realized_usdc != days.realized_usdc
    or days.last_settled_usdc != days.settled_usdc
    or days.last_booked_usdc != days.booked_usdc
