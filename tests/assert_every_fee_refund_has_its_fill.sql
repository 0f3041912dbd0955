-- A fee is refunded in the transaction that charged it. Where the fills of all wallets are loaded, a refund without its
-- fill tells of one that is lost.
with loaded as (
    select groupArray((since, until)) as spans
    from {{ ref('int_loaded_spans') }}
    where entity = 'OrderFilledEvent' and scope = ''
)

select
    refund_id,
    refunded_at,
    order_hash
from {{ ref('stg_goldsky__fee_refunds') }}
where
    (transaction_hash, order_hash) not in (
        select
            transaction_hash,
            order_hash
        from {{ ref('int_fills') }}
    )
    and arrayExists(span -> span.1 <= refunded_at and span.2 > refunded_at, (select spans from loaded))
