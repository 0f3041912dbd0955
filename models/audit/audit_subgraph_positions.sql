{{ config(order_by=['wallet', 'token_id']) }}

with served as (select * from {{ ref('int_served_positions') }}),

positions as (select * from {{ ref('int_positions') }}),

-- Of Polymarket's conditions only: the subgraph also keeps positions in those of other projects.
tokens as (
    select * from {{ ref('int_tokens') }}
    where condition_id in (select condition_id from {{ ref('int_markets') }})
),

wallets as (select * from {{ ref('int_reconciled_wallets') }}),

tied as (select * from {{ ref('int_tied_positions') }}),

replayed as (
    select
        positions.wallet as wallet,
        tokens.token_id as token_id,
        positions.subgraph_amount as amount,
        positions.subgraph_avg_price as avg_price,
        positions.subgraph_realized_pnl as realized_pnl,
        positions.subgraph_total_bought as total_bought,
        positions.unmatched_shares > 0 as is_unmatched,
        positions.is_redeemed_amount_unknown as is_redeemed_amount_unknown
    from positions
    inner join tokens
        on
            positions.condition_id = tokens.condition_id
            and positions.outcome_index = tokens.outcome_index
    where positions.wallet in (select wallet from served)
),

both as (
    select
        wallet,
        token_id,
        true as is_served,
        (amount, avg_price, realized_pnl, total_bought) as figures,
        false as is_unmatched,
        false as is_redeemed_amount_unknown
    from served
    union all
    select
        wallet,
        token_id,
        false as is_served,
        (amount, avg_price, realized_pnl, total_bought) as figures,
        is_unmatched,
        is_redeemed_amount_unknown
    from replayed
),

-- A position that is not there is one of nothing.
compared as (
    select
        wallet,
        token_id,
        maxIf(figures, is_served) as served_figures,
        maxIf(figures, not is_served) as replayed_figures,
        max(both.is_unmatched) as is_unmatched,
        max(both.is_redeemed_amount_unknown) as is_redeemed_amount_unknown
    from both
    group by wallet, token_id
),

classed as (
    select
        {{ hex_text('compared.wallet') }} as wallet,
        compared.token_id as token_id,
        {{ hex_text('tokens.condition_id') }} as condition_id,
        tokens.outcome_index as outcome_index,
        wallets.read_at as read_at,
        multiIf(
            served_figures = replayed_figures, 'equal',
            tokens.condition_id is null or not wallets.is_loaded, 'not_loaded',
            is_redeemed_amount_unknown, 'redeemed_amount_unknown',
            tied.wallet is not null, 'order_unknown',
            is_unmatched, 'transfer',
            served_figures.4 != replayed_figures.4, 'event_missing',
            'unexplained'
        ) as verdict,
        {{ from_base_units('served_figures.1') }} as served_shares,
        {{ from_base_units('replayed_figures.1') }} as replayed_shares,
        {{ from_base_units('served_figures.2') }} as served_avg_price_usdc,
        {{ from_base_units('replayed_figures.2') }} as replayed_avg_price_usdc,
        {{ from_base_units('served_figures.3') }} as served_realized_pnl_usdc,
        {{ from_base_units('replayed_figures.3') }} as replayed_realized_pnl_usdc,
        {{ from_base_units('served_figures.4') }} as served_bought_shares,
        {{ from_base_units('replayed_figures.4') }} as replayed_bought_shares
    from compared
    left join tokens on compared.token_id = tokens.token_id
    inner join wallets on compared.wallet = wallets.wallet
    left join tied
        on
            compared.wallet = tied.wallet
            and tokens.condition_id = tied.condition_id
            and tokens.outcome_index = tied.outcome_index
)

select * from classed
settings join_use_nulls = 1
