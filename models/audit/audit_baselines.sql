{{ config(order_by=['wallet', 'figure']) }}

with figures as (select * from {{ ref('int_baseline_figures') }}),

reached as (select * from {{ ref('int_baseline_reach') }}),

mistakes as (select * from {{ ref('audit_pnl_attribution') }}),

reach as (
    select
        wallet,
        groupArray((entity, reached_at)) as entities
    from reached
    group by wallet
),

-- What mistakes would have given is worked out only for wallets that are here.
landed as (
    select distinct wallet
    from figures
    where landed_fill_count > 0
),

mistaken as (
    select
        mistakes.wallet as wallet,
        settled_pnl_usdc,
        [
            ('wrong sign', wrong_sign_usdc),
            ('both rows credited', both_rows_credited_usdc),
            ('duplicates kept', duplicates_kept_usdc),
            ('unresolved at zero', unresolved_at_zero_usdc),
            ('fees ignored', fees_ignored_usdc),
            ('splits and conversions ignored', splits_and_conversions_ignored_usdc),
            ('taker rows dropped', taker_rows_dropped_usdc)
        ] as made
    from mistakes
    inner join landed on mistakes.wallet = landed.wallet
),

measured as (
    select
        figures.wallet as wallet,
        figures.* except (wallet),
        -- Without a moment, at least to the last trade that was counted.
        coalesce(figures.as_of, figures.last_trade_at + 1) as needed_until,
        arrayFilter(
            entity -> not arrayExists(r -> r.1 = entity and r.2 >= needed_until, reach.entities),
            ['OrderFilledEvent', 'Split', 'Merge', 'Redemption', 'NegRiskConversion']
        ) as not_loaded,
        if(definition = 'settled', settled_usdc, realized_usdc) as actual_usdc,
        actual_usdc - expected_usdc as variance_usdc,
        abs(variance_usdc) * 100 as hundredfold,
        arrayFilter(
            m -> m.2 != mistaken.settled_pnl_usdc and abs(m.2 - expected_usdc) * 100 <= abs(expected_usdc),
            mistaken.made
        ) as near_mistakes
    from figures
    left join reach on figures.wallet = reach.wallet
    left join mistaken on figures.wallet = mistaken.wallet
),

-- A figure is compared only when all that it was made of is here.
judged as (
    select
        *,
        multiIf(
            notEmpty(not_loaded),
            concat(arrayStringConcat(not_loaded, ', '), ' not loaded from the first trade to ', toString(needed_until)),
            landed_fill_count < expected_fill_count,
            concat(toString(landed_fill_count), ' fills landed, ', toString(expected_fill_count), ' expected'),
            unplaced_fills > 0,
            concat(toString(unplaced_fills), ' fills of unknown outcomes: run polyledger load payouts'),
            coalesce(last_at >= as_of, false),
            concat('events after ', toString(as_of), ' are loaded too, and count'),
            actual_usdc is null,
            concat(definition, ' P&L is not known'),
            null
        ) as obstacle
    from measured
),

baselines as (
    select
        wallet,
        figure,
        definition,
        as_of,
        expected_usdc,
        actual_usdc,
        settled_usdc,
        realized_usdc,
        subgraph_usdc,
        variance_usdc,
        toFloat64(variance_usdc) * 100 / nullIf(toFloat64(abs(expected_usdc)), 0) as variance_percent,
        toBool(hundredfold <= abs(expected_usdc)) as is_within_1_percent,
        toBool(hundredfold <= abs(expected_usdc) * 5) as is_within_5_percent,
        warn_percent,
        error_percent,
        expected_fill_count,
        landed_fill_count,
        multiIf(
            obstacle is not null, 'not_checked',
            as_of is null, 'warn',
            coalesce(hundredfold > abs(expected_usdc) * error_percent, false), 'fail',
            hundredfold > abs(expected_usdc) * warn_percent, 'warn',
            'pass'
        ) as verdict,
        multiIf(
            obstacle is not null, obstacle,
            verdict = 'pass', null,
            as_of is null, 'the moment up to which it counts is not known',
            concat('more than ', toString(if(verdict = 'fail', error_percent, warn_percent)), ' % off')
        ) as reason,
        if(figure in ('net', 'dome_api_net') and not is_within_5_percent, near_mistakes.1, []) as resembles,
        origin
    from judged
)

select * from baselines
settings join_use_nulls = 1
