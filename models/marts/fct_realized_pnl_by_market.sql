{{ config(materialized='view') }}

with wallet_conditions as (select * from {{ ref('int_wallet_conditions') }}),

-- Fills of a token without a known condition belong to no market yet; fct_fills has them.
markets as (
    select
        {{ hex_text('wallet_conditions.wallet') }} as wallet,
        assumeNotNull({{ hex_text('wallet_conditions.condition_id') }}) as condition_id,
        is_resolved,
        fill_count,
        volume_usdc,
        cash_usdc,
        if(has_unknown_outcome, [], [open_shares_0, open_shares_1]) as open_shares,
        settlement_usdc,
        pooled_usdc,
        settled_pnl_usdc,
        realized_pnl_usdc,
        first_at,
        last_at
    from wallet_conditions
    where wallet_conditions.condition_id is not null
)

select * from markets
