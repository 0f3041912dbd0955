{{ config(materialized='view') }}
{%- set no_charges %}
        toDecimal128(0, 6) as fee_shares,
        toDecimal128(0, 6) as fee_usdc,
        toDecimal128(0, 6) as leftover_shares,
        toDecimal128(0, 6) as leftover_usdc,
        toDecimal128(0, 6) as minted_sets,
        toDecimal128(0, 6) as merged_sets,
        '' as match_problem,
        false as is_v2
{%- endset %}

with fills as (select * from {{ ref('int_fills') }}),

set_events as (select * from {{ ref('int_set_events') }}),

conversions as (select * from {{ ref('int_conversions') }}),

amm_legs as (select * from {{ ref('int_amm_legs') }}),

-- Fills keep their order hash instead of a text id: there are hundreds of millions of them.
changes as (
    select
        'fill' as event_type,
        if(is_taker, 3, 2) as kind,
        filled_at as happened_at,
        transaction_hash,
        log_index,
        order_hash,
        '' as source_id,
        toUInt16(0) as leg,
        wallet,
        condition_id,
        token_id as fill_token_id,
        outcome_index,
        if(is_buy, shares, -shares) as gross_shares,
        delta_shares,
        delta_usdc,
        usdc as volume_usdc,
        fee_value_usdc,
        if(is_buy, usdc, toDecimal128(0, 6)) as paid_in_usdc,
        fee_shares,
        fee_usdc,
        leftover_shares,
        leftover_usdc,
        minted_sets,
        merged_sets,
        multiIf(
            not is_taker and match_type is null, 'no taker',
            not is_taker, '',
            is_match_whole is null, 'shared',
            not is_match_whole, 'broken',
            ''
        ) as match_problem,
        protocol = 'v2' as is_v2,
        false as carries_cost,
        toInt128(0) as subgraph_price
    from fills
    union all
    select
        event_type,
        if(event_type = 'split', 1, 4) as kind,
        happened_at,
        transaction_hash,
        log_index,
        toFixedString('', 32) as order_hash,
        set_event_id as source_id,
        toUInt16(set_events.outcome_index) as leg,
        wallet,
        toNullable(condition_id) as condition_id,
        toUInt256(0) as fill_token_id,
        toNullable(outcome_index) as outcome_index,
        delta_shares as gross_shares,
        delta_shares,
        delta_usdc,
        toDecimal128(0, 6) as volume_usdc,
        toDecimal128(0, 6) as fee_value_usdc,
        greatest(-delta_usdc, toDecimal128(0, 6)) as paid_in_usdc,
        {{- no_charges }},
        false as carries_cost,
        toInt128(0) as subgraph_price
    from set_events
    union all
    select
        'conversion' as event_type,
        5 as kind,
        happened_at,
        transaction_hash,
        log_index,
        toFixedString('', 32) as order_hash,
        conversion_id as source_id,
        question as leg,
        wallet,
        toNullable(condition_id) as condition_id,
        toUInt256(0) as fill_token_id,
        toNullable(outcome_index) as outcome_index,
        delta_shares as gross_shares,
        delta_shares,
        delta_usdc,
        toDecimal128(0, 6) as volume_usdc,
        toDecimal128(0, 6) as fee_value_usdc,
        toDecimal128(0, 6) as paid_in_usdc,
        {{- no_charges }},
        no_count < question_count as carries_cost,
        toInt128(0) as subgraph_price
    from conversions
    union all
    -- The fee of a trade with a market maker is inside of its price, and goes to those who provide.
    select
        'amm' as event_type,
        0 as kind,
        happened_at,
        transaction_hash,
        log_index,
        toFixedString('', 32) as order_hash,
        source_id,
        leg,
        wallet,
        toNullable(condition_id) as condition_id,
        share_token_id as fill_token_id,
        toNullable(outcome_index) as outcome_index,
        delta_shares as gross_shares,
        delta_shares,
        delta_usdc,
        volume_usdc,
        amm_legs.fee_usdc as fee_value_usdc,
        greatest(
            if(volume_usdc = 0 and outcome_index < 128, toDecimal128(0, 6), -delta_usdc), toDecimal128(0, 6)
        ) as paid_in_usdc,
        {{- no_charges }},
        false as carries_cost,
        subgraph_price
    from amm_legs
)

select * from changes
