{{ config(materialized='view') }}

with wallet_conditions as (select * from {{ ref('int_wallet_conditions') }}),

resolution_times as (select * from {{ ref('int_resolution_times') }}),

-- Who came after a condition was resolved, to redeem or to buy what is sure to pay, cannot have gained before.
settlements as (
    select
        wallet_conditions.wallet as wallet,
        resolution_times.condition_id as condition_id,
        greatest(toDate(resolution_times.resolved_at), toDate(wallet_conditions.first_at)) as settled_on,
        assumeNotNull(wallet_conditions.settled_pnl_usdc) as settled_pnl_usdc,
        toBool(wallet_conditions.fill_count > 0) as is_traded
    from wallet_conditions
    inner join resolution_times on wallet_conditions.condition_id = resolution_times.condition_id
    where wallet_conditions.is_resolved
)

select * from settlements
