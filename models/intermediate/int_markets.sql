{{ config(order_by='condition_id') }}

with registered as (select * from {{ ref('stg_goldsky__registered_tokens') }}),

questions as (select * from {{ ref('int_neg_risk_questions') }}),

fills as (select * from {{ ref('stg_goldsky__order_fills') }}),

fills_v2 as (select * from {{ ref('stg_chain__order_fills') }}),

tokens as (select * from {{ ref('int_tokens') }}),

market_makers as (select * from {{ ref('int_market_makers') }}),

traded as (
    select distinct if(given_asset_id = 0, received_asset_id, given_asset_id) as token_id
    from fills
    union distinct
    select distinct if(given_asset_id = 0, received_asset_id, given_asset_id) as token_id
    from fills_v2
),

-- Other projects use the same contract with collateral of their own. A condition is Polymarket's when an exchange
-- lists or has traded one of its tokens, when a market maker of Polymarket's is landed that trades it, or when it is a
-- question of a neg-risk event.
listed as (
    select
        condition_id,
        false as is_neg_risk
    from registered
    union all
    select
        condition_id,
        true as is_neg_risk
    from questions
    union all
    select
        tokens.condition_id as condition_id,
        false as is_neg_risk
    from tokens
    inner join traded on tokens.token_id = traded.token_id
    union all
    select
        condition_id,
        false as is_neg_risk
    from market_makers
),

markets as (
    select
        condition_id,
        max(is_neg_risk) as is_neg_risk
    from listed
    group by condition_id
)

select * from markets
