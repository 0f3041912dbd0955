{{ config(
    order_by=['wallet', 'day'],
    indexes=text_index('wallet'),
    meta={'by_wallets_of': 'int_positions'},
) }}

with positions as (select * from {{ ref('int_positions') }}),

resolution_times as (select * from {{ ref('int_resolution_times') }}),

settlements as (select * from {{ ref('int_settlements') }}),

carried_costs as (select * from {{ ref('int_carried_costs') }}),

realized as (
    select
        wallet,
        condition_id,
        realized_on.day as realized_on,
        realized_on.pnl_usdc as pnl_usdc
    from positions
    array join realized_by_day as realized_on
    where outcome_index != 255
),

realized_and_resolved as (
    select
        realized.wallet as wallet,
        realized.realized_on as realized_on,
        realized.pnl_usdc as pnl_usdc,
        toDate(resolution_times.resolved_at) as resolved_on
    from realized
    left join resolution_times on realized.condition_id = resolution_times.condition_id
),

-- Settled P&L is of all cash. What was realized on days before is booked already, so the day of settlement books the
-- rest; what is realized from then on is part of that.
bookings as (
    select
        wallet,
        booking.day as day,
        booking.realized_usdc as realized_usdc,
        toDecimal128(0, 6) as settled_usdc,
        booking.booked_usdc as booked_usdc,
        false as is_market
    from realized_and_resolved
    array join
        cast(
            multiIf(
                resolved_on is null, [(realized_on, pnl_usdc, pnl_usdc)],
                realized_on < resolved_on, [(realized_on, pnl_usdc, pnl_usdc), (resolved_on, 0, -pnl_usdc)],
                [(realized_on, pnl_usdc, 0)]
            ),
            'Array(Tuple(day Date, realized_usdc Decimal(38, 6), booked_usdc Decimal(38, 6)))'
        ) as booking
    union all
    select
        settlements.wallet as wallet,
        settlements.settled_on as day,
        toDecimal128(0, 6) as realized_usdc,
        settlements.settled_pnl_usdc as settled_usdc,
        settlements.settled_pnl_usdc - coalesce(carried_costs.carried_usdc, toDecimal128(0, 6)) as booked_usdc,
        settlements.is_traded as is_market
    from settlements
    left join carried_costs
        on
            settlements.wallet = carried_costs.wallet
            and settlements.condition_id = carried_costs.condition_id
),

-- Beyond two gigabytes the days of a step are put together on disk.
days as (
    select
        wallet,
        day,
        sum(realized_usdc) as realized_pnl_usdc,
        sum(settled_usdc) as settled_pnl_usdc,
        sum(booked_usdc) as booked_pnl_usdc,
        countIf(is_market) as markets_resolved,
        countIf(is_market and settled_usdc > 0) as markets_won,
        toUInt32(count()) as bookings
    from bookings
    group by wallet, day
)

select * from days
settings join_use_nulls = 1, max_bytes_before_external_group_by = 2000000000
