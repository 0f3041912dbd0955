{{ config(materialized='view') }}

with position_values as (select * from {{ ref('int_position_values') }}),

conditions as (select * from {{ ref('int_conditions') }}),

market_makers as (select * from {{ ref('int_market_makers') }}),

readable as (
    select
        {{ hex_text('position_values.wallet') }} as wallet,
        {{ hex_text('position_values.condition_id') }} as condition_id,
        position_values.outcome_index as outcome_index,
        if(
            length(conditions.token_ids) > position_values.outcome_index,
            toNullable(conditions.token_ids[position_values.outcome_index + 1]),
            market_makers.share_token_id
        ) as token_id,
        position_values.is_resolved as is_resolved,
        shares,
        cost_usdc,
        value_usdc,
        value_basis,
        unrealized_pnl_usdc,
        realized_pnl_usdc,
        unmatched_shares,
        {{ from_base_units('subgraph_amount') }} as subgraph_shares,
        {{ from_base_units('subgraph_avg_price') }} as subgraph_avg_price_usdc,
        {{ from_base_units('subgraph_realized_pnl') }} as subgraph_realized_pnl_usdc,
        {{ from_base_units('subgraph_total_bought') }} as subgraph_total_bought_shares,
        is_redeemed_amount_unknown
    from position_values
    left join conditions on position_values.condition_id = conditions.condition_id
    left join market_makers
        on
            position_values.condition_id = market_makers.condition_id
            and position_values.outcome_index = market_makers.share_index
)

select * from readable
settings join_use_nulls = 1
