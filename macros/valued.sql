{#- What shares that are held are worth: the payout of a resolved token, of any other what it was last traded at; of shares
    of a pool what is in it. A query: wallet (bytes), condition_id, outcome_index, shares, cost_usdc and `columns` of
    the CTE `positions`, and what each is worth. It reads the CTEs conditions, prices and pool_shares, as
    int_position_values has them (their condition_id is like that of `positions`), and wants join_use_nulls. -#}
{% macro valued(positions, columns=[]) -%}
select
    {% for name in ['wallet', 'condition_id', 'outcome_index', 'shares', 'cost_usdc'] + columns -%}
    {{ positions }}.{{ name }} as {{ name }},
    {% endfor -%}
    toBool(coalesce(conditions.is_resolved, false)) as is_resolved,
    {{ positions }}.outcome_index >= 128 as is_pool,
    if(
        is_pool and (shares != 0 or pool_shares.wallet is not null),
        pool_shares.value_usdc,
        {{ held_value(
            'shares',
            'is_resolved',
            'conditions.payout_numerators[' ~ positions ~ '.outcome_index + 1]',
            'conditions.payout_denominator',
            'coalesce(prices.last_shares, toDecimal128(0, 6))',
            'coalesce(prices.last_usdc, toDecimal128(0, 6))',
        ) }}
    ) as value_usdc,
    multiIf(
        is_pool and value_usdc is not null, 'pool',
        is_pool and pool_shares.wallet is null, 'pool not loaded',
        shares = 0, 'nothing held',
        is_resolved, 'payout',
        prices.last_shares is not null, 'last trade',
        'never traded'
    ) as value_basis,
    value_usdc - cost_usdc as unrealized_pnl_usdc
from {{ positions }}
left join conditions on {{ positions }}.condition_id = conditions.condition_id
left join prices
    on
        {{ positions }}.condition_id = prices.condition_id
        and {{ positions }}.outcome_index = prices.outcome_index
left join pool_shares
    on
        {{ positions }}.wallet = pool_shares.wallet
        and {{ positions }}.condition_id = pool_shares.condition_id
        and {{ positions }}.outcome_index = pool_shares.outcome_index
{%- endmacro %}
