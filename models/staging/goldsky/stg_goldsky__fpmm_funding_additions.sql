with landed as (select * from {{ source('goldsky', 'fpmm_funding_additions') }}),

-- Of the sets that a funder pays for, all shares of the scarcest outcome go into the pool.
typed as (
    select
        id as addition_id,
        {{ hex_bytes('id', 32) }} as transaction_hash,
        {{ log_index('id') }} as log_index,
        timestamp as happened_at,
        fpmm as pool,
        funder as wallet,
        arrayMap(amount -> {{ from_base_units('amount', unbounded=true) }}, amounts_added) as added_shares,
        arrayMax(added_shares) as usdc,
        {{ from_base_units('shares_minted', unbounded=true) }} as pool_shares,
        _loaded_at as loaded_at
    from landed
)

select * from typed
