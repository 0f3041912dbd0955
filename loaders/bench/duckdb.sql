-- The questions that the marts answer, asked of DuckDB: what `polyledger bench --vs-duckdb` races against. A step is
-- what stands between two lines that begin with `-- step`; race.py says how the parquet files are made. Base units, as
-- landed; costs in 10^-15 USDC, as macros/replay.sql has them. Of the ways to write a step the quickest was taken, here
-- and where conditions are numbered. Left out, to DuckDB's advantage: cost carried by conversions, days, finite windows,
-- risk, audits; and payouts are taken to be whole, as they are in the made history.

-- step conditions
create table conditions as
with newest as (
    select distinct on (id) id, position_ids, payout_numerators, payout_denominator
    from 'conditions.parquet'
    order by _loaded_at desc
)

select
    row_number() over ()::integer as n,
    id,
    position_ids,
    payout_denominator > 0 as is_resolved,
    payout_numerators,
    payout_denominator,
    id in (select condition from 'questions.parquet') as is_neg_risk
from newest;

create table tokens as
select unnest(position_ids) as token, unnest([0, 1])::tinyint as outcome, n
from conditions;

-- step fills
create table fills as
with once as (
    select *
    from 'order_filled_events.parquet'
    qualify row_number() over (partition by transaction_hash, order_hash order by _loaded_at desc) = 1
),

refunds as (
    select transaction_hash, order_hash, sum(fee_refunded) as refunded
    from (select distinct on (id) * from 'fee_refunds.parquet' order by _loaded_at desc)
    group by transaction_hash, order_hash
),

sided as (
    select
        *,
        maker_asset_id = repeat('\x00'::blob, 32) as is_buy,
        taker in (
            unhex('4bfb41d5b3570defd03c39a9a4d8de6bd8b8982e'), unhex('c5d563a36ae78145c45a50134d48a1215220f80a')
        ) as is_taker,
        case when is_buy then taker_asset_id else maker_asset_id end as token,
        case when is_buy then taker_amount_filled else maker_amount_filled end::bigint as shares,
        case when is_buy then maker_amount_filled else taker_amount_filled end::bigint as usdc
    from once
)

select
    timestamp as happened_at,
    sided.transaction_hash,
    sided.order_hash,
    maker as wallet,
    n,
    outcome,
    is_taker,
    is_buy,
    shares,
    usdc,
    (fee - coalesce(refunded, 0))::bigint as net_fee,
    case when is_buy then shares - net_fee else -shares end as delta_shares,
    case when is_buy then -usdc else usdc - net_fee end as delta_usdc
from sided
left join refunds using (transaction_hash, order_hash)
left join tokens using (token);

-- step events
create table events as
with sets as (
    select 1 as kind, id, transaction_hash, log_index, timestamp, stakeholder, condition, amount, _loaded_at
    from 'splits.parquet'
    union all
    select 4, id, transaction_hash, log_index, timestamp, stakeholder, condition, -amount, _loaded_at
    from 'merges.parquet'
),

