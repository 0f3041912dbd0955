{{ config(materialized='view') }}

with runs as (select * from {{ source('loaders', 'load_runs') }})

select distinct run_id
from runs
where command = 'load files'
