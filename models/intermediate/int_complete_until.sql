{{ config(materialized='view') }}
{%- set v1_end = "toDateTime('" ~ var('v1_era_end') ~ "', 'UTC')" %}

with coverage as (select * from {{ ref('audit_coverage') }}),

-- From the end of V1 on, its exchanges see what is left over: a day is whole with fills of V2.
days as (
    select
        day,
        countIf(protocol = 'v1' and coverage.last_at >= {{ v1_end }}) > 0 as has_late_v1,
        countIf(protocol = 'v2') > 0 as has_v2,
        maxIf(coverage.missing_days, protocol = 'v2') as missing_days,
        max(coverage.last_at) as last_at
    from coverage
    group by day
),

-- Where nothing is missing, everything up to the last fill is here.
ends as (
    select
        max(days.last_at) as last_fill_at,
        minOrNullIf(greatest(toDateTime(day, 'UTC'), {{ v1_end }}), has_late_v1 and not has_v2) as first_without_v2_at,
        minOrNullIf(toDateTime(day - missing_days, 'UTC'), missing_days > 0) as first_gap_at
    from days
    having count() > 0
)

select
    least(
        last_fill_at, coalesce(first_without_v2_at, last_fill_at), coalesce(first_gap_at, last_fill_at)
    ) as complete_until
from ends
