{{ config(severity='warn') }}

-- Nobody can give up what never came: history is missing, or shares were transferred, which nobody serves. Such wallets
-- are not ranked.
select
    wallet,
    condition_id,
    open_shares_0,
    open_shares_1
from {{ ref('int_wallet_conditions') }}
where least(open_shares_0, open_shares_1) < 0
