{{ config(materialized='view') }}

with listed as (select * from {{ ref('system_addresses') }})

select
    {{ hex_bytes('address', 20) }} as address,
    kind,
    name,
    protocol
from listed
