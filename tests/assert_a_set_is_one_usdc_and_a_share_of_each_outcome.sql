-- A split pays one USDC for a share of both outcomes, a merge is the same backwards: two legs, equal in shares, and
-- together worth as much cash the other way.
select
    event_type,
    set_event_id,
    groupArray(delta_shares) as legs_shares,
    sum(delta_usdc) as booked_usdc
from {{ ref('int_set_events') }}
group by event_type, set_event_id
having
    groupUniqArray(outcome_index) not in ([0, 1], [1, 0])
    or count() != 2
    or min(delta_shares) != max(delta_shares)
    or sum(delta_usdc) != -max(delta_shares)
