-- Of wallets what is held is valued position by position, of conditions as a whole: both come to the same.
with conditions as (
    select
        {{ hex_text('int_wallet_conditions.wallet') }} as wallet,
        sum(int_wallet_conditions.unrealized_pnl_usdc) as unrealized_pnl_usdc,
        countIf(int_wallet_conditions.unrealized_pnl_usdc is null) as unknown_conditions
    from {{ ref('int_wallet_conditions') }} as int_wallet_conditions
    group by wallet
)

select
    wallets.wallet,
    wallets.unrealized_pnl_usdc,
    wallets.unrealized_unknown_because,
    conditions.unrealized_pnl_usdc as unrealized_in_conditions_usdc,
    conditions.unknown_conditions
from {{ ref('fct_wallet_pnl') }} as wallets
inner join conditions on wallets.wallet = conditions.wallet
where
    (wallets.unrealized_pnl_usdc is null) != (conditions.unknown_conditions > 0)
    or wallets.unrealized_pnl_usdc != conditions.unrealized_pnl_usdc
