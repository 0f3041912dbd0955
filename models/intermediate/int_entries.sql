{{ config(
    order_by=['wallet', 'condition_id', 'outcome_index', 'moment'],
    query_settings={
        'query_plan_reuse_storage_ordering_for_window_functions': 1,
        'read_in_order_use_buffering': 0,
        'max_block_size': 32768,
        'min_insert_block_size_rows': 700000,
        'min_insert_block_size_bytes': 200000000,
    },
) }}

with changes as (select * from {{ ref('int_holding_changes') }}),

-- Hashes and ids are most of the bytes of an event, and nothing that is computed needs more of them than its moment.
entries as (
    select
        wallet,
        coalesce(changes.condition_id, toFixedString('', 32)) as condition_id,
        coalesce(changes.outcome_index, 255) as outcome_index,
        {{ event_moment(
            'happened_at',
            'transaction_hash',
            'changes.kind',
            'if(kind in (2, 3) and log_index is null, ' ~ order_tail('order_hash') ~ ', ' ~ log_tail('log_index', 'source_id')
            ~ ')',
        ) }} as moment,
        toUInt8(changes.kind) as kind,
        if(outcome_index = 255, fill_token_id, toUInt256(0)) as unplaced_token_id,
        gross_shares as shares,
        if(paid_in_usdc > 0, -volume_usdc, volume_usdc) as fill_usdc,
        if(kind in (2, 3) or volume_usdc != 0, toDecimal128(0, 6), delta_usdc) as other_usdc,
        fee_shares,
        fee_usdc,
        fee_value_usdc,
        leftover_shares,
        leftover_usdc,
        minted_sets,
        merged_sets,
        toLowCardinality(match_problem) as match_problem,
        toBool(is_v2) as is_v2,
        toBool(carries_cost) as carries_cost,
        subgraph_price
    from changes
)

select * from entries
