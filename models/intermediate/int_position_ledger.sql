{{ config(materialized='view') }}

-- What is of an unknown outcome is in no position.
with events as (
    select * from {{ ref('int_replay_events') }}
    where outcome_index != 255
),

names as (select * from {{ ref('int_event_names') }}),

conditions as (select * from {{ ref('int_conditions') }}),

pool_shares as (select * from {{ ref('int_pool_shares') }}),

positions as (
    {{ replay('events', keep='steps') }}
),

steps as (
    select
        wallet,
        condition_id,
        outcome_index,
        place,
        tupleElement(event, 'moment') as moment,
        {{ time_of_moment('moment') }} as happened_at,
        {{ kind_of_moment('moment') }} as kind,
        -- What a conversion carried stands on a line of its own, before the shares that it is the cost of.
        kind = 5 and moment % 2 = 0 as is_carried_line,
        tupleElement(event, 'delta_shares') as delta_shares,
        tupleElement(event, 'delta_usdc') as delta_usdc,
        held_now as held,
        cost_now as cost,
        realized_now as realized,
        unmatched_now as unmatched,
        amount_now as subgraph_amount,
        avg_price_now as subgraph_avg_price,
        pnl_now as subgraph_pnl
    from positions
    array join
        ordered as event,
        places as place,
        held as held_now,
        cost as cost_now,
        realized as realized_now,
        unmatched as unmatched_now,
        amount as amount_now,
        avg_price as avg_price_now,
        pnl as pnl_now
),

-- Settled P&L as it would be if the position had ended here: cash so far, and what is left at payout.
running as (
    select
        steps.* except (wallet, condition_id, outcome_index),
        steps.wallet as wallet,
        steps.condition_id as condition_id,
        steps.outcome_index as outcome_index,
        {{ from_base_units('steps.held - steps.unmatched') }} as open_shares,
        {{ from_base_units('sum(steps.delta_usdc) over position_so_far') }} as cash_usdc,
        coalesce(conditions.is_resolved, false) as is_resolved,
        {{ settle(
            'open_shares', 'conditions.payout_numerators[steps.outcome_index + 1]', 'conditions.payout_denominator'
        ) }} as outcome_usdc,
        -- What a share of a pool pays is known of the pool as it is, so after the last event.
        steps.place
        = max(steps.place) over (partition by steps.wallet, steps.condition_id, steps.outcome_index) as is_last,
        multiIf(
            steps.outcome_index < 128, outcome_usdc,
            is_last, coalesce(pool_shares.value_usdc, toDecimal128(0, 6)),
            null
        ) as settlement_usdc
    from steps
    left join conditions on steps.condition_id = conditions.condition_id
    left join pool_shares
        on
            steps.wallet = pool_shares.wallet
            and steps.condition_id = pool_shares.condition_id
            and steps.outcome_index = pool_shares.outcome_index
    window position_so_far as (
        partition by steps.wallet, steps.condition_id, steps.outcome_index
        order by steps.place
        rows between unbounded preceding and current row
    )
),

-- An event may be landed more than once.
named as (
    select
        running.*,
        names.transaction_hash as transaction_hash,
        names.log_index as log_index,
        names.order_hash as order_hash,
        names.source_id as source_id
    from running
    left any join names
        on
            running.wallet = names.wallet
            and running.moment = names.moment
    where not is_carried_line
),

ledger as (
    select
        wallet,
        condition_id,
        outcome_index,
        place,
        happened_at,
        transaction_hash,
        transform(
            kind, [0, 1, 2, 3, 4, 5, 6], ['amm', 'split', 'fill', 'fill', 'merge', 'conversion', 'redemption'], ''
        ) as event_type,
        if(kind in (2, 3), if(kind = 2, 'maker', 'taker'), null) as role,
        kind,
        log_index,
        order_hash,
        source_id,
        {{ from_base_units('named.delta_shares') }} as delta_shares,
        {{ from_base_units('named.delta_usdc') }} as delta_usdc,
        open_shares,
        cash_usdc,
        {{ from_base_units('held') }} as held_shares,
        {{ from_billionths('cost') }} as cost_usdc,
        {{ from_billionths('realized') }} as realized_pnl_usdc,
        {{ from_base_units('unmatched') }} as unmatched_shares,
        {{ from_base_units('subgraph_amount') }} as subgraph_shares,
        {{ from_base_units('subgraph_avg_price') }} as subgraph_avg_price_usdc,
        {{ from_base_units('subgraph_pnl') }} as subgraph_realized_pnl_usdc,
        if(is_resolved, cash_usdc + settlement_usdc, null) as settled_pnl_usdc
    from named
)

select * from ledger
settings join_use_nulls = 1, compile_expressions = 0
