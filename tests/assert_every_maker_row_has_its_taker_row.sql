-- Where all fills are loaded, a maker row without the taker row of its match is a lost row, or one that the source
-- never had.
{{ config(severity='warn') }}

select
    unit_kind,
    unit_id,
    unmatched_fills
from {{ ref('audit_double_entry') }}
where is_loaded and unmatched_fills > 0
