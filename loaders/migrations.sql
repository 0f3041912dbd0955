-- How raw tables that an earlier version made become those that schema.sql declares. Tables that are missing altogether
-- are created before; here is what changes in those that are there, once for each number, in this order. A statement
-- that is run a second time must change nothing: the number is written down after the last one.

-- 1. What is acknowledged is on the disk.
alter table polyledger_raw.order_filled_events modify setting fsync_after_insert = 1, fsync_part_directory = 1;
alter table polyledger_raw.fee_refunds modify setting fsync_after_insert = 1, fsync_part_directory = 1;
alter table polyledger_raw.market_data modify setting fsync_after_insert = 1, fsync_part_directory = 1;
alter table polyledger_raw.conditions modify setting fsync_after_insert = 1, fsync_part_directory = 1;
alter table polyledger_raw.splits modify setting fsync_after_insert = 1, fsync_part_directory = 1;
alter table polyledger_raw.merges modify setting fsync_after_insert = 1, fsync_part_directory = 1;
alter table polyledger_raw.redemptions modify setting fsync_after_insert = 1, fsync_part_directory = 1;
alter table polyledger_raw.neg_risk_conversions modify setting fsync_after_insert = 1, fsync_part_directory = 1;
alter table polyledger_raw.neg_risk_events modify setting fsync_after_insert = 1, fsync_part_directory = 1;
alter table polyledger_raw.user_positions modify setting fsync_after_insert = 1, fsync_part_directory = 1;
alter table polyledger_raw.load_windows modify setting fsync_after_insert = 1, fsync_part_directory = 1;
alter table polyledger_raw.rejected_rows modify setting fsync_after_insert = 1, fsync_part_directory = 1;
alter table polyledger_raw.load_runs modify setting fsync_after_insert = 1, fsync_part_directory = 1;
alter table polyledger_raw.load_leases modify setting fsync_after_insert = 1, fsync_part_directory = 1;

-- 2. Rows that come from now on take a fifth less room.
alter table polyledger_raw.order_filled_events modify setting default_compression_codec = 'ZSTD(1)';
alter table polyledger_raw.fee_refunds modify setting default_compression_codec = 'ZSTD(1)';
alter table polyledger_raw.market_data modify setting default_compression_codec = 'ZSTD(1)';
alter table polyledger_raw.conditions modify setting default_compression_codec = 'ZSTD(1)';
alter table polyledger_raw.redemptions modify setting default_compression_codec = 'ZSTD(1)';
alter table polyledger_raw.neg_risk_conversions modify setting default_compression_codec = 'ZSTD(1)';
alter table polyledger_raw.neg_risk_events modify setting default_compression_codec = 'ZSTD(1)';
alter table polyledger_raw.user_positions modify setting default_compression_codec = 'ZSTD(1)';
alter table polyledger_raw.order_filled_events_v2 modify setting default_compression_codec = 'ZSTD(1)';
alter table polyledger_raw.condition_resolutions modify setting default_compression_codec = 'ZSTD(1)';
alter table polyledger_raw.file_payouts modify setting default_compression_codec = 'ZSTD(1)';
alter table polyledger_raw.load_windows modify setting default_compression_codec = 'ZSTD(1)';
alter table polyledger_raw.rejected_rows modify setting default_compression_codec = 'ZSTD(1)';
alter table polyledger_raw.load_runs modify setting default_compression_codec = 'ZSTD(1)';
alter table polyledger_raw.load_leases modify setting default_compression_codec = 'ZSTD(1)';
alter table polyledger_raw.splits modify setting default_compression_codec = 'ZSTD(1)';
alter table polyledger_raw.merges modify setting default_compression_codec = 'ZSTD(1)';

-- 3. Fills in large blocks, in which wallets and tokens are found that came before.
alter table polyledger_raw.order_filled_events modify setting
    default_compression_codec = 'ZSTD(3)', min_compress_block_size = 2097152, max_compress_block_size = 2097152;
alter table polyledger_raw.order_filled_events_v2 modify setting
    default_compression_codec = 'ZSTD(3)', min_compress_block_size = 2097152, max_compress_block_size = 2097152;
