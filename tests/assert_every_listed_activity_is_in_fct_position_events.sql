-- A split, merge or conversion of a Polymarket condition changes holdings; none may be lost on the way.
with landed as (
    select
        id,
        condition
    from {{ source('goldsky', 'splits') }}
    union all
    select
        id,
        condition
    from {{ source('goldsky', 'merges') }}
),

listed as (
    select id from landed
    where
        condition in (select condition_id from {{ ref('int_markets') }})
        and id not in (select set_event_id from {{ ref('int_exchange_sets') }})
    union all
    select id from {{ source('goldsky', 'neg_risk_conversions') }}
)

select id from listed
where id not in (
    select arrayStringConcat(arrayPopBack(splitByChar('-', event_id)), '-')
    from {{ ref('fct_position_events') }}
    where event_type != 'fill'
)
