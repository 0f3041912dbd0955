with landed as (select * from {{ source('goldsky', 'fpmm_funding_removals') }}),

typed as (
    select
        id as removal_id,
        {{ hex_bytes('id', 32) }} as transaction_hash,
        {{ log_index('id') }} as log_index,
        timestamp as happened_at,
        fpmm as pool,
        funder as wallet,
        arrayMap(amount -> {{ from_base_units('amount', unbounded=true) }}, amounts_removed) as removed_shares,
        {{ from_base_units('collateral_removed', unbounded=true) }} as fees_usdc,
        {{ from_base_units('shares_burnt', unbounded=true) }} as pool_shares,
        _loaded_at as loaded_at
    from landed
)

select * from typed
