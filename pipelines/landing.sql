-- Where Goldsky's pipelines land V2 fills, and how they become rows of order_filled_events_v2.
-- A sink writes text and knows neither bytes nor 256-bit numbers, so it writes here, and the view types each batch as
-- it comes. What cannot be typed (an amount with a fraction or too large, a hash of another length, a side by another
-- name) is refused with its whole batch: the pipeline stops and says why, instead of landing something else. The landing
-- table itself stores nothing.
create table if not exists polyledger_raw.goldsky_fills_v2 (
    id String comment 'transaction hash, then log index; what the sink goes by',
    transaction_hash String comment '0x and 64 hex digits',
    log_index UInt32 comment 'Place of the log in its block',
    block_number UInt64 comment 'Block',
    block_timestamp UInt64 comment 'Unix seconds',
    address String comment 'Exchange; 0x and 40 hex digits',
    order_hash String comment '0x and 64 hex digits',
    maker String comment '0x and 40 hex digits',
    taker String comment '0x and 40 hex digits',
    side String comment '0 or buy, 1 or sell',
    token_id String comment 'Decimal digits',
    maker_amount_filled String comment 'Base units, decimal digits',
    taker_amount_filled String comment 'Base units, decimal digits',
    fee String comment 'Base units of collateral, decimal digits',
    builder String comment '0x and 64 hex digits',
    metadata String comment '0x and 64 hex digits',
    is_deleted UInt8 default 0 comment 'Written by the sink: 1 where the block has left the chain',
    insert_time DateTime default now() comment 'Written by the sink'
) engine = Null;

create materialized view if not exists polyledger_raw.goldsky_fills_v2_typed to polyledger_raw.order_filled_events_v2 as
select
    toFixedString(unhex(substring(transaction_hash, 3)), 32) as transaction_hash,
    log_index,
    block_number,
    toDateTime(block_timestamp, 'UTC') as timestamp,
    toFixedString(unhex(substring(address, 3)), 20) as address,
    toFixedString(unhex(substring(order_hash, 3)), 32) as order_hash,
    toFixedString(unhex(substring(maker, 3)), 20) as maker,
    toFixedString(unhex(substring(taker, 3)), 20) as taker,
    toUInt8(transform(
        lower(side),
        ['0', 'buy', '1', 'sell'],
        [0, 0, 1, 1],
        throwIf(lower(side) not in ('0', 'buy', '1', 'sell'), 'side must be 0, buy, 1 or sell')
    )) as side,
    toUInt256(token_id) as token_id,
    accurateCast(maker_amount_filled, 'UInt64') as maker_amount_filled,
    accurateCast(taker_amount_filled, 'UInt64') as taker_amount_filled,
    accurateCast(fee, 'UInt64') as fee,
    toFixedString(unhex(substring(builder, 3)), 32) as builder,
    toFixedString(unhex(substring(metadata, 3)), 32) as metadata,
    is_deleted,
    'goldsky' as _run_id
from polyledger_raw.goldsky_fills_v2 as landed
where
    not throwIf(
        arrayExists(
            text -> not match(text, '^0x[0-9a-fA-F]{64}$'),
            [landed.transaction_hash, landed.order_hash, landed.builder, landed.metadata]
        ),
        'transaction_hash, order_hash, builder and metadata must be 0x and 64 hex digits'
    )
    and not throwIf(
        arrayExists(text -> not match(text, '^0x[0-9a-fA-F]{40}$'), [landed.address, landed.maker, landed.taker]),
        'address, maker and taker must be 0x and 40 hex digits'
    )
    and not throwIf(landed.block_timestamp >= 4294967296, 'block_timestamp must be seconds')
    -- What is too large begins at 0 again.
    and not throwIf(
        toString(toUInt256OrZero(landed.token_id)) != landed.token_id,
        'token_id must be the decimal digits of a number below 2^256'
    );
