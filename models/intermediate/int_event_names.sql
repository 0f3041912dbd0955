{{ config(materialized='view') }}

with fills as (
    select
        *,
        null as log_index
    from {{ ref('stg_goldsky__order_fills') }}
),

fills_v2 as (select * from {{ ref('stg_chain__order_fills') }}),

exchanges as (
    select address from {{ ref('int_system_addresses') }}
    where kind in ('ctf_exchange', 'neg_risk_exchange')
),

splits as (select * from {{ ref('stg_goldsky__splits') }}),

merges as (select * from {{ ref('stg_goldsky__merges') }}),

conversions as (select * from {{ ref('stg_goldsky__neg_risk_conversions') }}),

redemptions as (select * from {{ ref('stg_goldsky__redemptions') }}),

amm_events as (select * from {{ ref('int_amm_events') }}),

names as (
    {% for source in ['fills', 'fills_v2'] %}
    select
        wallet,
        filled_at as happened_at,
        transaction_hash,
        if(counterparty in (select address from exchanges), 3, 2) as kind,
        log_index,
        order_hash,
        '' as source_id
    from {{ source }}
    {% if not loop.last %}union all{% endif %}
    {% endfor %}
    {% for source, kind, id in [
        ('splits', 1, 'split_id'), ('merges', 4, 'merge_id'), ('conversions', 5, 'conversion_id'),
        ('redemptions', 6, 'redemption_id'), ('amm_events', 0, 'source_id'),
    ] %}
    union all
    select
        wallet,
        happened_at,
        transaction_hash,
        {{ kind }} as kind,
        log_index,
        toFixedString('', 32) as order_hash,
        {{ id }} as source_id
    from {{ source }}
    {% endfor %}
),

placed as (
    select
        *,
        {{ event_moment(
            'happened_at',
            'transaction_hash',
            'kind',
            'if(kind in (2, 3) and log_index is null, ' ~ order_tail('order_hash') ~ ', ' ~ log_tail('log_index', 'source_id')
            ~ ')',
        ) }} as moment
    from names
)

select * from placed
