{{ config(materialized='view') }}

with events as (select * from {{ ref('int_amm_events') }}),

-- Base units. What goes in or out of a pool has the price that the pool has by it: the other outcome's part.
counted as (
    select
        *,
        reinterpretAsInt128(usdc) as cash,
        reinterpretAsInt128(shares) as units,
        reinterpretAsInt128(liquidity[1]) as units_0,
        reinterpretAsInt128(liquidity[2]) as units_1,
        greatest(units_0 + units_1, 1) as both,
        [intDiv(units_1 * 1000000, both), intDiv(units_0 * 1000000, both)] as prices,
        if(units_0 > units_1, 1, 0) as scarce,
        abs(units_0 - units_1) as surplus,
        intDiv(surplus * prices[scarce + 1], 1000000) as surplus_cost,
        intDiv(units_0 * prices[1], 1000000) as cost_0,
        intDiv(units_1 * prices[2], 1000000) as cost_1
    from events
),

-- Leg, outcome, shares, USDC and the price of the pnl subgraph. A provider buys what comes back at the pool's price and
-- the pool's shares for the rest; who takes back gets the fees, and the outcomes at the pool's price, for those shares.
-- (The subgraph takes the cost of the outcomes off their price, where one would add it.)
divided as (
    select
        *,
        multiIf(
            action = 'buy',
            [(toUInt16(0), outcome_index, units, -cash, intDiv(cash * 1000000, greatest(units, 1)))],
            action = 'sell',
            [(toUInt16(0), outcome_index, -units, cash, intDiv(cash * 1000000, greatest(units, 1)))],
            action = 'add',
            [
                (toUInt16(scarce), toUInt8(scarce), surplus, -surplus_cost, prices[scarce + 1]),
                (
                    toUInt16(2),
                    share_index,
                    units,
                    surplus_cost - cash,
                    intDiv((cash - surplus_cost) * 1000000, greatest(units, 1))
                )
            ],
            [
                (toUInt16(3), toUInt8(0), units_0, -cost_0, prices[1]),
                (toUInt16(4), toUInt8(1), units_1, -cost_1, prices[2]),
                (
                    toUInt16(5),
                    share_index,
                    -units,
                    cash + cost_0 + cost_1,
                    intDiv((cash - cost_0 - cost_1) * 1000000, greatest(units, 1))
                )
            ]
        ) as legs
    from counted
),

legs as (
    select
        source_id,
        transaction_hash,
        log_index,
        happened_at,
        moment,
        pool,
        wallet,
        condition_id,
        action,
        part.1 as leg,
        part.2 as outcome_index,
        if(action in ('buy', 'sell'), toUInt256(0), share_token_id) as share_token_id,
        reinterpret(toInt128(part.3), 'Decimal(38, 6)') as delta_shares,
        reinterpret(toInt128(part.4), 'Decimal(38, 6)') as delta_usdc,
        toInt128(part.5) as subgraph_price,
        if(action in ('buy', 'sell'), usdc, toDecimal128(0, 6)) as volume_usdc,
        fee_usdc
    from divided
    array join divided.legs as part
    where part.3 != 0 or part.4 != 0
)

select * from legs
