{{ config(order_by=['condition_id', 'outcome_index', 'wallet'], indexes=text_index('condition_id')) }}

with positions as (select * from {{ ref('int_positions') }}),

-- What is still held, by market: positions are sorted by wallet, and a market's lie all over them. What it is worth
-- changes with every trade and is not here, so that a day of fills touches only what was traded.
holders as (
    select
        condition_id,
        outcome_index,
        wallet,
        shares,
        cost_usdc
    from positions
    where shares > 0 and outcome_index != 255
)

select * from holders
