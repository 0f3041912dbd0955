-- A trade with a market maker, and liquidity added or removed, changes holdings; none may be lost on the way.
with landed as (
    select
        id,
        market as pool
    from {{ source('goldsky', 'fpmm_transactions') }}
    where outcome_tokens_amount > 0
    union all
    select
        id,
        fpmm as pool
    from {{ source('goldsky', 'fpmm_funding_additions') }}
    where shares_minted > 0
    union all
    select
        id,
        fpmm as pool
    from {{ source('goldsky', 'fpmm_funding_removals') }}
    where shares_burnt > 0
)

select id from landed
where
    pool in (select pool from {{ ref('int_market_makers') }})
    and id not in (
        select arrayStringConcat(arrayPopBack(splitByChar('-', event_id)), '-')
        from {{ ref('fct_position_events') }}
        where event_type = 'amm'
    )
