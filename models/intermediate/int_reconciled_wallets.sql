{{ config(order_by='wallet') }}

with served as (select * from {{ ref('int_served_positions') }}),

spans as (select * from {{ ref('int_loaded_spans') }}),

wallets as (
    select
        wallet,
        max(served.read_at) as read_at
    from served
    group by wallet
),

-- What is loaded of everything is loaded of each wallet. All five kinds of events must be there, from the first fill
-- of the exchange to the moment of the positions.
loaded as (
    select wallets.wallet as wallet
    from wallets
    cross join spans
    where
        spans.entity in ('OrderFilledEvent', 'Split', 'Merge', 'Redemption', 'NegRiskConversion')
        and spans.scope in ('', concat('wallet:', {{ hex_text('wallets.wallet') }}))
        and spans.since <= toDateTime('{{ var("v1_era_start") }}', 'UTC')
        and spans.until >= wallets.read_at
    group by wallet
    having uniqExact(spans.entity) = 5
)

select
    wallet,
    read_at,
    toBool(wallet in (select wallet from loaded)) as is_loaded
from wallets