set_legs as (
    select
        kind, timestamp as happened_at, transaction_hash, log_index, ''::blob as order_hash, stakeholder as wallet, n,
        unnest([0, 1])::tinyint as outcome,
        amount as delta_shares,
        unnest([-amount // 2, -amount - (-amount // 2)]) as delta_usdc,
        amount as subgraph_shares,
        500000::bigint as subgraph_price,
        false as is_carried,
        false as is_rest
    from (select distinct on (kind, id) * from sets order by _loaded_at desc)
    inner join conditions on condition = conditions.id
),

converted as (
    select *, list_filter(range(question_count), lambda i: (index_set >> i) & 1 = 1) as no_questions
    from (select distinct on (id) * from 'neg_risk_conversions.parquet' order by _loaded_at desc)
),

turned as (
    select
        *,
        list_filter(range(question_count), lambda i: not list_contains(no_questions, i)) as yes_questions,
        no_questions[2:] || yes_questions || no_questions[1:1] as questions
    from converted
),

priced as (
    select
        *,
        unnest(questions) as question,
        unnest(range(1, question_count + 1)) as place,
        len(no_questions) as no_count,
        question_count as count
    from turned
),

conversion_legs as (
    select
        5 as kind, timestamp as happened_at, transaction_hash, log_index, ''::blob as order_hash,
        stakeholder as wallet, conditions.n,
        list_contains(no_questions, priced.question)::tinyint as outcome,
        case when outcome = 1 then -amount else amount end as delta_shares,
        case
            when place = count then (no_count - 1) * count
            else least(place, no_count - 1) * (count - 1) - greatest(place - (no_count - 1), 0)
        end as nths_to_here,
        least(place - 1, no_count - 1) * (count - 1) - greatest(place - no_count, 0) as nths_before,
        (nths_to_here::hugeint * amount // count - nths_before::hugeint * amount // count)::bigint as delta_usdc,
        delta_shares as subgraph_shares,
        0::bigint as subgraph_price,
        no_count < count and outcome = 1 as is_carried,
        false as is_rest
    from priced
    inner join 'questions.parquet' as questions using (neg_risk_market_id, question)
    inner join conditions on questions.condition = conditions.id
),

-- A payout is that of the winning shares; all that is held of the other outcome leaves with them.
redemption_legs as (
    select
        6 as kind, timestamp as happened_at, transaction_hash, log_index, ''::blob as order_hash, redeemer as wallet, n,
        unnest([0, 1])::tinyint as outcome,
        unnest(payout_numerators) > 0 as is_winner,
        case when is_winner then -payout else 0 end as delta_shares,
        case when is_winner then payout else 0 end as delta_usdc,
        case when is_winner and is_neg_risk then -payout else -1000000000000000000 end as subgraph_shares,
        case when is_winner then 1000000::bigint else 0 end as subgraph_price,
        false as is_carried,
        not is_winner as is_rest
    from (select distinct on (id) * from 'redemptions.parquet' order by _loaded_at desc)
    inner join conditions on condition = conditions.id
)

select
    case when is_taker then 3 else 2 end as kind, happened_at, transaction_hash, 4294967295 as log_index, order_hash,
    wallet, n, outcome, delta_shares, delta_usdc,
    case when is_buy then shares else -shares end as subgraph_shares,
    (usdc::hugeint * 1000000 // greatest(shares, 1))::bigint as subgraph_price,
    false as is_carried, false as is_rest, usdc as volume
from fills
union all
select * exclude (nths_to_here, nths_before), 0 from conversion_legs
union all
select *, 0 from set_legs
union all
select * exclude (is_winner), 0 from redemption_legs;

-- step positions
create table positions as
with numbered as (
    select
        *,
        row_number() over (
            partition by wallet, n, outcome order by happened_at, transaction_hash, kind, log_index, order_hash
        ) as k
    from events
),

ordered as (
    select
        wallet, n, outcome,
        list_sort(list({
            'k': k, 'd': delta_shares, 'u': delta_usdc, 'g': subgraph_shares, 'p': subgraph_price, 'c': is_carried,
            'r': is_rest, 'a': kind = 5
        })) as steps
    from numbered
    group by wallet, n, outcome
),

folded as (
    select
        wallet, n, outcome,
        list_reduce(
            list_transform(steps, lambda e: {
                'd': e.d, 'u': e.u, 'g': e.g, 'p': e.p, 'c': e.c, 'r': e.r, 'a': e.a,
                'held': 0::bigint, 'cost': 0::hugeint, 'realized': 0::hugeint, 'unmatched': 0::bigint,
                'amount': 0::bigint, 'average': 0::bigint, 'pnl': 0::bigint, 'bought': 0::bigint
            }),
            lambda s, e: {
                'd': e.d, 'u': e.u, 'g': e.g, 'p': e.p, 'c': e.c, 'r': e.r, 'a': e.a,
                'held': case when e.r then s.held - greatest(s.held - s.unmatched, 0) else greatest(s.held + e.d, 0) end,
                'cost': case
                    when e.d > 0 then s.cost - e.u::hugeint * 1000000000
                    else s.cost - s.cost * (
                        case when e.r then greatest(s.held - s.unmatched, 0) else least(-e.d, s.held) end
                    ) // greatest(s.held, 1)
                end,
                'realized': s.realized + case
                    when e.d > 0 or e.c then 0
                    when e.r then -(s.cost * greatest(s.held - s.unmatched, 0) // greatest(s.held, 1))
                    else e.u::hugeint * 1000000000 * least(-e.d, s.held) // greatest(-e.d, 1)
                        - s.cost * least(-e.d, s.held) // greatest(s.held, 1)
                end,
                'unmatched': s.unmatched + greatest(-e.d - s.held, 0),
                'amount': greatest(s.amount + e.g, 0),
                'average': case
                    when e.g > 0 then ((s.average::hugeint * s.amount + e.p::hugeint * e.g) // (s.amount + e.g))::bigint
                    else s.average
                end,
                'pnl': s.pnl + case
                    when e.g < 0 and not e.a
                        then (least(-e.g, s.amount)::hugeint * (e.p - s.average) // 1000000)::bigint
                    else 0
                end,
                'bought': s.bought + greatest(e.g, 0)
            },
            {
                'd': 0::bigint, 'u': 0::bigint, 'g': 0::bigint, 'p': 0::bigint, 'c': false, 'r': false, 'a': false,
                'held': 0::bigint, 'cost': 0::hugeint, 'realized': 0::hugeint, 'unmatched': 0::bigint,
                'amount': 0::bigint, 'average': 0::bigint, 'pnl': 0::bigint, 'bought': 0::bigint
            }
        ) as last
    from ordered
)

select
    wallet, n, outcome, last.held, last.cost, last.realized, last.unmatched, last.amount, last.average, last.pnl,
    last.bought
from folded;

-- step markets
create table markets as
with sums as (
    select
        wallet, n,
        count(*) filter (kind in (2, 3)) as fill_count,
        sum(volume) as volume,
        sum(delta_usdc) as cash,
        sum(-delta_usdc) filter (kind in (1, 2, 3) and delta_usdc < 0) as paid_in,
        sum(delta_shares) filter (outcome = 0) as acquired_0,
        sum(delta_shares) filter (outcome = 1) as acquired_1,
        bool_or(is_rest and outcome = 0) as is_left_0,
        bool_or(is_rest and outcome = 1) as is_left_1,
        min(happened_at) as first_at,
        max(happened_at) as last_at
    from events
    where n is not null
    group by wallet, n
),

held as (
    select
        *,
        coalesce(case when is_left_0 then least(acquired_0, 0) else acquired_0 end, 0) as open_0,
        coalesce(case when is_left_1 then least(acquired_1, 0) else acquired_1 end, 0) as open_1
    from sums
)

select
    held.*,
    is_resolved,
    case
        when is_resolved then
            cash + open_0 * payout_numerators[1] // payout_denominator
            + open_1 * payout_numerators[2] // payout_denominator
    end::hugeint as settled
from held
inner join conditions using (n);

-- step wallets
create table wallets as
select
    wallet,
    coalesce(sum(settled), 0) as settled,
    coalesce(sum(settled) filter (settled > 0), 0) as gains,
    coalesce(-sum(settled) filter (settled < 0), 0) as losses,
    bool_or(least(open_0, open_1) < 0) as has_negative_holdings,
    sum(volume) as volume,
    sum(paid_in) as paid_in,
    sum(fill_count) as fill_count,
    count(*) filter (fill_count > 0) as traded,
    count(*) filter (fill_count > 0 and is_resolved) as resolved,
    count(*) filter (fill_count > 0 and settled > 0) as won,
    min(first_at) as first_at,
    max(last_at) as last_at
from markets
group by wallet;

-- step leaderboard
create table leaderboard as
select
    rank() over (order by settled desc) as rank,
    wallet,
    settled,
    volume,
    settled / nullif(paid_in, 0) as roi,
    won / nullif(resolved, 0) as win_rate,
    traded,
    fill_count
from wallets
where not has_negative_holdings
order by rank, wallet;
