{#- Of which tables only what is touched is made anew (macros/patched_table.sql), and what touches it.

    Of a table: `key`, by which its rows are made anew, names and expressions over its columns; `read_only`, what is
    needed of the tables that it reads (rows of theirs that no touched key depends on may be missing; what is read through
    merge() no such filter reaches); and `touched_by`: of each table that it reads, which keys are touched by rows that are
    new or gone there. In these queries `changed` stands for such rows; none where nothing depends on them. If a table
    changed that is not named, all is made anew.
    `by_short_key`, where nothing is `read_only` and the touched keys have the types of the table's own: keys are told by
    a hash, so that one which was not touched may be made anew with the others.
    `from_changes`, where what stands and what changed is enough: of a table, the `rows` to read in its place, `unless` any
    row is found that makes it not enough, if that can be; how many keys are touched does not matter then.

    `sums`, where all columns but the key are sums (or counts) over parts, each of which is made `of` rows of one table: the
    touched keys are those of a `part` then, names and expressions over the columns of that table, and a row moves by what
    its touched parts moved by. Parts that depend on each other are touched `together`: a query over `touched`. Without
    anything `counted_by` this column a row is gone. `extremes` are columns that are no sums: min or max. `unique_by` tells
    the rows of a table apart, of each that touches any, so that it can be read as it was. -#}
{% macro patched_models() %}
    {%- set raw, models = raw_schema(), this.schema -%}
    {%- set second = second_of_moment('moment') -%}
    {%- set pairs = 'select wallet, condition_id from changed' -%}
    {%- set by_pair = {'wallet': 'wallet', 'condition_id': 'condition_id'} -%}
    {%- set touched_pair = is_among(by_pair, 'touched') -%}

    {%- set by_second = {'second': "toUInt32(happened_at)"} -%}
    {%- set int_conversions = {
        'key': by_second,
        'read_only': {},
        'touched_by': {
            'neg_risk_conversions': '
                select toUInt32(timestamp) from ' ~ raw ~ '.neg_risk_conversions where id in (select id from changed)
            ',
            'int_neg_risk_questions': '
                select toUInt32(timestamp) from ' ~ raw ~ '.neg_risk_conversions
                where neg_risk_market_id in (select neg_risk_event_id from changed)
            ',
        },
    } -%}

    {#- All entries of a second at once: a transaction is in one, and what a fill was depends on its whole transaction. -#}
    {%- set of_sets -%}
        select toUInt32(timestamp) from {{ raw }}.splits where {is_it}
        union all
        select toUInt32(timestamp) from {{ raw }}.merges where {is_it}
    {%- endset -%}
    {#- A refund belongs to a fill of its transaction, which stands at another time where a reorganisation moved it. -#}
    {%- set of_refunds -%}
        select toUInt32(timestamp) from changed
        {%- for fills in ('order_filled_events', 'order_filled_events_v2') %}
        union all
        select toUInt32(timestamp) from {{ raw }}.{{ fills }}
        where transaction_hash in (
            select {{ hex_bytes('id', 32) }} as refunded from changed
            where
                (timestamp, refunded) not in (
                    select timestamp, transaction_hash from {{ raw }}.order_filled_events
                    where timestamp in (select timestamp from changed)
                )
                or refunded in (select transaction_hash from {{ models }}.int_moved_fills)
        )
        {%- endfor %}
    {%- endset -%}
    {%- set of_second = "timestamp in (select toDateTime(second, 'UTC') from touched)" -%}
    {%- set int_entries = {
        'key': {'second': second},
        'read_only': {
            raw ~ '.order_filled_events': of_second,
            raw ~ '.order_filled_events_v2': of_second,
            raw ~ '.splits': copies_of(raw, 'splits', of_second),
            raw ~ '.merges': copies_of(raw, 'merges', of_second),
        },
        'touched_by': {
            'order_filled_events': 'select toUInt32(timestamp) from changed',
            'order_filled_events_v2': 'select toUInt32(timestamp) from changed',
            'fee_refunds': of_refunds,
            'splits': of_sets | replace('{is_it}', 'id in (select id from changed)'),
            'merges': of_sets | replace('{is_it}', 'id in (select id from changed)'),
            'int_exchange_sets': of_sets | replace('{is_it}', 'id in (select set_event_id from changed)'),
            'int_markets': of_sets | replace('{is_it}', 'condition in (select condition_id from changed)'),
            'int_conversions': 'select toUInt32(happened_at) from changed',
            'int_moved_fills': 'select toUInt32(filled_at) from changed',
            'int_amm_events': 'select toUInt32(happened_at) from changed',
            'fpmms': none,
            'int_tokens': '''
                select ''' ~ second ~ ''' from ''' ~ models ~ '''.int_entries
                where unplaced_token_id in (select token_id from changed)
                union all
                select ''' ~ second ~ ''' from ''' ~ models ~ '''.int_entries
                where (condition_id, outcome_index) in (
                    select condition_id, assumeNotNull(outcome_index) from changed where is_gone and outcome_index is not null
                )
            ''',
        },
    } -%}

    {%- set int_redemptions = {
        'key': by_pair,
        'read_only': {
            models ~ '.int_entries': touched_pair,
            raw ~ '.redemptions': copies_of(
                raw, 'redemptions', '(redeemer, condition) in (select wallet, condition_id from touched)'
            ),
        },
        'touched_by': {
            'int_entries': '
                select redeemer, condition from ' ~ raw ~ '.redemptions
                where (redeemer, condition) in (select wallet, condition_id from changed)
            ',
            'redemptions': '
                select redeemer, condition from ' ~ raw ~ '.redemptions where id in (select id from changed)
                union all
                select wallet, condition_id from ' ~ models ~ '.int_redemptions
                where redemption_id in (select id from changed)
            ',
            'int_conditions': '
                select redeemer, condition from ' ~ raw ~ '.redemptions
                where condition in (select condition_id from changed)
            ',
            'int_markets': '
                select redeemer, condition from ' ~ raw ~ '.redemptions
                where condition in (select condition_id from changed)
            ',
        },
    } -%}

    {#- By conversion: what comes for it depends on all that went. A line of costs stands right before its conversion. -#}
    {%- set of_conversions -%}
        select wallet, moment from {{ models }}.int_conversions
        where (wallet, condition_id) in (select wallet, condition_id from changed)
    {%- endset -%}
    {%- set int_conversion_costs = {
        'key': {'wallet': 'wallet', 'moment': 'toUInt128(moment + 1)'},
        'read_only': {models ~ '.int_conversions': '(wallet, moment) in (select wallet, moment from touched)'},
        'touched_by': {
            'int_entries': of_conversions,
            'int_redemptions': of_conversions,
            'int_conversions': 'select wallet, moment from changed',
        },
    } -%}

    {%- set int_positions = {
        'key': by_pair,
        'by_short_key': true,
        'read_only': {},
        'touched_by': {'int_entries': pairs, 'int_redemptions': pairs, 'int_conversion_costs': pairs},
    } -%}

    {#- Of a token only the last fill counts: that is the one that stood or one that is new, unless the one that stood is
        gone. -#}
    {%- set of_tokens = 'select condition_id, outcome_index from changed' -%}
    {%- set int_token_prices = {
        'key': {'condition_id': 'condition_id', 'outcome_index': 'outcome_index'},
        'read_only': {},
        'touched_by': {'int_entries': of_tokens ~ ' where outcome_index != 255'},
        'from_changes': {
            'int_entries': {
                'rows': '
                    select condition_id, outcome_index, kind, shares, fill_usdc, moment from changed where not is_gone
                    union all
                    select condition_id, outcome_index, toUInt8(2), last_shares, last_usdc, moment
                    from ' ~ models ~ '.int_token_prices
                    where (condition_id, outcome_index) in (' ~ of_tokens ~ ')
                ',
                'unless': '
                    select moment from changed
                    where is_gone and (condition_id, outcome_index, moment) in (
                        select condition_id, outcome_index, moment from ' ~ models ~ '.int_token_prices
                    )
                ',
            },
        },
    } -%}

    {#- Sums over what a wallet has of each condition. -#}
    {%- set pairs_of_conditions -%}
        select wallet, condition_id from {{ models }}.int_positions
        where condition_id in (select condition_id from changed)
    {%- endset -%}
    {%- set int_wallets = {
        'key': {'wallet': 'wallet'},
        'sums': {
            'of': 'int_positions',
            'part': by_pair,
            'counted_by': 'conditions',
            'extremes': {'first_at': 'min', 'last_at': 'max'},
            'unique_by': {
                'int_positions': 'wallet, condition_id, outcome_index',
                'int_pool_shares': 'wallet, pool',
                'int_conditions': 'condition_id',
            },
        },
        'read_only': {},
        'touched_by': {
            'int_positions': pairs,
            'int_pool_shares': pairs,
            'int_conditions': pairs_of_conditions,
            'int_token_prices': none,
        },
    } -%}

    {#- What is carried in an event depends on all of its conditions that the wallet has, if it ever converted. -#}
    {%- set int_wallet_days = {
        'key': {'wallet': 'wallet', 'day': 'day'},
        'sums': {
            'of': 'int_positions',
            'part': by_pair,
            'together': '
                select distinct wallet, of_event.condition_id
                from touched
                inner join ' ~ models ~ '.int_neg_risk_questions as question
                    on touched.condition_id = question.condition_id
                inner join ' ~ models ~ '.int_neg_risk_questions as of_event
                    on question.neg_risk_event_id = of_event.neg_risk_event_id
                where wallet in (select wallet from ' ~ models ~ '.int_conversions)
            ',
            'counted_by': 'bookings',
            'unique_by': {
                'int_positions': 'wallet, condition_id, outcome_index',
                'int_pool_shares': 'wallet, pool',
                'int_conversions': 'conversion_id, question',
                'int_neg_risk_questions': 'neg_risk_event_id, question',
                'int_conditions': 'condition_id',
                'int_resolution_times': 'condition_id',
            },
        },
        'read_only': {},
        'touched_by': {
            'int_positions': pairs,
            'int_pool_shares': pairs,
            'int_conversions': '
                select wallet, condition_id from ' ~ models ~ '.int_positions
                where wallet in (select wallet from changed) and wallet not in (
                    select wallet from ' ~ models ~ '.int_conversions
                    where (conversion_id, question) not in (select conversion_id, question from changed)
                )
            ',
            'int_neg_risk_questions': '
                select wallet, condition_id from ' ~ models ~ '.int_positions
                where condition_id in (
                    select condition_id from changed
                    union all
                    select condition_id from ' ~ models ~ '.int_neg_risk_questions
                    where neg_risk_event_id in (select neg_risk_event_id from changed)
                )
            ',
            'int_conditions': pairs_of_conditions,
            'int_resolution_times': pairs_of_conditions,
            'int_token_prices': none,
        },
    } -%}

    {#- Each row is made of one position. -#}
    {%- set int_holders = {
        'key': {'wallet': 'wallet', 'condition_id': 'condition_id', 'outcome_index': 'outcome_index'},
        'read_only': {},
        'touched_by': {'int_positions': 'select wallet, condition_id, outcome_index from changed'},
        'from_changes': {'int_positions': {'rows': 'select * from changed where not is_gone'}},
    } -%}

    {%- set by_condition = {'condition_id': 'condition_id'} -%}
    {%- set of_condition = 'condition_id in (select condition_id from touched)' -%}
    {%- set conditions = 'select condition_id from changed' -%}
    {%- set int_condition_bookings = {
        'key': by_condition,
        'read_only': {
            models ~ '.int_positions': of_condition,
            models ~ '.int_entries': of_condition,
            models ~ '.int_redemptions': of_condition,
        },
        'touched_by': {
            'int_positions': conditions,
            'int_entries': conditions,
            'int_redemptions': conditions,
            'int_conditions': conditions,
            'int_pool_shares': conditions,
            'int_token_prices': none,
        },
    } -%}

    {{ return({
        'int_conversions': int_conversions,
        'int_entries': int_entries,
        'int_redemptions': int_redemptions,
        'int_conversion_costs': int_conversion_costs,
        'int_positions': int_positions,
        'int_token_prices': int_token_prices,
        'int_wallets': int_wallets,
        'int_wallet_days': int_wallet_days,
        'int_holders': int_holders,
        'int_condition_bookings': int_condition_bookings,
    }) }}
{% endmacro %}


{#- All copies of the ids of which any copy is touched, since only the newest one counts. What filters a table cannot read
    it by its name: that would be filtered too. -#}
{% macro copies_of(raw, table, is_touched) -%}
id in (select id from merge('{{ raw }}', '^{{ table }}$') where {{ is_touched }})
{%- endmacro %}
