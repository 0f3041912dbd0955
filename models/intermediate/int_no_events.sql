{{ config(materialized='view') }}

with conversions as (select * from {{ ref('int_conversions') }}),

lines as (
    select *
    from {{ merged([ref('int_entries'), ref('int_redemptions')]) }}
    where
        outcome_index = 1
        and (wallet, condition_id) in (
            select
                wallet,
                condition_id
            from conversions
            where outcome_index = 1
        )
),

no_events as (
    {{ replay_events('lines', costs=false) }}
)

select * from no_events
