{{ config(materialized='view') }}

with lines as (
    select * from {{ merged([ref('int_entries'), ref('int_redemptions'), ref('int_conversion_costs')]) }}
)

select
    wallet,
    condition_id,
    outcome_index,
    moment,
    kind,
    shares,
    fill_usdc,
    other_usdc,
    fee_shares,
    fee_usdc,
    fee_value_usdc,
    leftover_shares,
    leftover_usdc,
    carries_cost,
    is_v2,
    delta_shares,
    delta_usdc,
    added_cost,
    subgraph_shares,
    subgraph_price,
    is_amount_unknown
from lines
