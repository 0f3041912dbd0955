{{ config(materialized='view') }}

with listed as (select * from {{ ref('system_addresses') }}),

market_makers as (select * from {{ ref('stg_goldsky__fpmms') }}),

addresses as (
    select
        {{ hex_bytes('address', 20) }} as address,
        kind,
        name,
        protocol
    from listed
    union all
    select distinct
        pool as address,
        'fpmm' as kind,
        'Automated market maker' as name,
        '' as protocol
    from market_makers
)

select * from addresses
