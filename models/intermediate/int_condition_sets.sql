{{ config(order_by='condition_id') }}

with splits as (select * from {{ ref('stg_goldsky__splits') }}),

merges as (select * from {{ ref('stg_goldsky__merges') }}),

conversions as (select * from {{ ref('stg_goldsky__neg_risk_conversions') }}),

entries as (select * from {{ ref('int_entries') }}),

markets as (select * from {{ ref('int_markets') }}),

exchange_sets as (select * from {{ ref('int_exchange_sets') }}),

questions as (select * from {{ ref('int_neg_risk_questions') }}),

pools as (select * from {{ ref('int_pools') }}),

-- From what was landed, not from the wallets' books: those are held against it.
splits_of_wallets as (
    select * from splits
    where split_id not in (select set_event_id from exchange_sets)
),

split as (
    {{ newest_copies('splits_of_wallets', 'split_id') }}
),

merges_of_wallets as (
    select * from merges
    where merge_id not in (select set_event_id from exchange_sets)
),

merged as (
    {{ newest_copies('merges_of_wallets', 'merge_id') }}
),

converted as (
    select * from conversions
    order by conversion_id asc, loaded_at desc, happened_at desc
    limit 1 by conversion_id
),

-- Conversions of the same questions move the same shares; there are far fewer sets of questions.
alike as (
    select
        neg_risk_event_id,
        index_set,
        question_count,
        sum(converted.shares) as shares
    from converted
    group by neg_risk_event_id, index_set, question_count
),

-- The adapter takes NO of the questions in the set and gives YES of the others. What it pays besides belongs to the
-- event as a whole, and stands with the first question.
of_questions as (
    select
        questions.condition_id as condition_id,
        questions.question as question,
        bitAnd(bitShiftRight(alike.index_set, questions.question), toUInt256(1)) = 1 as is_in_set,
        bitCount(alike.index_set) as set_size,
        alike.shares as shares
    from alike
    inner join questions on alike.neg_risk_event_id = questions.neg_risk_event_id
    where questions.question < alike.question_count
),

by_question as (
    select
        condition_id,
        sumIf(shares, is_in_set) as no_shares,
        sumIf(shares, not is_in_set) as yes_shares,
        sumIf(shares * (set_size - 1), question = 0) as paid_usdc,
        sumIf(shares, question = 0) as converted_shares
    from of_questions
    group by condition_id
),

-- What the exchange minted and merged is told by the rows of its takers.
matched as (
    select
        condition_id,
        sum(entries.minted_sets) as minted_sets,
        sum(entries.merged_sets) as merged_sets
    from entries
    where condition_id != toFixedString('', 32) and (entries.minted_sets != 0 or entries.merged_sets != 0)
    group by condition_id
),

amounts as (
    select
        condition_id,
        'split' as kind,
        sum(split.sets) as amount
    from split
    where condition_id in (select condition_id from markets)
    group by condition_id
    union all
    select
        condition_id,
        'merge' as kind,
        sum(merged.sets) as amount
    from merged
    where condition_id in (select condition_id from markets)
    group by condition_id
    union all
    select
        condition_id,
        leg.1 as kind,
        leg.2 as amount
    from matched
    array join
        [('exchange mint', minted_sets), ('exchange merge', merged_sets)] as leg
    union all
    select
        condition_id,
        leg.1 as kind,
        leg.2 as amount
    from by_question
    array join
        [
            ('converted no', no_shares), ('converted yes', yes_shares), ('conversion paid', paid_usdc),
            ('conversion', converted_shares)
        ] as leg
    union all
    select
        condition_id,
        leg.1 as kind,
        leg.2 as amount
    from pools
    array join [
        ('amm mint', minted_sets), ('amm merge', merged_sets), ('pooled 0', shares_0), ('pooled 1', shares_1),
        ('pooled fees', fees_usdc)
    ] as leg
),

sets as (
    select
        condition_id,
        sumIf(amount, kind = 'split') as split_sets,
        sumIf(amount, kind = 'merge') as merged_sets,
        sumIf(amount, kind = 'exchange mint') as exchange_minted_sets,
        sumIf(amount, kind = 'exchange merge') as exchange_merged_sets,
        sumIf(amount, kind = 'converted yes') as converted_yes_shares,
        sumIf(amount, kind = 'converted no') as converted_no_shares,
        sumIf(amount, kind = 'conversion') as converted_shares,
        sumIf(amount, kind = 'conversion paid') as conversion_usdc,
        sumIf(amount, kind = 'amm mint') as amm_minted_sets,
        sumIf(amount, kind = 'amm merge') as amm_merged_sets,
        sumIf(amount, kind = 'pooled 0') as pooled_shares_0,
        sumIf(amount, kind = 'pooled 1') as pooled_shares_1,
        sumIf(amount, kind = 'pooled fees') as pooled_usdc,
        countIf(kind = 'amm mint') as pool_count,
        split_sets - merged_sets + exchange_minted_sets - exchange_merged_sets + amm_minted_sets - amm_merged_sets
            as net_sets
    from amounts
    group by condition_id
)

select * from sets
