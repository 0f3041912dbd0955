{{ config(order_by='condition_id') }}

with asked as (select * from {{ ref('stg_goldsky__conditions') }}),

vectors as (select * from {{ ref('int_payout_vectors') }}),

-- Tokens never change; what was asked last has the most.
latest as (
    select
        condition_id,
        token_ids
    from asked
    order by condition_id asc, loaded_at desc
    limit 1 by condition_id
),

-- Where several sources report a payout the first in the written order counts, and a test fails if they disagree.
first_vectors as (
    select * from vectors
    order by condition_id asc, priority asc
    limit 1 by condition_id
),

resolved as (
    select
        assumeNotNull(coalesce(latest.condition_id, first_vectors.condition_id)) as condition_id,
        latest.token_ids as token_ids,
        toBool(first_vectors.condition_id is not null) as is_resolved,
        first_vectors.payout_numerators as payout_numerators,
        coalesce(first_vectors.payout_denominator, toUInt256(0)) as payout_denominator,
        coalesce(first_vectors.source, 'pnl-subgraph') as source
    from latest
    full outer join first_vectors on latest.condition_id = first_vectors.condition_id
)

select * from resolved
settings join_use_nulls = 1
