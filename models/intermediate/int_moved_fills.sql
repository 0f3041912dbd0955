{{ config(order_by=['transaction_hash', 'order_hash']) }}

with landed as (select * from {{ ref('stg_goldsky__order_fills') }}),

-- After a reorganisation a transaction may stand in another block, at another time. Such transactions are told by a
-- short key first, which takes less time and memory than hashes of all fills.
suspected as (
    select cityHash64(transaction_hash) as short_key
    from landed
    group by short_key
    having min(filled_at) != max(filled_at)
),

copies as (
    select
        transaction_hash,
        order_hash,
        filled_at,
        max(landed.loaded_at) as landed_at
    from landed
    where cityHash64(transaction_hash) in (select short_key from suspected)
    group by transaction_hash, order_hash, filled_at
),

-- The newest copy counts; of copies of one moment that with the later time.
moved as (
    select
        transaction_hash,
        order_hash,
        filled_at
    from copies
    order by landed_at desc, filled_at desc
    limit 1, 4294967295 by transaction_hash, order_hash
)

select * from moved
