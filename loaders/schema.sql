{#- What the loaders and dbt share: the loaders render this file, and dbt reads its macros (macro-paths).
    The raw tables are declared here once.
    One row as the subgraph served it, typed but lossless. Statements end with a semicolon at the end of a line.
    Copies of a row (a window loaded twice) are dropped by the engine when it pleases and by the models always. -#}
{#- The condition of a neg-risk question, 32 bytes: its question id is the event's id with the question as last byte,
    its oracle is the neg-risk adapter 0xd91e80cF2E7be2e162c6513ceD06f1dD0dA35296, and it has two outcomes. -#}
{% macro condition_of_question(neg_risk_event_id, question) -%}
    keccak256(concat(
        unhex('d91e80cf2e7be2e162c6513ced06f1dd0da35296'),
        substring({{ neg_risk_event_id }}, 1, 31),
        char({{ question }}),
        leftPad(char(2), 32, char(0))
    ))
{%- endmacro %}
{#- Logs of the chain itself: where each was, and whether that block is still part of the chain. -#}
{% macro place_in_chain() -%}
    id String alias concat(
        '0x', lower(hex(transaction_hash)), '_0x', replaceRegexpOne(lower(hex(log_index)), '^0', '')
    ) comment 'transaction hash, then log index in hex',
    transaction_hash FixedString(32) comment 'Transaction that logged it',
    log_index UInt32 comment 'Place of the log in its block',
    block_number UInt64 comment 'Block',
    timestamp DateTime('UTC') comment 'Block time',
    address FixedString(20) comment 'Contract that logged it',
{%- endmacro %}
{% macro raw_tables(database) %}
{#- What is acknowledged survives a power cut: rows are on the disk before the window that says so is recorded. Ids and
    hashes in text are half as long with ZSTD as with LZ4. -#}
{% set on_disk -%}
settings fsync_after_insert = 1, fsync_part_directory = 1, default_compression_codec = 'ZSTD(1)'
{%- endset %}
{#- Wallets and tokens of fills come again thousands of rows later. In blocks this large they are found there. -#}
{% set in_large_blocks -%}
settings
    fsync_after_insert = 1, fsync_part_directory = 1, default_compression_codec = 'ZSTD(3)',
    min_compress_block_size = 2097152, max_compress_block_size = 2097152
{%- endset %}
create database if not exists {{ database }};

create table if not exists {{ database }}.order_filled_events (
    id String alias concat('0x', lower(hex(transaction_hash)), '_0x', lower(hex(order_hash)))
        comment 'transactionHash_orderHash, checked when landed',
    transaction_hash FixedString(32) comment 'Transaction that filled the order',
    timestamp DateTime('UTC') comment 'Block time',
    order_hash FixedString(32) comment 'Order that was filled',
    maker FixedString(20) comment 'Owner of the order: the wallet whose fill this is',
    taker FixedString(20) comment 'Counterparty; the exchange itself on the row of the taker order',
    maker_asset_id UInt256 comment 'Token that the owner gave; 0 is collateral',
    taker_asset_id UInt256 comment 'Token that the owner received; 0 is collateral',
    maker_amount_filled UInt64 comment 'Given by the owner. Base units (10^-6)',
    taker_amount_filled UInt64 comment 'Received by the owner before the fee. Base units (10^-6)',
    fee UInt64 comment 'Fee taken from what the owner received. Base units of that token',
    _loaded_at DateTime64(6, 'UTC') default now64(6, 'UTC') comment 'When this copy was landed',
    _run_id LowCardinality(String) comment 'Run that landed this copy'
) engine = ReplacingMergeTree(_loaded_at)
partition by toYYYYMM(timestamp)
order by (timestamp, transaction_hash, order_hash)
{{ in_large_blocks }}
comment 'orderbook-subgraph OrderFilledEvent: one row per filled order and transaction';

create table if not exists {{ database }}.fee_refunds (
    id String comment 'transaction hash, then log index in hex',
    order_hash FixedString(32) comment 'Order whose fee was refunded',
    token_id UInt256 comment 'Token of the fee; 0 is collateral',
    timestamp DateTime('UTC') comment 'Block time',
    refundee FixedString(20) comment 'Wallet that got the refund',
    fee_refunded UInt256 comment 'Given back. Base units of the token',
    fee_charged UInt256 comment 'Kept by the operator. Base units of the token',
    neg_risk Bool comment 'Refunded by the neg-risk fee module',
    _loaded_at DateTime64(6, 'UTC') default now64(6, 'UTC') comment 'When this copy was landed',
    _run_id LowCardinality(String) comment 'Run that landed this copy'
) engine = ReplacingMergeTree(_loaded_at)
partition by toYYYYMM(timestamp)
order by (timestamp, id)
{{ on_disk }}
comment 'fee-module-subgraph FeeRefundedEntity: one row per refund';

create table if not exists {{ database }}.market_data (
    id UInt256 comment 'Outcome token registered on an exchange',
    condition FixedString(32) comment 'Its condition',
    outcome_index Nullable(UInt256) comment 'Never set by the source, and no outcome order if it were',
    _loaded_at DateTime64(6, 'UTC') default now64(6, 'UTC') comment 'When this copy was landed',
    _run_id LowCardinality(String) comment 'Run that landed this copy'
) engine = ReplacingMergeTree(_loaded_at)
order by id
{{ on_disk }}
comment 'orderbook-subgraph MarketData: one row per registered outcome token';

create table if not exists {{ database }}.conditions (
    id FixedString(32) comment 'Condition',
    position_ids Array(UInt256) comment 'Outcome tokens in outcome order',
    payout_numerators Array(String) comment 'As served: integers, decimals or 10^18 scale; empty until resolved',
    payout_denominator String comment 'As served; 0 or empty until resolved',
    _loaded_at DateTime64(6, 'UTC') default now64(6, 'UTC') comment 'When this copy was landed',
    _run_id LowCardinality(String) comment 'Run that landed this copy'
) engine = ReplacingMergeTree(_loaded_at)
order by id
{{ on_disk }}
comment 'pnl-subgraph Condition: one row per condition and the payout known when it was asked';

{% for table, event in [('splits', 'Split: collateral turned into a full set'),
                        ('merges', 'Merge: a full set turned back into collateral')] %}
create table if not exists {{ database }}.{{ table }} (
    id String comment 'transaction hash, then log index in hex',
    timestamp DateTime('UTC') comment 'Block time',
    stakeholder FixedString(20) comment 'Wallet',
    condition FixedString(32) comment 'Condition; may be one of another project that uses the same contract',
    amount UInt256 comment 'Sets. Base units of the collateral (10^-6 for USDC)',
    _loaded_at DateTime64(6, 'UTC') default now64(6, 'UTC') comment 'When this copy was landed',
    _run_id LowCardinality(String) comment 'Run that landed this copy'
) engine = ReplacingMergeTree(_loaded_at)
partition by toYYYYMM(timestamp)
order by (timestamp, id)
{{ on_disk }}
comment 'activity-subgraph {{ event }}';
{% endfor %}

create table if not exists {{ database }}.redemptions (
    id String comment 'transaction hash, then log index in hex',
    timestamp DateTime('UTC') comment 'Block time',
    redeemer FixedString(20) comment 'Wallet',
    condition FixedString(32) comment 'Condition; may be one of another project that uses the same contract',
    index_sets Array(UInt256) comment 'Outcomes redeemed: 1 is outcome 0, 2 is outcome 1',
    payout UInt256 comment 'Collateral received. Base units (10^-6 for USDC)',
    _loaded_at DateTime64(6, 'UTC') default now64(6, 'UTC') comment 'When this copy was landed',
    _run_id LowCardinality(String) comment 'Run that landed this copy'
) engine = ReplacingMergeTree(_loaded_at)
partition by toYYYYMM(timestamp)
order by (timestamp, id)
{{ on_disk }}
comment 'activity-subgraph Redemption: outcome tokens turned into their payout';

create table if not exists {{ database }}.neg_risk_conversions (
    id String comment 'transaction hash, then log index in hex',
    timestamp DateTime('UTC') comment 'Block time',
    stakeholder FixedString(20) comment 'Wallet',
    neg_risk_market_id FixedString(32) comment 'Neg-risk event; its last byte is zero',
    amount UInt256 comment 'NO shares given up of each question in the set. Base units (10^-6)',
    index_set UInt256 comment 'Questions whose NO was given up, one bit each',
    question_count UInt32 comment 'Questions of the event at that moment',
    _loaded_at DateTime64(6, 'UTC') default now64(6, 'UTC') comment 'When this copy was landed',
    _run_id LowCardinality(String) comment 'Run that landed this copy'
) engine = ReplacingMergeTree(_loaded_at)
partition by toYYYYMM(timestamp)
order by (timestamp, id)
{{ on_disk }}
comment 'activity-subgraph NegRiskConversion: NO of some questions turned into YES of the others and collateral';

create table if not exists {{ database }}.neg_risk_events (
    id FixedString(32) comment 'Neg-risk market id; its last byte is zero',
    question_count UInt32 comment 'Questions of the event when it was asked',
    _loaded_at DateTime64(6, 'UTC') default now64(6, 'UTC') comment 'When this copy was landed',
    _run_id LowCardinality(String) comment 'Run that landed this copy'
) engine = ReplacingMergeTree(_loaded_at)
order by id
{{ on_disk }}
comment 'activity-subgraph NegRiskEvent: questions of which exactly one resolves YES';

create table if not exists {{ database }}.user_positions (
    id String comment 'user-tokenId',
    user FixedString(20) comment 'Wallet',
    token_id UInt256 comment 'Outcome token',
    amount UInt256 comment 'Shares held. Base units (10^-6)',
    avg_price Int256 comment 'Average cost of a share. 10^-6 USDC; may be negative',
    realized_pnl Int256 comment 'Signed. USDC base units (10^-6)',
    total_bought UInt256 comment 'Shares ever bought. Base units (10^-6)',
    _loaded_at DateTime64(6, 'UTC') default now64(6, 'UTC') comment 'When this copy was landed',
    _run_id LowCardinality(String) comment 'Run that landed this copy'
) engine = ReplacingMergeTree(_loaded_at)
order by (user, token_id)
{{ on_disk }}
comment 'pnl-subgraph UserPosition: the record that Polymarket itself keeps';

create table if not exists {{ database }}.fpmms (
    id FixedString(20) comment 'Address of the market maker, which is its pool; shares of the pool are a token of it',
    creator FixedString(20) comment 'Wallet that deployed it',
    creation_timestamp DateTime('UTC') comment 'Block time of its beginning',
    collateral_token FixedString(20) comment 'Collateral; other projects may use the same factory with their own',
    conditions Array(FixedString(32)) comment 'Conditions whose outcomes it trades; Polymarket uses one',
    fee UInt256 comment 'Part of each trade that the pool keeps. 10^-18',
    _loaded_at DateTime64(6, 'UTC') default now64(6, 'UTC') comment 'When this copy was landed',
    _run_id LowCardinality(String) comment 'Run that landed this copy'
) engine = ReplacingMergeTree(_loaded_at)
order by id
{{ on_disk }}
comment 'fpmm-subgraph FixedProductMarketMaker: what never changes of an automated market maker';

create table if not exists {{ database }}.fpmm_transactions (
    id String comment 'transaction hash, then log index in hex',
    type LowCardinality(String) comment 'Buy or Sell',
    timestamp DateTime('UTC') comment 'Block time',
    market FixedString(20) comment 'Market maker',
    user FixedString(20) comment 'Wallet',
    trade_amount UInt256 comment 'Paid by a buyer, the fee included; received by a seller, after the fee. Base units (10^-6)',
    fee_amount UInt256 comment 'Kept by the pool for its providers. Base units (10^-6)',
    outcome_index UInt256 comment 'Outcome bought or sold',
    outcome_tokens_amount UInt256 comment 'Shares bought or sold. Base units (10^-6)',
    _loaded_at DateTime64(6, 'UTC') default now64(6, 'UTC') comment 'When this copy was landed',
    _run_id LowCardinality(String) comment 'Run that landed this copy'
) engine = ReplacingMergeTree(_loaded_at)
partition by toYYYYMM(timestamp)
order by (timestamp, id)
{{ on_disk }}
comment 'fpmm-subgraph FpmmTransaction: a trade with an automated market maker';

create table if not exists {{ database }}.fpmm_funding_additions (
    id String comment 'transaction hash; of two additions in one transaction the source keeps the last',
    timestamp DateTime('UTC') comment 'Block time',
    fpmm FixedString(20) comment 'Market maker',
    funder FixedString(20) comment 'Wallet that provides',
    amounts_added Array(UInt256) comment 'Shares that went into the pool, by outcome. Base units (10^-6); the most is what was paid',
    amounts_refunded Array(UInt256) comment 'Shares that the funder got back, by outcome. Base units (10^-6)',
    shares_minted UInt256 comment 'Shares of the pool that the funder got. Base units (10^-6)',
    _loaded_at DateTime64(6, 'UTC') default now64(6, 'UTC') comment 'When this copy was landed',
    _run_id LowCardinality(String) comment 'Run that landed this copy'
) engine = ReplacingMergeTree(_loaded_at)
partition by toYYYYMM(timestamp)
order by (timestamp, id)
{{ on_disk }}
comment 'fpmm-subgraph FpmmFundingAddition: liquidity that was added';

create table if not exists {{ database }}.fpmm_funding_removals (
    id String comment 'transaction hash; of two removals in one transaction the source keeps the last',
    timestamp DateTime('UTC') comment 'Block time',
    fpmm FixedString(20) comment 'Market maker',
    funder FixedString(20) comment 'Wallet that takes back',
    amounts_removed Array(UInt256) comment 'Shares that the funder got, by outcome. Base units (10^-6)',
    collateral_removed UInt256 comment 'Fees that the funder got. Base units (10^-6)',
    shares_burnt UInt256 comment 'Shares of the pool that the funder gave. Base units (10^-6)',
    _loaded_at DateTime64(6, 'UTC') default now64(6, 'UTC') comment 'When this copy was landed',
    _run_id LowCardinality(String) comment 'Run that landed this copy'
) engine = ReplacingMergeTree(_loaded_at)
partition by toYYYYMM(timestamp)
order by (timestamp, id)
{{ on_disk }}
comment 'fpmm-subgraph FpmmFundingRemoval: liquidity that was removed';

create table if not exists {{ database }}.order_filled_events_v2 (
    {{ place_in_chain() }}
    order_hash FixedString(32) comment 'Order that was filled',
    maker FixedString(20) comment 'Owner of the order: the wallet whose fill this is',
    taker FixedString(20) comment 'Counterparty; the exchange itself on the row of the taker order',
    side UInt8 comment 'Of the order: 0 buys the token, 1 sells it',
    token_id UInt256 comment 'Outcome token that was bought or sold',
    maker_amount_filled UInt64 comment 'Given by the owner, without the fee. Base units (10^-6)',
    taker_amount_filled UInt64 comment 'Received by the owner, before the fee. Base units (10^-6)',
    fee UInt64 comment 'Collateral, whatever the side: on top of what a buyer gives, out of what a seller receives',
    builder FixedString(32) comment 'Code of the builder that brought the order, zero where none did',
    metadata FixedString(32) comment 'Set by whoever made the order',
    is_deleted UInt8 default 0 comment '1: its block left the chain after it was landed, so it does not count',
    _loaded_at DateTime64(6, 'UTC') default now64(6, 'UTC') comment 'When this copy was landed',
    _run_id LowCardinality(String) comment 'Run that landed this copy'
) engine = ReplacingMergeTree(_loaded_at)
partition by toYYYYMM(timestamp)
order by (timestamp, transaction_hash, log_index)
{{ in_large_blocks }}
comment 'OrderFilled of the V2 exchanges: one row per filled order and log';

create table if not exists {{ database }}.condition_resolutions (
    {{ place_in_chain() }}
    condition_id FixedString(32) comment 'Condition that was resolved',
    oracle FixedString(20) comment 'Who resolved it',
    question_id FixedString(32) comment 'The question of the oracle',
    outcome_slot_count UInt32 comment 'Outcomes',
    payout_numerators Array(UInt256) comment 'By outcome; their sum is the denominator',
    is_deleted UInt8 default 0 comment '1: its block left the chain after it was landed, so it does not count',
    _loaded_at DateTime64(6, 'UTC') default now64(6, 'UTC') comment 'When this copy was landed',
    _run_id LowCardinality(String) comment 'Run that landed this copy'
) engine = ReplacingMergeTree(_loaded_at)
partition by toYYYYMM(timestamp)
order by (timestamp, transaction_hash, log_index)
{{ on_disk }}
comment 'ConditionResolution of the conditional tokens contract: one row per resolved condition';

create table if not exists {{ database }}.file_payouts (
    condition_id FixedString(32) comment 'Condition',
    payouts Array(String) comment 'By outcome, as given: integers or decimals',
    resolved_at Nullable(DateTime('UTC')) comment 'When it was resolved, where the file says so',
    file String comment 'Name of the file',
    _loaded_at DateTime64(6, 'UTC') default now64(6, 'UTC') comment 'When this copy was landed',
    _run_id LowCardinality(String) comment 'Run that landed this copy'
) engine = ReplacingMergeTree(_loaded_at)
order by condition_id
{{ on_disk }}
comment 'Payout vectors that somebody gave in a file: one row per condition';

create table if not exists {{ database }}.load_windows (
    entity LowCardinality(String) comment 'Entity as the subgraph names it',
    scope String
        comment 'Filter of the load: empty for all, wallet:0x.., token:1.., all, named (by landed rows), or id: one asked for',
    since DateTime('UTC') comment 'First second of the window',
    until DateTime('UTC') comment 'End of the window, exclusive',
    cursor String
        comment 'Last row landed, as timestamp:id or id, empty before the first; of state the block it is as of, as block:unix time:deployment; of logs the blocks, as first-last landed-last:hash of the last landed',
    state LowCardinality(String) comment 'open, complete, split (its parts count instead), or not_found (an id unknown to the subgraph)',
    updated_at DateTime64(6, 'UTC') default now64(6, 'UTC') comment 'When this was recorded; the newest counts'
) engine = ReplacingMergeTree(updated_at)
order by (entity, scope, since, until)
{{ on_disk }}
comment 'Memory of the loaders: what is landed, and up to where';

create table if not exists {{ database }}.rejected_rows (
    entity LowCardinality(String) comment 'Entity as the subgraph names it',
    row_id String comment 'Its id, where it had one',
    reason String comment 'What could not be understood',
    raw String comment 'The row as served, JSON',
    rejected_at DateTime64(6, 'UTC') default now64(6, 'UTC') comment 'When it was last seen',
    _run_id LowCardinality(String) comment 'Run that saw it'
) engine = ReplacingMergeTree(rejected_at)
order by (entity, row_id, reason, raw)
{{ on_disk }}
comment 'Rows that could not be understood, kept as they came';

create table if not exists {{ database }}.load_runs (
    run_id String comment 'As _run_id of the rows that the run landed',
    command String comment 'What was called, as load fills',
    asked String comment 'With which options, JSON',
    host String comment 'Where it ran',
    pid UInt32 comment 'Its process there',
    version LowCardinality(String) comment 'Version of polyledger',
    started_at DateTime64(6, 'UTC') comment 'Begin',
    state LowCardinality(String) comment 'running, done, incomplete (something is still open), failed or stopped',
    rows UInt64 comment 'Landed',
    rejected UInt64 comment 'Kept aside in rejected_rows',
    requests UInt64 comment 'Asked of the endpoint',
    retries UInt64 comment 'Of these, asked again after trouble',
    refused UInt64 comment 'Of these, answered with HTTP 429',
    bytes UInt64 comment 'Answered, after decompression',
    seconds Float64 comment 'Duration so far',
    updated_at DateTime64(6, 'UTC') default now64(6, 'UTC') comment 'Last sign of life; the newest row of a run counts'
) engine = ReplacingMergeTree(updated_at)
order by run_id
{{ on_disk }}
comment 'Record of each run of a loader';

create table if not exists {{ database }}.load_leases (
    run_id String comment 'Run that asks for or holds what it loads, so that no other loads the same meanwhile',
    things Array(String) comment 'What it loads: entity and scope, as OrderFilledEvent wallet:0x..',
    since DateTime('UTC') comment 'First second of the range that it loads',
    until DateTime('UTC') comment 'End of the range, exclusive',
    state LowCardinality(String) comment 'asked, held or free',
    command String comment 'What was called, as load fills',
    host String comment 'Where it runs',
    place String comment 'Which processes of the host it sees: those of a container are others',
    pid UInt32 comment 'Its process there',
    asked_at DateTime64(6, 'UTC') comment 'When it asked first, by its own clock; the first is served first',
    updated_at DateTime64(6, 'UTC') default now64(6, 'UTC') comment 'Last sign of life; the newest row of a run counts'
) engine = ReplacingMergeTree(updated_at)
order by run_id
ttl toDateTime(updated_at) + interval 1 day
{{ on_disk }}
comment 'Who loads what now; on servers only, an embedded folder has a lock file';

create table if not exists {{ database }}.schema_versions (
    version UInt32 comment 'Last migration of loaders/migrations.sql that these tables have',
    applied_at DateTime64(6, 'UTC') default now64(6, 'UTC') comment 'When they got there'
) engine = ReplacingMergeTree(applied_at)
order by version
{{ on_disk }}
comment 'Of which version the raw tables are; the highest counts';
{% endmacro %}
{#- The same on a cluster: each table as a local one of rows on every node, x_local, and a Distributed one, x, which reads
    and writes them all. Copies of a row meet on one shard, or `final` would miss them: what a table is sharded by is
    part of what it is ordered by. `replicated` is for shards that have replicas. -#}
{% macro raw_tables_on_cluster(database, cluster, replicated) %}
{% set sharded_by = {
    'order_filled_events': 'transaction_hash',
    'fee_refunds': 'id',
    'market_data': 'id',
    'conditions': 'id',
    'splits': 'id',
    'merges': 'id',
    'redemptions': 'id',
    'neg_risk_conversions': 'id',
    'neg_risk_events': 'id',
    'user_positions': 'user',
    'fpmms': 'id',
    'fpmm_transactions': 'id',
    'fpmm_funding_additions': 'id',
    'fpmm_funding_removals': 'id',
    'order_filled_events_v2': 'transaction_hash',
    'condition_resolutions': 'transaction_hash',
    'file_payouts': 'condition_id',
    'load_windows': 'scope',
    'rejected_rows': 'row_id',
    'load_runs': 'run_id',
    'load_leases': 'run_id',
    'schema_versions': 'version',
} %}
{% set on_cluster = "on cluster '" ~ cluster ~ "'" %}
create database if not exists {{ database }} {{ on_cluster }};
{% for statement in raw_tables(database).split(';\n') if ' (' in statement %}
{% set name = statement.split(' (')[0].split('.')[1] %}
{% set local = statement.replace(name ~ ' (', name ~ '_local ' ~ on_cluster ~ ' (', 1) %}
{{ local.replace('engine = Repl', 'engine = ReplicatedRepl', 1) if replicated else local }};
create table if not exists {{ database }}.{{ name }} {{ on_cluster }} as {{ database }}.{{ name }}_local
engine = Distributed('{{ cluster }}', '{{ database }}', '{{ name }}_local', cityHash64({{ sharded_by[name] }}))
comment {{ statement.split('\ncomment ')[1] }};
{% endfor %}
{% endmacro %}
