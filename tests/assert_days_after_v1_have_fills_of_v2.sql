-- From the end of V1 on its exchanges see what is left over, so a day with V1 fills alone is not all there is.
select
    day,
    sumIf(fill_count, protocol = 'v1') as v1_fills
from {{ ref('audit_coverage') }}
group by day
having
    countIf(protocol = 'v1' and last_at >= toDateTime('{{ var("v1_era_end") }}', 'UTC')) > 0
    and countIf(protocol = 'v2') = 0
