-- A resolved condition is booked with its settled P&L, less what conversions carried to others; any other one with what
-- it realized. A sale before a resolution is part of both and counts once.
with wallet_conditions as (select * from {{ ref('int_wallet_conditions') }}),

carried_costs as (select * from {{ ref('int_carried_costs') }}),

due as (
    select
        wallet,
        if(is_resolved, settled_pnl_usdc, coalesce(realized_pnl_usdc, 0)) as pnl_usdc
    from wallet_conditions
    union all
    select
        carried_costs.wallet as wallet,
        -carried_costs.carried_usdc as pnl_usdc
    from carried_costs
    inner join wallet_conditions
        on
            carried_costs.wallet = wallet_conditions.wallet
            and carried_costs.condition_id = wallet_conditions.condition_id
    where wallet_conditions.is_resolved
    union all
    select
        {{ hex_bytes('wallet', 20) }} as wallet,
        -booked_pnl_usdc as pnl_usdc
    from {{ ref('fct_wallet_pnl_daily') }}
)

select
    wallet,
    sum(pnl_usdc) as left_over_usdc
from due
group by wallet
having left_over_usdc != 0
