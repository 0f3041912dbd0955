{{ config(order_by=['condition_id', 'outcome_index', 'wallet']) }}

with position_values as (select * from {{ ref('int_position_values') }}),

-- fct_positions by market, of what is still held: it is sorted by wallet, and a market's rows lie all over it.
holders as (
    select
        {{ hex_text('position_values.condition_id') }} as condition_id,
        outcome_index,
        {{ hex_text('position_values.wallet') }} as wallet,
        shares,
        cost_usdc,
        value_usdc,
        unrealized_pnl_usdc
    from position_values
    where shares > 0
)

select * from holders
