{{ config(materialized='view') }}

with lines as (select * from {{ ref('int_position_lines') }}),

replay_events as (
    {{ replay_events('lines') }}
)

select * from replay_events
