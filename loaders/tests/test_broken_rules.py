"""The dbt tests can fail: every rule is broken once, and bad rows land once.

One small world is loaded and built; each run of dbt starts from a copy of it. Breaks that cannot hide each other share
a run. The rules that make P&L add up are broken one at a time; tests/README.md lists them, and must say the same.
"""

import json
import re
import shutil
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import clickhouse_connect
import jinja2
import pytest

from loaders.standin.goldsky import Goldsky
from loaders.standin.world import simulate
from loaders.tests.conftest import PROJECT, Desk, copied_project, edit

WORLD = simulate(3, steps=120)
# Beside it, conditions that only market makers trade.
AMM = simulate(8, steps=160, wallets=12, plain=0, neg_risk_events=0, foreign=False, pools=2)
SERVED = {entity: rows + AMM.entities[entity] for entity, rows in WORLD.entities.items()}
STAGING = "models/staging/goldsky"
INTERMEDIATE = "models/intermediate"
MARTS = "models/marts"
AUDIT = "models/audit"
COPIED = ("order_filled_events", "fee_refunds", "conditions", "splits", "merges", "redemptions", "neg_risk_conversions")
COPIED_AMM = ("fpmms", "fpmm_transactions", "fpmm_funding_additions", "fpmm_funding_removals")


@dataclass(frozen=True)
class Break:
    """A rule, the text that keeps it, what to put there instead, and the tests that must notice."""

    rule: str
    file: str
    right: str
    wrong: str
    tests: tuple[str, ...]
    parts: tuple[str, ...] = ("",)  # of the model that come out wrong, where its others still come out right


def unit(rule: str, file: str, right: str, wrong: str, test: str, parts: tuple[str, ...] = ("",)) -> Break:
    return Break(rule, file, right, wrong, (test,), parts)


# Where int_fills takes the rows that count, and what would leave takers out.
UNMOVED = "(transaction_hash, order_hash, filled_at) not in ("
NO_EXCHANGE = "counterparty not in (select address from exchanges)"
# What is replayed: two ledgers that share their events, the days of one of them, and sums.
EVENTS, SUBGRAPH, COST, DAYS, SUMS = ("events",), ("subgraph",), ("cost",), ("days",), ("sums",)


# Each of these fails a unit test. A unit test has its model's inputs from its own fixture, so one run can break every
# model at once.
AMM_BREAKS = (
    unit(
        "a fee of a market maker has 18 decimals",
        f"{STAGING}/stg_goldsky__fpmms.sql",
        "'Decimal(38, 18)'",
        "'Decimal(38, 6)'",
        "a_fee_of_two_percent_is_2_x_10_to_the_16th",
    ),
    unit(
        "buys and sales are told apart",
        f"{STAGING}/stg_goldsky__fpmm_transactions.sql",
        "cast(type, 'String') = 'Buy' as is_buy",
        "true as is_buy",
        "amounts_of_a_trade_are_in_base_units_and_its_transaction_is_in_its_id",
    ),
    unit(
        "who adds liquidity pays for whole sets",
        f"{STAGING}/stg_goldsky__fpmm_funding_additions.sql",
        "arrayMax(added_shares) as usdc",
        "arraySum(added_shares) as usdc",
        "who_adds_liquidity_pays_as_much_as_the_most_that_goes_in",
    ),
    unit(
        "pools for other collateral are another project's",
        f"{INTERMEDIATE}/int_market_makers.sql",
        "length(condition_ids) = 1 and collateral in (select address from usdc)",
        "length(condition_ids) = 1",
        "pools_of_one_condition_for_usdc_are_polymarkets_and_counted_down_from_254",
    ),
    unit(
        "a trade that is landed twice counts once",
        f"{INTERMEDIATE}/int_amm_events.sql",
        "    limit 1 by trade_id\n",
        "",
        "every_set_of_a_pool_is_a_usdc_and_a_share_of_each_outcome",
    ),
    unit(
        "what comes back with liquidity has the pool's price",
        f"{INTERMEDIATE}/int_amm_legs.sql",
        "[intDiv(units_1 * 1000000, both), intDiv(units_0 * 1000000, both)] as prices",
        "[intDiv(units_0 * 1000000, both), intDiv(units_1 * 1000000, both)] as prices",
        "liquidity_is_bought_and_sold_and_outcomes_have_the_pools_price",
    ),
    unit(
        "the subgraph takes the cost of outcomes off",
        f"{INTERMEDIATE}/int_amm_legs.sql",
        "(cash - cost_0 - cost_1) * 1000000",
        "(cash + cost_0 + cost_1) * 1000000",
        "liquidity_is_bought_and_sold_and_outcomes_have_the_pools_price",
    ),
    unit(
        "a load of one wallet is not all of a pool",
        f"{INTERMEDIATE}/int_pools.sql",
        "    where scope = ''\n",
        "",
        "a_pool_is_whole_when_all_three_kinds_are_loaded_from_its_beginning_to_its_last_event",
    ),
    unit(
        "fees belong to who provides at the moment of the trade",
        f"{INTERMEDIATE}/int_pool_shares.sql",
        " * totals.all_fees_per_share - providers.missed_fees",
        " * totals.all_fees_per_share",
        "fees_belong_to_who_provided_when_they_were_paid",
    ),
    unit(
        "the price of a trade is per share",
        f"{MARTS}/fct_amm_trades.sql",
        "toFloat64(events.usdc) / nullIf(toFloat64(events.shares), 0)",
        "toFloat64(events.usdc - events.fee_usdc) / nullIf(toFloat64(events.shares), 0)",
        "the_price_of_a_trade_with_a_market_maker_has_the_fee_inside",
    ),
    unit(
        "what a market maker keeps of a trade is a fee of the wallet",
        f"{INTERMEDIATE}/int_holding_changes.sql",
        "amm_legs.fee_usdc as fee_value_usdc",
        "toDecimal128(0, 6) as fee_value_usdc",
        "fills_have_volume_and_fees_and_buys_and_splits_are_what_was_paid_in",
    ),
    unit(
        "what comes back with liquidity is not paid in",
        f"{INTERMEDIATE}/int_holding_changes.sql",
        "if(volume_usdc = 0 and outcome_index < 128, toDecimal128(0, 6), -delta_usdc)",
        "-delta_usdc",
        "fills_have_volume_and_fees_and_buys_and_splits_are_what_was_paid_in",
    ),
    unit(
        "USDC of a trade with a market maker is that of a trade",
        f"{INTERMEDIATE}/int_entries.sql",
        "if(kind in (2, 3) or volume_usdc != 0, ",
        "if(kind in (2, 3), ",
        "usdc_of_fills_and_of_other_events_stand_apart_and_a_sign_says_who_paid",
    ),
    unit(
        "shares of a pool are paid in",
        f"{INTERMEDIATE}/int_positions.sql",
        "kind = 1 or outcome_index between 128 and 254",
        "kind = 1",
        "sums_are_over_all_events_and_only_fills_have_volume_and_fees",
    ),
    Break(
        "liquidity is no trade",
        "macros/is_trade.sql",
        "(kind = 0 and fill_usdc != 0)",
        "kind = 0",
        (
            "sums_are_over_all_events_and_only_fills_have_volume_and_fees",
            "the_last_fill_in_the_order_of_events_makes_the_price",
            "a_trade_with_a_market_maker_is_one_and_liquidity_is_paid_in_for_shares_of_the_pool",
        ),
    ),
    unit(
        "no window ends with liquidity",
        f"{INTERMEDIATE}/int_windows.sql",
        "where action in ('buy', 'sell')",
        "where action != ''",
        "a_trade_with_a_market_maker_ends_them_too_and_liquidity_does_not",
    ),
    unit(
        "what comes back with liquidity is not paid in, in windows",
        f"{INTERMEDIATE}/int_window_trades.sql",
        "kind = 0 and fill_usdc = 0 and outcome_index < 128,",
        "false,",
        "a_trade_with_a_market_maker_is_one_and_liquidity_is_paid_in_for_shares_of_the_pool",
    ),
    unit(
        "shares of a pool of which not all is loaded have no value",
        f"{INTERMEDIATE}/int_wallet_conditions.sql",
        "toBool(all_pool_shares != coalesce(pooled.pool_shares, toDecimal128(0, 6)))",
        "false",
        "shares_of_a_pool_settle_at_what_is_in_it",
    ),
    unit(
        "who has shares of a pool of which not all is loaded is not ranked",
        f"{MARTS}/leaderboard.sql",
        "        and unknown_pools = 0\n",
        "",
        "contracts_of_polymarket_and_negative_holdings_are_not_ranked",
    ),
    unit(
        "a pool that nobody has shares of is not divided",
        f"{INTERMEDIATE}/int_pool_shares.sql",
        "if(whole > 0, {{ settle('pools.shares_0', 'part', 'whole') }}, toDecimal128(0, 6))",
        "{{ settle('pools.shares_0', 'part', 'whole') }}",
        "a_pool_that_nobody_has_shares_of_is_not_divided",
    ),
    unit(
        "market makers mint and merge sets",
        f"{INTERMEDIATE}/int_condition_sets.sql",
        "('amm mint', minted_sets), ('amm merge', merged_sets)",
        "('amm mint', merged_sets), ('amm merge', minted_sets)",
        "what_market_makers_mint_merge_and_hold_is_summed_by_condition",
    ),
    unit(
        "fees that market makers have kept are in no wallet's book",
        f"{INTERMEDIATE}/int_condition_balances.sql",
        "gross_usdc + pooled_usdc + net_sets",
        "gross_usdc + net_sets",
        "what_market_makers_hold_is_in_no_wallets_book_and_balances",
    ),
    unit(
        "a position of a pool's shares is worth what is in it",
        "macros/valued.sql",
        "is_pool and (shares != 0 or pool_shares.wallet is not null)",
        "false",
        "shares_of_a_pool_are_worth_what_is_in_it_if_that_is_known",
    ),
    unit(
        "shares of a pool are no outcome",
        f"{INTERMEDIATE}/int_tokens.sql",
        "toNullable(share_index) as outcome_index",
        "toNullable(toUInt8(0)) as outcome_index",
        "shares_of_a_pool_are_a_token_of_its_condition",
    ),
    unit(
        "a condition with a market maker of Polymarket's is a market",
        f"{INTERMEDIATE}/int_markets.sql",
        "    from market_makers\n",
        "    from market_makers where false\n",
        "a_market_is_listed_or_traded_on_an_exchange_or_is_a_question",
    ),
    unit(
        "shares of a pool have a token of their own",
        f"{MARTS}/fct_position_events.sql",
        " or events.outcome_index >= 128",
        "",
        "activity_finds_its_token_in_the_loaded_condition_and_a_fill_brings_its_own",
    ),
    unit(
        "trades with market makers are a source of their own",
        f"{AUDIT}/audit_coverage.sql",
        "'amm' as protocol",
        "'v1' as protocol",
        "a_day_counts_by_protocol_and_source_and_a_gap_is_seen",
    ),
)
UNIT_BREAKS = (
    *AMM_BREAKS,
    unit(
        "the fee of V2 is collateral on both sides",
        f"{INTERMEDIATE}/int_fills.sql",
        "if(is_buy and protocol = 'v1', net_fee",
        "if(is_buy, net_fee",
        "v2_takes_its_fee_in_collateral_from_either_side_and_tells_fills_by_their_logs",
    ),
    unit(
        "what an exchange makes in a match is in nobody's book",
        f"{INTERMEDIATE}/int_exchange_sets.sql",
        ", 'collateral_adapter')",
        ")",
        "what_exchanges_and_adapters_make_in_a_match_is_told_by_its_fills",
    ),
    unit(
        "what its newest copy says of a match holds",
        f"{INTERMEDIATE}/int_exchange_sets.sql",
        "group by filled_at, transaction_hash, log_index\n    having not argMax(is_gone, fills.loaded_at)",
        "and not is_gone",
        "what_exchanges_and_adapters_make_in_a_match_is_told_by_its_fills",
    ),
    unit(
        "days without fills of V2 are missing",
        f"{INTERMEDIATE}/int_complete_until.sql",
        "coalesce(first_gap_at, last_fill_at)",
        "last_fill_at",
        "days_without_fills_of_v2_are_missing",
    ),
    unit(
        "from the end of V1 on its fills alone are not all",
        f"{INTERMEDIATE}/int_complete_until.sql",
        "coalesce(first_without_v2_at, last_fill_at)",
        "last_fill_at",
        "without_v2_it_ends_with_v1",
    ),
    unit(
        "a fill of V1 in the shape of V2 counts with V1",
        f"{AUDIT}/audit_coverage.sql",
        "where protocol = 'v1'",
        "where protocol = ''",
        "a_day_counts_by_protocol_and_source_and_a_gap_is_seen",
    ),
    unit(
        "a base unit is a millionth of a dollar",
        f"{STAGING}/stg_goldsky__order_fills.sql",
        "{{ from_base_units('maker_amount_filled') }}",
        "toDecimal128(maker_amount_filled, 6)",
        "a_base_unit_is_a_millionth_and_copies_stay",
    ),
    unit(
        "payouts may be decimals",
        f"{STAGING}/stg_goldsky__conditions.sql",
        "arrayMap(n -> {{ decimal_as_integer('n', 'fraction_digits') }}, payout_numerators)",
        "arrayMap(n -> toUInt256OrZero(n), payout_numerators)",
        "payouts_of_every_scale_become_integers_of_the_same_proportion",
    ),
    unit(
        "the denominator is the sum where none is given",
        f"{STAGING}/stg_goldsky__conditions.sql",
        "if(given_denominator > 0, given_denominator, arraySum(numerators))",
        "given_denominator",
        "payouts_of_every_scale_become_integers_of_the_same_proportion",
    ),
    unit(
        "log indexes are hex",
        f"{STAGING}/stg_goldsky__splits.sql",
        "{{ log_index('id') }}",
        "toUInt32OrNull(splitByString('_0x', id)[2])",
        "the_id_of_a_split_is_its_transaction_and_log_index",
    ),
    unit(
        "an absurd amount stops no build",
        f"{STAGING}/stg_goldsky__splits.sql",
        "{{ from_base_units('amount', unbounded=true) }}",
        "{{ from_base_units('amount') }}",
        "an_amount_beyond_all_money_does_not_stop_the_build",
    ),
    unit(
        "the newest answer about a condition counts",
        f"{INTERMEDIATE}/int_payout_vectors.sql",
        "source asc, loaded_at desc",
        "source asc, loaded_at asc",
        "each_source_has_its_newest_word_and_a_log_that_is_gone_has_none",
    ),
    unit(
        "a log whose block has left the chain does not count",
        f"{INTERMEDIATE}/int_payout_vectors.sql",
        "    where not is_gone\n",
        "",
        "each_source_has_its_newest_word_and_a_log_that_is_gone_has_none",
    ),
    unit(
        "the chain counts before the subgraph, and that before a file",
        f"{INTERMEDIATE}/int_conditions.sql",
        "priority asc",
        "priority desc",
        "the_first_source_in_the_written_order_counts",
    ),
    unit(
        "a resolution log tells the time of the resolution",
        f"{INTERMEDIATE}/int_resolution_times.sql",
        "reported.reported_at, first_redemptions.first_redeemed_at, times.last_event_at",
        "first_redemptions.first_redeemed_at, reported.reported_at, times.last_event_at",
        "a_condition_was_resolved_by_its_first_redemption_or_after_its_last_event",
    ),
    unit(
        "in V2 too who buys gives collateral",
        "models/staging/chain/stg_chain__order_fills.sql",
        "if(side = 0, toUInt256(0), token_id) as given_asset_id",
        "if(side = 1, toUInt256(0), token_id) as given_asset_id",
        "side_0_gives_collateral_and_side_1_gives_the_token",
    ),
    unit(
        "the contract's numerators are parts of their sum",
        "models/staging/chain/stg_chain__condition_resolutions.sql",
        "arraySum(payout_numerators)",
        "arrayMax(payout_numerators)",
        "the_numerators_of_a_resolution_are_parts_of_their_sum",
    ),
    unit(
        "payouts of a file may be decimals",
        "models/staging/files/stg_files__payouts.sql",
        "arrayMap(n -> {{ decimal_as_integer('n', 'fraction_digits') }}, payouts)",
        "arrayMap(n -> toUInt256OrZero(n), payouts)",
        "payouts_of_a_file_may_be_decimals",
    ),
    unit(
        "outcomes are in the order of the position ids",
        f"{INTERMEDIATE}/int_tokens.sql",
        "arrayEnumerate(token_ids) as position",
        "arrayReverse(arrayEnumerate(token_ids)) as position",
        "the_outcome_of_a_token_is_its_place_among_the_position_ids",
    ),
    unit(
        "the exchange's order is no order of outcomes",
        f"{INTERMEDIATE}/int_tokens.sql",
        "authority desc",
        "authority asc",
        "the_outcome_of_a_token_is_its_place_among_the_position_ids",
    ),
    unit(
        "a token of a condition not loaded has no outcome",
        f"{INTERMEDIATE}/int_tokens.sql",
        "cast(null, 'Nullable(UInt8)') as outcome_index",
        "cast(0, 'Nullable(UInt8)') as outcome_index",
        "a_registered_token_whose_condition_is_not_loaded_has_no_outcome_yet",
    ),
    unit(
        "questions of neg-risk events are markets",
        f"{INTERMEDIATE}/int_markets.sql",
        "    from questions\n",
        "    from questions\n    where false\n",
        "a_market_is_listed_or_traded_on_an_exchange_or_is_a_question",
    ),
    unit(
        "a condition with fills is a market",
        f"{INTERMEDIATE}/int_markets.sql",
        "    inner join traded on tokens.token_id = traded.token_id\n",
        "    inner join traded on tokens.token_id = traded.token_id\n    where false\n",
        "a_market_is_listed_or_traded_on_an_exchange_or_is_a_question",
    ),
    unit(
        "shares of an unknown outcome are not shown as none",
        f"{MARTS}/fct_realized_pnl_by_market.sql",
        "if(has_unknown_outcome, [], [open_shares_0, open_shares_1])",
        "[open_shares_0, open_shares_1]",
        "fills_of_unknown_tokens_are_in_no_market",
    ),
    unit(
        "a question's condition comes from the adapter's address",
        "loaders/schema.sql",
        "unhex('d91e80cf2e7be2e162c6513ced06f1dd0da35296')",
        "unhex('71523d0f655b41e805cec45b17163f528b59b820')",
        "the_condition_of_a_question_is_a_hash_of_adapter_question_and_two",
    ),
    unit(
        "an event grows",
        f"{INTERMEDIATE}/int_neg_risk_questions.sql",
        "max(counts.question_count)",
        "min(counts.question_count)",
        "the_questions_of_an_event_are_those_of_the_largest_count_seen",
    ),
    unit(
        "a fill is its maker's, not its taker's",
        "macros/matched_fills.sql",
        "        wallet,\n        nullIf(",
        "        if(is_taker, measured.wallet, measured.counterparty) as wallet,\n        nullIf(",
        "every_row_of_a_match_is_a_fill_of_its_owner_and_of_nobody_else",
    ),
    unit(
        "a row is one wallet's fill, not both sides'",
        "macros/matched_fills.sql",
        "        wallet,\n        nullIf(",
        "        arrayJoin([measured.wallet, measured.counterparty]) as wallet,\n        nullIf(",
        "every_row_of_a_match_is_a_fill_of_its_owner_and_of_nobody_else",
    ),
    unit(
        "a self-trade keeps both rows",
        f"{INTERMEDIATE}/int_fills.sql",
        UNMOVED,
        f"wallet != counterparty and {UNMOVED}",
        "a_self_trade_is_two_fills_that_cancel_out",
    ),
    unit(
        "a buyer's fee is in shares",
        f"{INTERMEDIATE}/int_fills.sql",
        "shares - fee_shares",
        "shares",
        "a_buyer_pays_the_fee_in_shares_and_a_seller_in_usdc",
    ),
    unit(
        "a refund belongs to one transaction",
        f"{INTERMEDIATE}/int_fills.sql",
        "            matched.transaction_hash = refunded.transaction_hash\n            and matched.order_hash",
        "            matched.order_hash",
        "a_refund_lowers_the_fee_of_its_order_in_its_transaction",
    ),
    unit(
        "a fill that moved counts once",
        f"{INTERMEDIATE}/int_fills.sql",
        UNMOVED,
        f"true or {UNMOVED}",
        "a_fill_whose_block_was_replaced_counts_once_where_it_stands_now",
    ),
    unit(
        "the newest copy of a fill that moved counts",
        f"{INTERMEDIATE}/int_moved_fills.sql",
        "landed_at desc",
        "landed_at asc",
        "of_copies_of_a_fill_at_several_times_only_the_newest_counts",
    ),
    unit(
        "a merge is a split backwards",
        f"{INTERMEDIATE}/int_set_events.sql",
        "-sets as delta_sets",
        "sets as delta_sets",
        "a_split_pays_one_usdc_for_both_shares_and_a_merge_returns_it",
    ),
    unit(
        "other projects' splits are left out",
        f"{INTERMEDIATE}/int_set_events.sql",
        "\n    where condition_id in (select condition_id from markets)",
        "",
        "a_split_landed_twice_counts_once_and_those_of_other_projects_not_at_all",
    ),
    unit(
        "the newest copy says whose condition was split",
        f"{INTERMEDIATE}/int_set_events.sql",
        "where set_event_id not in",
        "where condition_id in (select condition_id from markets) and set_event_id not in",
        "a_split_landed_twice_counts_once_and_those_of_other_projects_not_at_all",
    ),
    unit(
        "the newest copy says whose condition was redeemed",
        f"{INTERMEDIATE}/int_redemptions.sql",
        "    from landed\n",
        "    from landed\n    where condition_id in (select condition_id from markets)\n",
        "a_redemption_landed_twice_counts_once_and_those_of_other_projects_not_at_all",
    ),
    unit(
        "the newest copy says of which condition the sets are",
        f"{INTERMEDIATE}/int_condition_sets.sql",
        "where split_id not in",
        "where condition_id in (select condition_id from markets) and split_id not in",
        "sets_are_split_merged_minted_and_merged_by_the_exchange_and_copies_count_once",
    ),
    unit(
        "a conversion gives NO up",
        f"{INTERMEDIATE}/int_conversions.sql",
        "if(priced.is_no, -priced.shares, priced.shares)",
        "priced.shares",
        "giving_up_no_of_one_question_brings_yes_of_the_others_and_no_cash",
    ),
    unit(
        "a conversion is booked at the uniform price",
        f"{INTERMEDIATE}/int_conversions.sql",
        "least(place, no_count - 1) * (n - 1) - greatest",
        "least(place, no_count - 1) * n - greatest",
        "giving_up_no_of_two_questions_pays_one_usdc_a_share",
    ),
    unit(
        "NO of all questions pays for all but one",
        f"{INTERMEDIATE}/int_conversions.sql",
        "            (no_count - 1) * n,\n",
        "            no_count * n,\n",
        "giving_up_no_of_all_questions_pays_for_all_but_one",
    ),
    unit(
        "the first question takes the odd base unit",
        f"{INTERMEDIATE}/int_conversions.sql",
        "arrayConcat(arrayPopFront(no_questions), yes_questions, [no_questions[1]])",
        "arrayConcat(arrayPopBack(no_questions), yes_questions, [no_questions[-1]])",
        "the_first_question_given_up_takes_the_base_unit_that_does_not_divide",
    ),
    unit(
        "a split comes before the trades of its transaction",
        f"{INTERMEDIATE}/int_holding_changes.sql",
        "if(event_type = 'split', 1, 4) as kind",
        "if(event_type = 'split', 9, 4) as kind",
        "every_kind_but_redemptions_changes_holdings_and_has_its_place_in_a_transaction",
    ),
    unit(
        "losers are redeemed too",
        f"{INTERMEDIATE}/int_position_events.sql",
        "    where delta_shares != 0 or delta_usdc != 0\n",
        "    where delta_usdc != 0\n",
        "redemptions_join_the_other_events_unless_nothing_left",
    ),
    unit(
        "the record of Polymarket hears of both outcomes",
        f"{INTERMEDIATE}/int_redemptions.sql",
        "    ] as leg\n",
        "    ] as leg\n    where leg.2 != 0\n",
        "a_redemption_takes_winners_and_losers_alike",
    ),
    unit(
        "only the named index sets are redeemed",
        f"{INTERMEDIATE}/int_redemptions.sql",
        "groupArrayIf(moment, has(index_sets, toUInt256(1)))",
        "groupArray(moment)",
        "only_the_index_sets_that_were_named_leave",
    ),
    unit(
        "a part of the winners can be redeemed",
        f"{INTERMEDIATE}/int_redemptions.sql",
        "numerator_1 = 0, bought_by_payout_0,",
        "numerator_1 = 0, held_0,",
        "a_payout_below_what_is_held_says_how_many_winners_left",
    ),
    unit(
        "cash of a redemption needs no payout vector",
        f"{INTERMEDIATE}/int_redemptions.sql",
        "left join conditions on",
        "inner join conditions on",
        "cash_is_kept_and_all_leave_when_the_payout_is_not_loaded",
    ),
    unit(
        "what was redeemed is not held any more",
        f"{INTERMEDIATE}/int_redemptions.sql",
        "arrayFirst(\n            moment -> moment > entries.moment",
        "arrayLast(\n            moment -> moment > entries.moment",
        "a_second_redemption_takes_only_what_came_since_the_first",
    ),
    unit(
        "what comes after a redemption is not redeemed",
        f"{INTERMEDIATE}/int_redemptions.sql",
        "moment -> moment > entries.moment",
        "moment -> true",
        "a_second_redemption_takes_only_what_came_since_the_first",
    ),
    unit(
        "only buys and splits are paid in",
        f"{INTERMEDIATE}/int_holding_changes.sql",
        "if(is_buy, usdc, toDecimal128(0, 6)) as paid_in_usdc",
        "usdc as paid_in_usdc",
        "fills_have_volume_and_fees_and_buys_and_splits_are_what_was_paid_in",
    ),
    unit(
        "a conversion of all questions carries no cost",
        f"{INTERMEDIATE}/int_holding_changes.sql",
        "no_count < question_count as carries_cost",
        "true as carries_cost",
        "every_kind_but_redemptions_changes_holdings_and_has_its_place_in_a_transaction",
    ),
    unit(
        "the subgraph takes fills before fees",
        "macros/replay.sql",
        "        reinterpretAsInt128({{ lines }}.shares)\n    ) as subgraph_shares",
        "        delta_shares\n    ) as subgraph_shares",
        "the_subgraph_takes_fills_before_fees_and_sets_at_half_a_dollar",
        EVENTS,
    ),
    unit(
        "a leg of a set is half a dollar",
        "macros/replay.sql",
        "toInt128(500000)",
        "toInt128(1000000)",
        "the_subgraph_takes_fills_before_fees_and_sets_at_half_a_dollar",
        EVENTS,
    ),
    unit(
        "NO leaves a conversion at what it cost",
        "macros/replay.sql",
        "toBool(kind = 5 and {{ lines }}.shares < 0) as at_average",
        "false as at_average",
        "converted_no_leaves_at_average_cost_and_yes_costs_what_its_own_line_says",
        EVENTS,
    ),
    unit(
        "the subgraph knows nothing of an unresolved condition's redemption",
        f"{INTERMEDIATE}/int_redemptions.sql",
        "            not is_paid, toInt128(0),\n",
        "",
        "the_subgraph_sells_all_of_both_outcomes_whatever_was_redeemed",
    ),
    unit(
        "the adapter does not say how many losers left",
        f"{INTERMEDIATE}/int_redemptions.sql",
        "is_paid and is_neg_risk and leg.4 != denominator",
        "is_paid and is_neg_risk and leg.4 = denominator",
        "the_subgraph_sells_all_of_both_outcomes_whatever_was_redeemed",
    ),
    unit(
        "a payout has the place of its outcome",
        f"{INTERMEDIATE}/int_redemptions.sql",
        "cash_0, paid_0), (toUInt8(1), left_1, cash_1, paid_1)",
        "cash_0, paid_1), (toUInt8(1), left_1, cash_1, paid_0)",
        "the_subgraph_sells_all_of_both_outcomes_whatever_was_redeemed",
    ),
    unit(
        "what the subgraph books is cut off toward zero",
        "macros/replay.sql",
        "intDiv(sold * (price - state.2), 1000000)",
        "toInt128(floor(sold * (price - state.2) / 1000000))",
        "the_replay_is_the_subgraphs_own_to_the_last_unit",
        SUBGRAPH,
    ),
    unit(
        "the average is over what is held and what comes",
        "macros/replay.sql",
        "intDiv(state.2 * amount + paid, new_amount)",
        "if(paid > 0, price, state.2)",
        "the_replay_is_the_subgraphs_own_to_the_last_unit",
        SUBGRAPH,
    ),
    unit(
        "the subgraph sells no more than it holds",
        "macros/replay.sql",
        "least(greatest(-delta, 0), shares), ordered.subgraph_shares",
        "greatest(-delta, 0), ordered.subgraph_shares",
        "the_replay_is_the_subgraphs_own_to_the_last_unit",
        SUBGRAPH,
    ),
    unit(
        "losers that were not there leave no doubt",
        "macros/replay.sql",
        "toUInt64(is_unknown and shares > 0)",
        "toUInt64(is_unknown)",
        "losers_that_were_tracked_and_redeemed_at_the_adapter_are_of_unknown_number",
        COST,
    ),
    unit(
        "what leaves takes its part of the cost along",
        "macros/replay.sql",
        "toInt128(intDiv(toInt256(added - state.1) * leaving, held))",
        "toInt128(0)",
        "what_leaves_takes_its_part_of_the_average_cost_along",
        COST,
    ),
    unit(
        "shares beyond what is held book nothing",
        "macros/replay.sql",
        "toInt128(intDiv(toInt256(usdc) * 1000000000 * matched, greatest(-delta, 1)))",
        "toInt128(usdc * 1000000000)",
        "shares_beyond_what_is_held_book_nothing_and_are_counted",
        COST,
    ),
    unit(
        "cost that is carried is not booked",
        "macros/replay.sql",
        "if(is_it, now - before, toInt128(0))",
        "toInt128(0)",
        "a_conversion_carries_cost_unless_it_gives_up_every_question",
        COST,
    ),
    unit(
        "half a base unit is rounded up, below zero too",
        "macros/from_billionths.sql",
        " + {{ most }} * 1000000000, 1000000000) - {{ most }}",
        ", 1000000000)",
        "realized_and_cost_are_rounded_alike_so_that_cash_is_kept",
        ("rounding",),
    ),
    unit(
        "what is booked has its day",
        f"{INTERMEDIATE}/int_positions.sql",
        "(day, now, before) -> (day, now",
        "(day, now, before) -> (day - 1, now",
        "what_is_booked_has_the_day_of_its_sale_and_the_days_add_up",
        DAYS,
    ),
    unit(
        "events are in order",
        "macros/replay.sql",
        "    arraySort(event -> event.1, groupArray((\n",
        "    identity(groupArray((\n",
        "events_are_in_the_order_of_time_transaction_kind_log_index_and_order",
        SUBGRAPH + COST + DAYS,
    ),
    unit(
        "YES costs what NO had cost less the cash",
        f"{INTERMEDIATE}/int_conversion_costs.sql",
        "taken.cost_taken - (no_questions - 1) * brought.subgraph_shares * 1000000000",
        "taken.cost_taken",
        "yes_costs_what_no_had_cost_less_the_cash_that_was_paid",
        SUBGRAPH + COST + DAYS,
    ),
    unit(
        "the subgraph's YES price is what is left of the mean NO price",
        f"{INTERMEDIATE}/int_conversion_costs.sql",
        "* no_questions - 1000000 * (no_questions - 1)",
        "* no_questions",
        "yes_costs_what_no_had_cost_less_the_cash_that_was_paid",
        SUBGRAPH + COST + DAYS,
    ),
    unit(
        "a resolved token is worth its payout and not its last price",
        "macros/valued.sql",
        "        is_resolved, 'payout',\n",
        "",
        "shares_are_worth_their_payout_or_else_the_price_of_their_last_trade",
    ),
    unit(
        "a share is worth the payout of its own outcome",
        "macros/valued.sql",
        "'conditions.payout_numerators[' ~ positions ~ '.outcome_index + 1]'",
        "'conditions.payout_numerators[2 - ' ~ positions ~ '.outcome_index]'",
        "shares_are_worth_their_payout_or_else_the_price_of_their_last_trade",
    ),
    unit(
        "a token without a price has no value",
        "macros/held_value.sql",
        "        null\n",
        "        toDecimal128(0, 6)\n",
        "shares_are_worth_their_payout_or_else_the_price_of_their_last_trade",
    ),
    unit(
        "the last fill makes the price",
        f"{INTERMEDIATE}/int_token_prices.sql",
        "argMax((abs(shares), abs(fill_usdc))",
        "argMin((abs(shares), abs(fill_usdc))",
        "the_last_fill_in_the_order_of_events_makes_the_price",
    ),
    unit(
        "a taker's fill comes after its makers'",
        f"{INTERMEDIATE}/int_holding_changes.sql",
        "if(is_taker, 3, 2) as kind",
        "2 as kind",
        "every_kind_but_redemptions_changes_holdings_and_has_its_place_in_a_transaction",
    ),
    unit(
        "nobody redeems before the resolution",
        f"{INTERMEDIATE}/int_resolution_times.sql",
        "reported.reported_at, first_redemptions.first_redeemed_at, times.last_event_at",
        "reported.reported_at, times.last_event_at",
        "a_condition_was_resolved_by_its_first_redemption_or_after_its_last_event",
    ),
    unit(
        "a resolution has its time",
        f"{MARTS}/vw_resolutions_truth.sql",
        "times.resolved_at as resolved_at",
        "cast(null, 'Nullable(DateTime(\\'UTC\\'))') as resolved_at",
        "a_resolution_has_the_time_that_events_tell",
    ),
    unit(
        "P&L is cash plus winning shares, never minus",
        f"{INTERMEDIATE}/int_wallet_conditions.sql",
        "cash_usdc + settlement_usdc",
        "cash_usdc - settlement_usdc",
        "settled_pnl_is_cash_plus_shares_at_payout_and_a_redemption_changes_nothing",
    ),
    unit(
        "a redemption is cash",
        f"{INTERMEDIATE}/int_positions.sql",
        "{{ from_base_units('arraySum(ordered.delta_usdc)') }}",
        "{{ from_base_units('arraySum((usdc, kind) -> if(kind = 6, 0, usdc), ordered.delta_usdc, kinds)') }}",
        "sums_are_over_all_events_and_only_fills_have_volume_and_fees",
        SUMS,
    ),
    unit(
        "an outcome's open shares are its own",
        f"{INTERMEDIATE}/int_wallet_conditions.sql",
        "sumIf(shares, outcome_index = 1) as shares_1",
        "sumIf(shares, outcome_index = 0) as shares_1",
        "settled_pnl_is_cash_plus_shares_at_payout_and_a_redemption_changes_nothing",
    ),
    unit(
        "unresolved is not worthless",
        f"{INTERMEDIATE}/int_wallet_conditions.sql",
        "            null\n        ) as settlement_usdc",
        "            toDecimal128(0, 6)\n        ) as settlement_usdc",
        "an_unresolved_condition_is_not_worthless",
    ),
    unit(
        "what is unknown of one outcome is unknown of both",
        f"{INTERMEDIATE}/int_wallet_conditions.sql",
        "'known.last_shares_1', 'known.last_usdc_1'",
        "'1', '0'",
        "average_cost_is_that_of_both_outcomes_and_unknown_where_one_is",
    ),
    unit(
        "payouts round toward zero",
        "macros/settle.sql",
        "toInt256({{ numerator }}),",
        "toInt256({{ numerator }}) + intDiv(toInt256({{ denominator }}), 2),",
        "each_outcome_is_paid_by_itself_and_rounded_toward_zero",
    ),
    unit(
        "wins are of traded conditions",
        f"{INTERMEDIATE}/int_wallets.sql",
        "countIf(wallet_conditions.fill_count > 0 and is_resolved and pnl_usdc > 0)",
        "countIf(is_resolved and pnl_usdc > 0)",
        "gains_losses_and_wins_are_by_condition",
    ),
    unit(
        "a part of unrealized P&L is not shown as all of it",
        f"{MARTS}/fct_wallet_pnl.sql",
        "coalesce(wallet_values.unpriced_holdings, 0) > 0, 'never traded',",
        "false, 'never traded',",
        "unrealized_pnl_is_unknown_where_any_of_it_is_and_the_reason_is_given",
    ),
    unit(
        "what was never traded is counted",
        f"{INTERMEDIATE}/int_wallet_values.sql",
        "countIf(values_held.value_usdc is null)",
        "toUInt64(0)",
        "all_that_is_held_is_worth_its_payout_or_its_last_trade_and_what_was_never_traded_is_counted",
    ),
    unit(
        "either outcome can be missing",
        f"{INTERMEDIATE}/int_wallets.sql",
        "least(open_shares_0, open_shares_1) < 0",
        "open_shares_0 < 0",
        "who_gave_up_more_than_it_ever_got_has_negative_holdings",
    ),
    unit(
        "volume counts unknown tokens",
        f"{INTERMEDIATE}/int_wallets.sql",
        "sum(wallet_conditions.volume_usdc)",
        "sumIf(wallet_conditions.volume_usdc, condition_id is not null)",
        "volume_and_fees_are_of_all_fills_whatever_is_known_of_them",
    ),
    unit(
        "who sold everything is no holder",
        f"{INTERMEDIATE}/int_holders.sql",
        "shares > 0 and ",
        "",
        "who_holds_nothing_any_more_is_no_holder",
    ),
    unit(
        "a fill that brought no shares has cost something",
        f"{INTERMEDIATE}/int_entries.sql",
        "if(paid_in_usdc > 0, -volume_usdc, volume_usdc)",
        "if(gross_shares > 0, -volume_usdc, volume_usdc)",
        "usdc_of_fills_and_of_other_events_stand_apart_and_a_sign_says_who_paid",
    ),
    unit(
        "an event that came later stands later",
        "macros/event_moment.sql",
        "toUInt128(toUnixTimestamp({{ happened_at }}))",
        "toUInt128(0)",
        "the_moments_of_fills_go_by_time_then_transaction_then_role_then_order",
    ),
    unit(
        "an event has the name of its moment",
        f"{INTERMEDIATE}/int_event_names.sql",
        "3, 2) as kind",
        "2, 3) as kind",
        "a_fill_is_found_by_the_moment_that_it_has_in_int_entries",
    ),
    unit(
        "who met the exchange is the taker",
        f"{MARTS}/fct_fills.sql",
        "if(is_taker, 'taker', 'maker')",
        "if(is_taker, 'maker', 'taker')",
        "price_is_usdc_per_share_and_role_and_side_are_the_owners",
    ),
    unit(
        "an address has one spelling",
        f"{MARTS}/fct_fills.sql",
        "{{ hex_text('fills.counterparty') }} as counterparty",
        "concat('0x', hex(fills.counterparty)) as counterparty",
        "bytes_become_text_in_lower_case_and_what_is_unknown_stays_null",
    ),
    unit(
        "activity finds its token",
        f"{MARTS}/fct_position_events.sql",
        "toUInt8(position - 1)",
        "toUInt8(position)",
        "activity_finds_its_token_in_the_loaded_condition_and_a_fill_brings_its_own",
    ),
    unit(
        "unknown tokens are in no market",
        f"{MARTS}/fct_realized_pnl_by_market.sql",
        "    where wallet_conditions.condition_id is not null\n",
        "",
        "fills_of_unknown_tokens_are_in_no_market",
    ),
    unit(
        "the win rate is over what is resolved",
        f"{MARTS}/fct_wallet_pnl.sql",
        "nullIf(markets_resolved, 0)",
        "nullIf(markets_traded, 0)",
        "win_rate_is_over_resolved_conditions_and_null_without_any",
    ),
    unit(
        "ties share a rank and the next one skips",
        f"{MARTS}/leaderboard.sql",
        "rank() over",
        "dense_rank() over",
        "equal_pnl_is_equal_rank_and_the_next_rank_skips_in_each_window",
    ),
    unit(
        "contracts are not ranked",
        f"{MARTS}/leaderboard.sql",
        "        wallet not in (select address from system_addresses)\n",
        "        true\n",
        "contracts_of_polymarket_and_negative_holdings_are_not_ranked",
    ),
    unit(
        "negative holdings are not ranked",
        f"{MARTS}/leaderboard.sql",
        "        and negative_holdings = 0\n",
        "",
        "contracts_of_polymarket_and_negative_holdings_are_not_ranked",
    ),
    unit(
        "the deviation is that of a sample",
        f"{MARTS}/leaderboard.sql",
        "(days - 1) * base_units",
        "days * base_units",
        "sharpe_counts_every_calendar_day",
    ),
    unit(
        "days after the last fill count if something settled on them",
        f"{MARTS}/leaderboard.sql",
        "greatest(contenders.last_day, coalesce(series.last_day, contenders.last_day))",
        "contenders.last_day",
        "sharpe_counts_every_calendar_day",
    ),
    unit(
        "omega is over losing days",
        f"{MARTS}/leaderboard.sql",
        "nullIf(toFloat64(losing_days_usdc), 0)",
        "toNullable(greatest(toFloat64(losing_days_usdc), 1))",
        "omega_is_gaining_over_losing_days_and_null_without_a_losing_day",
    ),
    unit(
        "total is realized and unrealized",
        f"{MARTS}/fct_wallet_pnl.sql",
        "realized_pnl_usdc + unrealized_pnl_usdc as total_pnl_usdc",
        "realized_pnl_usdc - unrealized_pnl_usdc as total_pnl_usdc",
        "total_is_realized_and_unrealized_and_contracts_are_flagged",
    ),
    unit(
        "contracts are flagged",
        f"{MARTS}/fct_wallet_pnl.sql",
        "toBool(stored.wallet in (select address from system_addresses))",
        "false",
        "total_is_realized_and_unrealized_and_contracts_are_flagged",
    ),
    unit(
        "a ratio without a denominator is null",
        f"{MARTS}/leaderboard.sql",
        "nullIf(toFloat64(paid_in_usdc), 0)",
        "toNullable(greatest(toFloat64(paid_in_usdc), 1))",
        "ratios_are_over_what_was_paid_in_and_what_is_resolved_and_null_without",
    ),
    unit(
        "the winner has the highest payout",
        f"{MARTS}/vw_resolutions_truth.sql",
        "highest_numerator) - 1)",
        "highest_numerator) % 2)",
        "the_winner_has_the_single_highest_payout_and_a_tie_has_none",
    ),
    unit(
        "who came after a condition was resolved gains on that day",
        f"{INTERMEDIATE}/int_settlements.sql",
        "greatest(toDate(resolution_times.resolved_at), toDate(wallet_conditions.first_at))",
        "toDate(resolution_times.resolved_at)",
        "a_condition_settles_on_the_day_it_resolved_and_for_who_came_later_on_the_day_of_coming",
    ),
    unit(
        "conversions carry costs",
        f"{INTERMEDIATE}/int_carried_costs.sql",
        "cash_usdc + cost_usdc - realized_pnl_usdc",
        "cash_usdc - cost_usdc - realized_pnl_usdc",
        "what_conversions_make_of_settled_pnl_goes_back_to_nothing_over_the_event",
    ),
    unit(
        "shares from nowhere carry no cost",
        f"{INTERMEDIATE}/int_carried_costs.sql",
        "    where incomplete_conditions = 0\n",
        "",
        "an_event_with_shares_from_nowhere_carries_nothing",
    ),
    unit(
        "a sale before the resolution is not booked again",
        f"{INTERMEDIATE}/int_wallet_days.sql",
        "(resolved_on, 0, -pnl_usdc)",
        "(resolved_on, 0, 0)",
        "pnl_that_a_sale_realized_is_not_booked_again_when_the_condition_settles",
    ),
    unit(
        "a redemption after the resolution books nothing",
        f"{INTERMEDIATE}/int_wallet_days.sql",
        "[(realized_on, pnl_usdc, 0)]",
        "[(realized_on, pnl_usdc, pnl_usdc)]",
        "pnl_that_a_sale_realized_is_not_booked_again_when_the_condition_settles",
    ),
    unit(
        "what is unresolved books what it realized",
        f"{INTERMEDIATE}/int_wallet_days.sql",
        "resolved_on is null, [(realized_on, pnl_usdc, pnl_usdc)]",
        "resolved_on is null, [(realized_on, pnl_usdc, 0)]",
        "conditions_of_a_day_add_up_and_unresolved_ones_book_what_is_realized",
    ),
    unit(
        "the price of a conversion is no gain",
        f"{INTERMEDIATE}/int_wallet_days.sql",
        " - coalesce(carried_costs.carried_usdc, toDecimal128(0, 6)) as booked_usdc",
        " as booked_usdc",
        "a_conversion_books_nothing_when_the_question_it_gave_up_settles",
    ),
    unit(
        "only traded conditions are won on a day",
        f"{INTERMEDIATE}/int_wallet_days.sql",
        "settlements.is_traded as is_market",
        "true as is_market",
        "conditions_that_were_traded_are_won_or_not_on_the_day_they_settle",
    ),
    unit(
        "a wallet adds up from its first day",
        f"{MARTS}/fct_wallet_pnl_daily.sql",
        "arraySort(groupArray((day",
        "arrayReverseSort(groupArray((day",
        "each_wallet_adds_up_from_its_first_day",
    ),
    unit(
        "the last day is one of the days",
        f"{INTERMEDIATE}/int_windows.sql",
        "(named.2 - 1)",
        "named.2",
        "windows_end_with_the_day_of_the_last_fill",
    ),
    unit(
        "a window ends",
        f"{INTERMEDIATE}/int_window_wallets.sql",
        "recent.day between windows.first_day and windows.last_day",
        "recent.day >= windows.first_day",
        "pnl_and_conditions_won_are_those_of_the_days_they_were_booked_on",
    ),
    unit(
        "splits are paid in",
        f"{INTERMEDIATE}/int_window_trades.sql",
        "        kind in (0, 1, 2, 3)\n",
        "        kind in (0, 2, 3)\n",
        "a_window_has_what_happened_on_its_days_and_nothing_else",
    ),
    unit(
        "a window is of who filled or booked",
        f"{INTERMEDIATE}/int_window_wallets.sql",
        "    having fill_count > 0 or countIf(is_booked) > 0\n",
        "",
        "who_only_split_or_merged_is_not_in_the_window",
    ),
    unit(
        "all time is settled",
        f"{INTERMEDIATE}/int_window_series.sql",
        "groupArray((day, settled_pnl_usdc))",
        "groupArray((day, booked_pnl_usdc))",
        "all_is_of_settled_and_a_finite_window_of_booked_pnl",
    ),
    unit(
        "a loss on the first day is a fall",
        f"{INTERMEDIATE}/int_window_series.sql",
        "arrayCumSumNonNegative(usdc -> -usdc, pnl_usdc)",
        "arrayCumSumNonNegative(usdc -> -usdc, arrayPopFront(pnl_usdc))",
        "the_highest_begins_at_nothing",
    ),
    unit(
        "a fall is from what was highest before",
        f"{INTERMEDIATE}/int_window_series.sql",
        "arrayCumSumNonNegative(usdc -> -usdc, pnl_usdc)",
        "arrayCumSum(usdc -> -usdc, pnl_usdc)",
        "the_deepest_fall_is_from_the_highest_before_it",
    ),
    unit(
        "days are taken as they came",
        f"{INTERMEDIATE}/int_window_series.sql",
        "arraySort(day -> day.1, listed.days)",
        "listed.days",
        "the_deepest_fall_is_from_the_highest_before_it",
    ),
    unit(
        "what a match left over is not spent",
        f"{INTERMEDIATE}/int_fills.sql",
        " + leftover_usdc as delta_usdc",
        " as delta_usdc",
        "what_a_match_left_over_came_back_to_its_taker",
    ),
    unit(
        "sets are minted at one USDC",
        "macros/matched_fills.sql",
        "sold_usdc + bought_shares - bought_usdc",
        "sold_usdc + bought_usdc",
        "what_the_makers_did_not_take_came_back",
    ),
    unit(
        "a leftover is proven by all of its makers",
        "macros/matched_fills.sql",
        "is_makers_counterparty and is_received_from_makers and excess >= 0",
        "is_makers_counterparty and excess >= 0",
        "a_leftover_that_is_not_proven_is_none",
    ),
    unit(
        "an open window is not loaded",
        f"{INTERMEDIATE}/int_loaded_spans.sql",
        "newest_state = 'complete' and since",
        "since",
        "windows_that_touch_or_overlap_are_one_span_and_open_ones_none",
    ),
    unit(
        "a question belongs to its event",
        f"{INTERMEDIATE}/int_units.sql",
        "coalesce(questions.neg_risk_event_id, markets.condition_id)",
        "markets.condition_id",
        "questions_balance_with_their_event_and_others_alone",
    ),
    unit(
        "a redemption is no part of the balance",
        f"{INTERMEDIATE}/int_condition_bookings.sql",
        "all_cash_usdc - redeemed_usdc as cash_usdc",
        "all_cash_usdc as cash_usdc",
        "books_of_all_wallets_are_added_up_and_redemptions_stand_apart",
    ),
    unit(
        "sets landed twice count once",
        "macros/newest_copies.sql",
        "    limit 1 by {{ id }}\n",
        "",
        "sets_are_split_merged_minted_and_merged_by_the_exchange_and_copies_count_once",
    ),
    unit(
        "of copies that were landed at once the later counts",
        "macros/newest_copies.sql",
        ", happened_at desc",
        "",
        "a_split_landed_twice_counts_once_and_those_of_other_projects_not_at_all",
    ),
    unit(
        "of copies that were landed at once the later counts",
        f"{INTERMEDIATE}/int_redemptions.sql",
        ", happened_at desc",
        "",
        "a_redemption_landed_twice_counts_once_and_those_of_other_projects_not_at_all",
    ),
    unit(
        "a conversion covers the questions of its time",
        f"{INTERMEDIATE}/int_condition_sets.sql",
        "    where questions.question < alike.question_count\n",
        "",
        "a_conversion_moves_shares_in_the_questions_that_existed_then",
    ),
    unit(
        "fees left the wallets and not the balance",
        f"{INTERMEDIATE}/int_condition_balances.sql",
        "shares_0 + fee_shares_0 as gross_shares_0",
        "shares_0 as gross_shares_0",
        "shares_and_cash_cancel_out_against_the_sets",
    ),
    unit(
        "a conversion without a winner has lost",
        f"{INTERMEDIATE}/int_condition_balances.sql",
        "        - converted_shares as conversion_gain_usdc",
        "        as conversion_gain_usdc",
        "a_conversion_gains_nothing_when_one_of_its_questions_was_yes",
    ),
    unit(
        "an event is settled when all of it is",
        f"{INTERMEDIATE}/int_unit_balances.sql",
        "toBool(min(balances.is_resolved))",
        "toBool(max(balances.is_resolved))",
        "the_questions_of_an_event_are_one_unit",
    ),
    unit(
        "a load of one wallet is not one of all",
        f"{AUDIT}/audit_double_entry.sql",
        "    where scope = ''\n",
        "",
        "what_is_not_all_there_is_partial_and_not_wrong",
    ),
    unit(
        "dust is one base unit a row",
        f"{AUDIT}/audit_double_entry.sql",
        "most_shares > dust_usdc",
        "most_shares > 100000000 * dust_usdc",
        "what_remains_beyond_dust_is_unbalanced",
    ),
    unit(
        "what was redeemed was won",
        f"{AUDIT}/audit_pnl_attribution.sql",
        " - 2 * redeemed_usdc",
        "",
        "every_mistake_by_itself",
    ),
    unit(
        "the other side of a maker is its taker",
        f"{INTERMEDIATE}/int_misread_amounts.sql",
        "    where not is_taker and counterparty is not null\n",
        "    where counterparty is not null\n",
        "amounts_that_mistakes_count_or_leave_out",
    ),
    unit(
        "what is loaded of everybody is loaded of each",
        f"{INTERMEDIATE}/int_baseline_reach.sql",
        "in ('', concat('wallet:', baselines.wallet))",
        "in (concat('wallet:', baselines.wallet))",
        "loads_of_a_wallet_and_of_all_wallets_add_up_until_there_is_a_gap",
    ),
    unit(
        "gains and losses are settled",
        f"{INTERMEDIATE}/int_baseline_figures.sql",
        "if(figure in ('net', 'dome_api_net'), realized_pnl_usdc, null)",
        "realized_pnl_usdc",
        "every_known_figure_stands_beside_ours",
    ),
    unit(
        "without its moment a baseline cannot pass",
        f"{AUDIT}/audit_baselines.sql",
        "            as_of is null, 'warn',\n",
        "",
        "verdicts_by_variance_and_by_what_is_known_of_the_moment",
    ),
    unit(
        "with fewer fills than expected nothing is compared",
        f"{AUDIT}/audit_baselines.sql",
        "            landed_fill_count < expected_fill_count,\n",
        "            false,\n",
        "what_is_not_all_loaded_is_not_checked",
    ),
)


# Each of these fails a data test on the simulated world. In one group no break makes or hides another's failure.
DATA_BREAKS = (
    (
        Break(
            "the taker's row is a fill",
            f"{INTERMEDIATE}/int_fills.sql",
            UNMOVED,
            f"{NO_EXCHANGE} and {UNMOVED}",
            ("assert_every_landed_fill_is_in_fct_fills",),
        ),
        Break(
            "price is USDC per share",
            f"{MARTS}/fct_fills.sql",
            "toFloat64(usdc) / nullIf(toFloat64(shares), 0)",
            "toFloat64(shares) / nullIf(toFloat64(usdc), 0)",
            ("in_range_fct_fills_0__1__price",),
        ),
        Break(
            "numerators add up to the denominator",
            f"{STAGING}/stg_goldsky__conditions.sql",
            "if(given_denominator > 0, given_denominator,",
            "if(given_denominator > 0, given_denominator + 1,",
            (
                "sums_to_vw_resolutions_truth_payout_numerators__payout_denominator",
                "sums_to_vw_resolutions_truth_payouts__1__1e_17",
            ),
        ),
        Break(
            "the winner is inside the vector and at its top",
            f"{MARTS}/vw_resolutions_truth.sql",
            "highest_numerator) - 1)",
            "highest_numerator))",
            ("assert_winning_index_is_at_the_highest_numerator",),
        ),
        Break(
            "every question of a conversion has its leg",
            f"{INTERMEDIATE}/int_conversions.sql",
            "and priced.question = neg_risk_questions.question",
            "and priced.question = neg_risk_questions.question and priced.place > 1",
            ("assert_conversion_legs_add_up_to_the_cash_paid",),
        ),
        Break(
            "a set costs one USDC, odd base units too",
            f"{INTERMEDIATE}/int_set_events.sql",
            "if(outcome_index = 0, -delta_sets / 2, -delta_sets - (-delta_sets / 2))",
            "-delta_sets / 2",
            ("assert_a_set_is_one_usdc_and_a_share_of_each_outcome",),
        ),
        Break(
            "redemptions keep their cash",
            f"{INTERMEDIATE}/int_redemptions.sql",
            "payout - cash_0 as cash_1",
            "toInt256(0) as cash_1",
            ("assert_redemption_legs_add_up_to_the_payout",),
        ),
        Break(
            "each leg of an event has an id of its own",
            f"{MARTS}/fct_position_events.sql",
            "concat(events.source_id, '-', toString(events.leg))",
            "concat(events.source_id, '-0')",
            ("unique_fct_position_events_event_id",),
        ),
        Break(
            "roles have two names",
            f"{MARTS}/fct_fills.sql",
            "'taker', 'maker'",
            "'TAKER', 'MAKER'",
            ("accepted_values_fct_fills_role__maker__taker",),
        ),
        Break(
            "losses are positive",
            f"{INTERMEDIATE}/int_wallets.sql",
            "-sumIf(pnl_usdc, pnl_usdc < 0)",
            "sumIf(pnl_usdc, pnl_usdc < 0)",
            ("in_range_fct_wallet_pnl_0__losses_usdc",),
        ),
        Break(
            "a rate is at most one",
            f"{MARTS}/fct_wallet_pnl.sql",
            "toFloat64(markets_won) / nullIf(markets_resolved, 0)",
            "toFloat64(markets_resolved) / nullIf(markets_won, 0)",
            ("in_range_fct_wallet_pnl_0__1__win_rate",),
        ),
        Break(
            "a share is worth the payout of its own outcome",
            f"{INTERMEDIATE}/int_wallet_conditions.sql",
            "'shares_1', 'is_resolved', 'known.numerator_1'",
            "'shares_1', 'is_resolved', 'known.numerator_0'",
            ("assert_realized_and_unrealized_pnl_are_settled_pnl",),
        ),
        Break(
            "ranks begin with one",
            f"{MARTS}/leaderboard.sql",
            "rank() over (partition by window order by pnl_usdc desc) as rank",
            "toUInt64(rank() over (partition by window order by pnl_usdc desc) - 1) as rank",
            ("in_range_leaderboard_1__rank",),
        ),
        Break(
            "units have two kinds",
            f"{INTERMEDIATE}/int_units.sql",
            "'condition', 'event') as unit_kind",
            "'Condition', 'event') as unit_kind",
            ("accepted_values_audit_double_entry_unit_kind__condition__event",),
        ),
        Break(
            "a baseline's wallet is in lower case",
            "seeds/dome_baseline.csv",
            "0xcce2b7c71f21e358b8e5e797e586cbc03160d58b",
            "0xCCE2B7C71F21E358B8E5E797E586CBC03160D58B",
            ("is_address_dome_baseline_wallet", "is_address_audit_baselines_wallet"),
        ),
        Break(
            "figures have their names",
            f"{INTERMEDIATE}/int_baseline_figures.sql",
            "('net', target_definition",
            "('Net', target_definition",
            ("accepted_values_audit_baselines_figure__net__gains__losses__dome_api_net",),
        ),
    ),
    (
        Break(
            "a fill landed twice counts once",
            f"{INTERMEDIATE}/int_fills.sql",
            "final = 1, do_not",
            "do_not",
            (
                "unique_together_int_fills_transaction_hash__order_hash__log_index",
                "unique_together_int_entries_wallet__condition_id__outcome_index__moment",
            ),
        ),
        Break(
            "a fill is one that landed",
            "macros/fill_id.sql",
            "lower(hex({{ fills }}.order_hash))",
            "lower(hex({{ fills }}.wallet))",
            ("assert_no_fill_is_invented",),
        ),
        Break(
            "a source has one payout of a condition",
            f"{INTERMEDIATE}/int_payout_vectors.sql",
            "    limit 1 by condition_id, source\n",
            "",
            ("unique_together_int_payout_vectors_condition_id__source",),
        ),
        Break(
            "a condition is asked often and counts once",
            f"{INTERMEDIATE}/int_conditions.sql",
            "    order by condition_id asc, loaded_at desc\n    limit 1 by condition_id\n",
            "",
            ("unique_int_conditions_condition_id", "unique_vw_resolutions_truth_condition_id"),
        ),
        Break(
            "a conversion landed twice counts once",
            f"{INTERMEDIATE}/int_conversions.sql",
            "    limit 1 by conversion_id\n",
            "",
            (
                "assert_conversion_legs_add_up_to_the_cash_paid",
                "unique_together_int_conversions_conversion_id__question",
            ),
        ),
        Break(
            "what a conversion brings has cost something once",
            f"{INTERMEDIATE}/int_conversion_costs.sql",
            "(question_count - no_count) as yes_questions,\n"
            "        reinterpretAsInt128(delta_shares) as subgraph_shares\n"
            "    from conversions\n"
            "    where outcome_index = 0 and delta_shares != 0\n",
            "(arrayJoin([1, 1])) as yes_questions,\n"
            "        reinterpretAsInt128(delta_shares) as subgraph_shares\n"
            "    from conversions\n",
            ("unique_together_int_conversion_costs_wallet__condition_id__moment",),
        ),
        Break(
            "an outcome token is one position",
            f"{INTERMEDIATE}/int_positions.sql",
            "    from booked\n",
            "    from booked\n    array join [1, 2] as copy\n",
            ("unique_together_int_positions_wallet__condition_id__outcome_index",),
        ),
        Break(
            "gains are positive",
            f"{INTERMEDIATE}/int_wallets.sql",
            "sumIf(pnl_usdc, pnl_usdc > 0) as gains_usdc",
            "-sumIf(pnl_usdc, pnl_usdc > 0) as gains_usdc",
            ("in_range_fct_wallet_pnl_0__gains_usdc",),
        ),
        Break(
            "addresses are in lower case, counterparties' too",
            f"{MARTS}/fct_fills.sql",
            "{{ hex_text('fills.counterparty') }} as counterparty",
            "upper({{ hex_text('fills.counterparty') }}) as counterparty",
            ("is_address_fct_fills_counterparty",),
        ),
        Break(
            "events have the names of their kinds",
            f"{MARTS}/fct_position_events.sql",
            "events.event_type as event_type",
            "upper(events.event_type) as event_type",
            ("accepted_values_fct_position_events_event_type__fill__split__merge__conversion__redemption__amm",),
        ),
        Break(
            "a question that is also listed is one market",
            f"{INTERMEDIATE}/int_markets.sql",
            "    group by condition_id\n",
            "    group by condition_id, listed.is_neg_risk\n",
            ("unique_int_markets_condition_id",),
        ),
        Break(
            "a contract is known once",
            "seeds/system_addresses.csv",
            "0x2957922eb93258b93368531d39facca3b4dc5854",
            "0x93070a847efef7f70739046a929d47a521f5b8ee",
            ("unique_system_addresses_address",),
        ),
        Break(
            "a set has two legs",
            f"{INTERMEDIATE}/int_set_events.sql",
            "cast([0, 1], 'Array(UInt8)')",
            "cast([0], 'Array(UInt8)')",
            ("assert_a_set_is_one_usdc_and_a_share_of_each_outcome",),
        ),
        Break(
            "a tie has no winner",
            f"{MARTS}/vw_resolutions_truth.sql",
            "countEqual(conditions.payout_numerators, highest_numerator) = 1",
            "countEqual(conditions.payout_numerators, highest_numerator) >= 1",
            ("assert_winning_index_is_at_the_highest_numerator",),
        ),
        Break(
            "a wallet is ranked once a window",
            f"{MARTS}/leaderboard.sql",
            "    from traders\n",
            "    from traders\n    array join [1, 2] as twice\n",
            ("unique_together_leaderboard_window__wallet",),
        ),
        Break(
            "a unit has one row",
            f"{INTERMEDIATE}/int_unit_balances.sql",
            "    group by unit_kind, unit_id\n",
            "    group by unit_kind, unit_id, balances.condition_id\n",
            ("unique_audit_double_entry_unit_id",),
        ),
        Break(
            "mistakes are shown once a wallet",
            f"{AUDIT}/audit_pnl_attribution.sql",
            "    group by valued.wallet\n",
            "    group by valued.wallet, valued.is_resolved\n",
            ("unique_audit_pnl_attribution_wallet",),
        ),
        Break(
            "a baseline is listed once",
            "seeds/dome_baseline.csv",
            "0xcce2b7c71f21e358b8e5e797e586cbc03160d58b",
            "0x6770bf688b8121331b1c5cfd7723ebd4152545fb",
            ("unique_dome_baseline_wallet", "unique_together_audit_baselines_wallet__figure"),
        ),
        Break(
            "verdicts have their names",
            f"{AUDIT}/audit_baselines.sql",
            "obstacle is not null, 'not_checked'",
            "obstacle is not null, 'skipped'",
            ("accepted_values_audit_baselines_verdict__pass__warn__fail__not_checked",),
        ),
    ),
    (
        Break(
            "a join on a key with two partners makes fills",
            f"{INTERMEDIATE}/int_tokens.sql",
            "    limit 1 by token_id\n",
            "",
            ("unique_int_tokens_token_id", "unique_fct_fills_fill_id"),
        ),
        Break(
            "sources of fills have their names",
            f"{AUDIT}/audit_coverage.sql",
            "concat(by_run.protocol, if",
            "concat(upper(by_run.protocol), if",
            ("accepted_values_audit_coverage_source__v1__v2__v1_files__v2_files__amm",),
        ),
        Break(
            "sides have two names",
            f"{MARTS}/fct_fills.sql",
            "if(is_buy, 'buy', 'sell')",
            "if(is_buy, 'BUY', 'SELL')",
            ("accepted_values_fct_fills_side__buy__sell",),
        ),
        Break(
            "exchanges have two names",
            "macros/matched_fills.sql",
            "['ctf', 'neg_risk']",
            "['CTF', 'neg_risk']",
            ("accepted_values_fct_fills_exchange__ctf__neg_risk",),
        ),
        Break(
            "protocols have two names",
            f"{MARTS}/fct_fills.sql",
            "        protocol\n    from fills",
            "        upper(fills.protocol) as protocol\n    from fills",
            ("accepted_values_fct_fills_protocol__v1__v2",),
        ),
        Break(
            "each question has a condition of its own",
            f"{INTERMEDIATE}/int_neg_risk_questions.sql",
            "'question') }} as condition_id",
            "'0') }} as condition_id",
            ("unique_int_neg_risk_questions_condition_id",),
        ),
        Break(
            "contracts are in lower case",
            "seeds/system_addresses.csv",
            "0x2957922eb93258b93368531d39facca3b4dc5854",
            "0x2957922EB93258B93368531D39FACCA3B4DC5854",
            ("is_address_system_addresses_address",),
        ),
        Break(
            "splits are events",
            f"{INTERMEDIATE}/int_set_events.sql",
            "    from splits\n",
            "    from splits\n    where false\n",
            ("assert_every_listed_activity_is_in_fct_position_events", "assert_no_holding_is_negative"),
        ),
        Break(
            "a redemption landed twice counts once",
            f"{INTERMEDIATE}/int_redemptions.sql",
            "    limit 1 by redemption_id\n",
            "",
            ("unique_together_int_redemptions_redemption_id__outcome_index",),
        ),
        Break(
            "a conversion makes no base unit and loses none",
            f"{INTERMEDIATE}/int_conversions.sql",
            "intDiv(nths_to_here * units, n) - intDiv(nths_before * units, n)",
            "intDiv((nths_to_here - nths_before) * units, n)",
            ("assert_conversion_legs_add_up_to_the_cash_paid",),
        ),
        Break(
            "a wallet has one row a condition",
            f"{INTERMEDIATE}/int_wallet_conditions.sql",
            "    group by wallet, condition_key\n",
            "    group by wallet, condition_key, outcome_index\n",
            (
                "unique_together_int_wallet_conditions_wallet__condition_id",
                "unique_together_fct_realized_pnl_by_market_wallet__condition_id",
            ),
        ),
        Break(
            "a wallet has one row",
            f"{INTERMEDIATE}/int_wallets.sql",
            "    group by wallet\n",
            "    group by wallet, is_resolved\n",
            ("unique_fct_wallet_pnl_wallet",),
        ),
        Break(
            "nobody holds less than nothing",
            f"{INTERMEDIATE}/int_positions.sql",
            "{{ from_base_units('held[-1]') }}",
            "{{ from_base_units('-held[-1]') }}",
            ("in_range_int_positions_0__shares",),
        ),
        Break(
            "what is missing is not below nothing",
            f"{INTERMEDIATE}/int_positions.sql",
            "{{ from_base_units('unmatched[-1]') }}",
            "{{ from_base_units('unmatched[-1] - 1') }}",
            ("in_range_int_positions_0__unmatched_shares",),
        ),
        Break(
            "nobody holds less than nothing in the subgraph",
            f"{INTERMEDIATE}/int_positions.sql",
            "amount[-1] as subgraph_amount",
            "-amount[-1] as subgraph_amount",
            ("in_range_int_positions_0__subgraph_amount",),
        ),
        Break(
            "a value has one of four bases",
            "macros/valued.sql",
            "shares = 0, 'nothing held',",
            "shares = 0, 'nothing',",
            (
                "accepted_values_int_position_values_value_basis__payout__last_trade__nothing_held__never_traded__pool__pool_not_loaded",
            ),
        ),
        Break(
            "what is unknown has one of two reasons",
            f"{MARTS}/fct_wallet_pnl.sql",
            "    unrealized_unknown_because,\n    total",
            "    if(volume_usdc > 0, toNullable('no price'), pnl.unrealized_unknown_because)\n"
            "    as unrealized_unknown_because,\n    total",
            (
                "accepted_values_fct_wallet_pnl_unrealized_unknown_because__never_traded__condition_not_loaded__pool_not_loaded",
            ),
        ),
        Break(
            "a token has one last price",
            f"{INTERMEDIATE}/int_token_prices.sql",
            "    group by condition_id, outcome_index\n",
            "    group by condition_id, outcome_index, entries.wallet\n",
            ("unique_together_int_token_prices_condition_id__outcome_index",),
        ),
        Break(
            "a condition is resolved once",
            f"{INTERMEDIATE}/int_resolution_times.sql",
            "    where event_count > 0\n    group by condition_id\n",
            "    where event_count > 0\n    group by condition_id, positions.wallet\n",
            ("unique_int_resolution_times_condition_id",),
        ),
        Break(
            "a resolution's time has one of four bases",
            f"{INTERMEDIATE}/int_resolution_times.sql",
            "            'first_redemption'\n",
            "            'redemption'\n",
            (
                "accepted_values_vw_resolutions_truth_resolved_at_basis__resolution_log__file__first_redemption__last_event",
            ),
        ),
        Break(
            "windows have names",
            f"{MARTS}/leaderboard.sql",
            "'all' as `window`",
            "'ever' as `window`",
            ("accepted_values_leaderboard_window__all__30d__7d__1d",),
        ),
        Break(
            "baselines are held against a known definition",
            "seeds/dome_baseline.csv",
            "12171,16715,4544,settled",
            "12171,16715,4544,cash",
            (
                "accepted_values_dome_baseline_definition__settled__realized",
                "accepted_values_audit_baselines_definition__settled__realized",
            ),
        ),
    ),
    (
        Break(
            "a sale books its proceeds less what the shares had cost",
            "macros/replay.sql",
            "-> proceeds - gone + unbooked",
            "-> proceeds + unbooked",
            ("assert_cash_is_booked_or_in_what_the_shares_held_have_cost",),
        ),
        Break(
            "what a day booked is not what was booked until then",
            f"{INTERMEDIATE}/int_positions.sql",
            "(day, now - before)",
            "(day, now)",
            ("assert_realized_pnl_is_booked_on_days",),
        ),
        Break(
            "a position holds what is left after fees",
            "macros/replay.sql",
            "{{ lines }}.shares - fee_shares + leftover_shares",
            "{{ lines }}.shares + leftover_shares",
            ("assert_shares_held_are_all_that_came_less_all_that_left",),
        ),
        Break(
            "a wallet's P&L is that of all its markets",
            f"{INTERMEDIATE}/int_wallets.sql",
            "sum(wallet_conditions.realized_pnl_usdc)",
            "max(wallet_conditions.realized_pnl_usdc)",
            ("assert_a_wallets_pnl_is_that_of_its_markets",),
        ),
        Break(
            "what a wallet holds is of either outcome",
            f"{INTERMEDIATE}/int_wallet_values.sql",
            "where outcome_index < 128",
            "where outcome_index = 0",
            ("assert_unrealized_pnl_of_a_wallet_is_that_of_its_conditions",),
        ),
        Break(
            "a time of resolution has a basis",
            f"{MARTS}/vw_resolutions_truth.sql",
            "times.resolved_at_basis as resolved_at_basis",
            "nullIf(times.resolved_at_basis, 'last_event') as resolved_at_basis",
            ("assert_resolved_at_is_that_of_a_resolved_condition_and_has_a_basis",),
        ),
    ),
    (
        Break(
            "settled P&L has its day",
            f"{INTERMEDIATE}/int_wallet_days.sql",
            "settlements.settled_pnl_usdc as settled_usdc",
            "toDecimal128(0, 6) as settled_usdc",
            ("assert_days_add_up_to_the_pnl_of_the_wallet",),
        ),
        Break(
            "P&L is certain once",
            f"{INTERMEDIATE}/int_wallet_days.sql",
            "(resolved_on, 0, -pnl_usdc)",
            "(resolved_on, 0, 0)",
            ("assert_pnl_is_booked_once",),
        ),
        Break(
            "what a conversion takes from one question it gives to others",
            f"{INTERMEDIATE}/int_carried_costs.sql",
            "cash_usdc + cost_usdc - realized_pnl_usdc",
            "cash_usdc - cost_usdc - realized_pnl_usdc",
            ("assert_conversions_carry_costs_and_make_none",),
        ),
        Break(
            "a window has as many days as it says",
            f"{INTERMEDIATE}/int_windows.sql",
            "(named.2 - 1)",
            "named.2",
            ("assert_a_window_is_the_sum_of_its_days",),
        ),
    ),
    (
        Break(
            "a wallet has one row a day",
            f"{INTERMEDIATE}/int_wallet_days.sql",
            "    group by wallet, day\n",
            "    group by wallet, day, is_market\n",
            ("unique_together_fct_wallet_pnl_daily_wallet__day",),
        ),
        Break(
            "a rate of a window is at most one",
            f"{MARTS}/leaderboard.sql",
            "toFloat64(markets_won) / nullIf(markets_resolved, 0)",
            "toFloat64(markets_resolved) / nullIf(markets_won, 0)",
            ("in_range_leaderboard_0__1__win_rate",),
        ),
        Break(
            "losing days are positive",
            f"{INTERMEDIATE}/int_window_series.sql",
            "-arraySum(arrayFilter(usdc -> usdc < 0, pnl_usdc))",
            "arraySum(arrayFilter(usdc -> usdc < 0, pnl_usdc))",
            ("in_range_leaderboard_0__omega_ratio",),
        ),
        Break(
            "a fall is positive",
            f"{INTERMEDIATE}/int_window_series.sql",
            "arrayMax(arrayCumSumNonNegative",
            "-arrayMax(arrayCumSumNonNegative",
            ("in_range_leaderboard_0__max_drawdown_usdc", "assert_a_drawdown_is_at_least_the_loss"),
        ),
    ),
    (
        Break(
            "what balances is called so",
            f"{AUDIT}/audit_double_entry.sql",
            "            'balanced'\n",
            "            'Balanced'\n",
            ("accepted_values_audit_double_entry_status__balanced__partial__overdrawn__unbalanced",),
        ),
        Break(
            "Polymarket's own record is replayed with its signs",
            "models/audit/audit_subgraph_positions.sql",
            "        positions.subgraph_realized_pnl as realized_pnl,",
            "        -positions.subgraph_realized_pnl as realized_pnl,",
            ("assert_every_difference_from_the_subgraph_is_explained",),
        ),
        Break(
            "a verdict has one of seven names",
            "models/audit/audit_subgraph_positions.sql",
            "served_figures = replayed_figures, 'equal'",
            "served_figures = replayed_figures, 'same'",
            (
                "accepted_values_audit_subgraph_positions_verdict__equal__not_loaded__redeemed_amount_unknown__"
                "order_unknown__transfer__event_missing__unexplained",
            ),
        ),
        Break(
            "addresses that are reconciled are in lower case",
            "models/audit/audit_subgraph_positions.sql",
            "{{ hex_text('compared.wallet') }} as wallet",
            "upper({{ hex_text('compared.wallet') }}) as wallet",
            ("is_address_audit_subgraph_positions_wallet",),
        ),
    ),
    (
        Break(
            "all that was bought is replayed",
            "models/audit/audit_subgraph_positions.sql",
            "positions.subgraph_total_bought as total_bought",
            "positions.subgraph_total_bought + 1 as total_bought",
            ("warn_where_an_event_of_a_reconciled_wallet_is_missing",),
        ),
        Break(
            "a position is compared once",
            "models/audit/audit_subgraph_positions.sql",
            "    group by wallet, token_id\n",
            "    group by wallet, token_id, is_served\n",
            ("unique_together_audit_subgraph_positions_wallet__token_id",),
        ),
        Break(
            "conditions are in lower case",
            f"{MARTS}/fct_realized_pnl_by_market.sql",
            "assumeNotNull({{ hex_text('wallet_conditions.condition_id') }})",
            "upper(assumeNotNull({{ hex_text('wallet_conditions.condition_id') }}))",
            ("is_hash_fct_realized_pnl_by_market_condition_id",),
        ),
        Break(
            "who holds nothing is no holder",
            f"{INTERMEDIATE}/int_holders.sql",
            "shares > 0 and ",
            "",
            ("in_range_fct_holders_0__shares",),
        ),
        Break(
            "a holder of an outcome is there once",
            f"{INTERMEDIATE}/int_holders.sql",
            "    from positions\n",
            "    from positions\n    array join [1, 2] as copy\n",
            ("unique_together_fct_holders_condition_id__outcome_index__wallet",),
        ),
        Break(
            "units are in lower case",
            f"{AUDIT}/audit_double_entry.sql",
            "{{ hex_text('unit_id') }}",
            "upper({{ hex_text('unit_id') }})",
            ("is_hash_audit_double_entry_unit_id",),
        ),
    ),
)


def baseline_off(percent: int, limit: int) -> str:
    """A row for the seed: the busiest wallet's settled P&L as the world's own ledger has it, and `percent` more."""
    fills = Counter(row["maker"] for row in WORLD.entities["OrderFilledEvent"])
    wallet, count = fills.most_common(1)[0]
    settled = sum(pnl for (owner, _), pnl in WORLD.settled.items() if owner == wallet)
    expected = float(settled * (100 + percent) / 10**8)
    begin, end = (f"{datetime.fromtimestamp(second, UTC):%Y-%m-%d %H:%M:%S}" for second in (WORLD.since, WORLD.until))
    return f"{wallet},{expected:.6f},0,0,settled,{end},,,,5,{limit},{count},{begin},{begin},simulated\n"


# The mistakes that made an earlier ledger wrong. Each has a run of its own: its tests notice it by itself.
LEDGER_BREAKS = (
    Break(
        "of a buyer's USDC the market maker keeps the fee and makes sets of the rest",
        f"{INTERMEDIATE}/int_amm_events.sql",
        "action = 'buy', usdc - fee_usdc,",
        "action = 'buy', usdc,",
        ("assert_double_entry_balances",),
    ),
    Break(
        "shares of a pool are worth what is in it",
        f"{INTERMEDIATE}/int_wallet_conditions.sql",
        "cash_usdc + settlement_usdc + pooled_usdc",
        "cash_usdc + settlement_usdc",
        ("assert_double_entry_balances", "assert_open_shares_settle_at_their_payout"),
    ),
    Break(
        "liquidity is removed as it was added",
        f"{INTERMEDIATE}/int_amm_legs.sql",
        "where part.3 != 0 or part.4 != 0",
        "where action != 'remove'",
        ("assert_double_entry_balances", "assert_every_amm_event_is_in_fct_position_events"),
    ),
    Break(
        "a trade with a market maker that is landed twice counts once",
        f"{INTERMEDIATE}/int_amm_events.sql",
        "    limit 1 by trade_id\n",
        "",
        ("unique_fct_amm_trades_trade_id",),
    ),
    Break(
        "P&L is cash plus winning shares",
        f"{INTERMEDIATE}/int_wallet_conditions.sql",
        "cash_usdc + settlement_usdc",
        "cash_usdc - settlement_usdc",
        ("assert_double_entry_balances", "assert_open_shares_settle_at_their_payout"),
    ),
    Break(
        "who sells gives shares up",
        f"{INTERMEDIATE}/int_holding_changes.sql",
        "if(is_buy, shares, -shares) as gross_shares",
        "shares as gross_shares",
        ("assert_double_entry_balances",),
    ),
    Break(
        "a row is its maker's fill, not its taker's",
        "macros/matched_fills.sql",
        "        wallet,\n        nullIf(",
        "        if(is_taker, measured.wallet, measured.counterparty) as wallet,\n        nullIf(",
        ("assert_every_fill_is_its_makers", "assert_nobody_holds_less_than_nothing"),
    ),
    Break(
        "a row is one wallet's fill, not both sides'",
        "macros/matched_fills.sql",
        "        wallet,\n        nullIf(",
        "        arrayJoin([measured.wallet, measured.counterparty]) as wallet,\n        nullIf(",
        ("unique_fct_fills_fill_id", "unique_together_int_fills_transaction_hash__order_hash__log_index"),
    ),
    Break(
        "the taker's row is a fill",
        f"{INTERMEDIATE}/int_fills.sql",
        UNMOVED,
        f"{NO_EXCHANGE} and {UNMOVED}",
        ("assert_every_landed_fill_is_in_fct_fills", "assert_every_maker_row_has_its_taker_row"),
    ),
    Break(
        "a fill landed twice counts once",
        f"{INTERMEDIATE}/int_fills.sql",
        "final = 1, do_not",
        "do_not",
        ("unique_fct_fills_fill_id", "unique_together_int_fills_transaction_hash__order_hash__log_index"),
    ),
    Break(
        "splits bring shares and cost money",
        f"{INTERMEDIATE}/int_set_events.sql",
        "    from splits\n",
        "    from splits\n    where false\n",
        ("assert_double_entry_balances", "assert_every_listed_activity_is_in_fct_position_events"),
    ),
    Break(
        "a conversion is booked at the uniform price",
        f"{INTERMEDIATE}/int_conversions.sql",
        "intDiv(nths_to_here * units, n) - intDiv(nths_before * units, n)",
        "0",
        ("assert_double_entry_balances", "assert_conversion_legs_add_up_to_the_cash_paid"),
    ),
    Break(
        "the first numerator is of the first outcome, in the truth",
        f"{STAGING}/stg_goldsky__conditions.sql",
        "numerators as payout_numerators",
        "arrayReverse(numerators) as payout_numerators",
        ("assert_payouts_are_as_served",),
    ),
    Break(
        "the first numerator is of the first outcome, in P&L",
        f"{INTERMEDIATE}/int_wallet_conditions.sql",
        "settle('open_shares_0', 'known.numerator_0'",
        "settle('open_shares_0', 'known.numerator_1'",
        ("assert_double_entry_balances", "assert_open_shares_settle_at_their_payout"),
    ),
    Break(
        "a baseline is met within its limit",
        "seeds/dome_baseline.csv",
        "last_trade_at,origin\n",
        "last_trade_at,origin\n" + baseline_off(25, limit=10),
        ("assert_baselines_are_near", "assert_baselines_are_within_their_limits"),
    ),
)


def lost_page(first: int) -> str:
    """Twenty fills in the order of pages, which is that of time and id, deleted with all their copies."""
    return (
        "alter table polyledger_raw.order_filled_events delete where (transaction_hash, order_hash) in ("
        "select transaction_hash, order_hash from polyledger_raw.order_filled_events "
        "order by timestamp, transaction_hash, order_hash limit 1 by transaction_hash, order_hash "
        f"limit 20 offset {first}) settings mutations_sync = 1"
    )


@dataclass(frozen=True)
class Damage:
    """Rows lost where they are landed, by one statement, and the tests that must notice."""

    rule: str
    statement: str
    tests: tuple[str, ...]


TWICE = (
    "insert into polyledger_raw.order_filled_events select * replace (_loaded_at + 1 as _loaded_at) "
    "from polyledger_raw.order_filled_events order by timestamp, transaction_hash, order_hash limit 40 offset 42"
)
DAMAGES = (
    Damage(
        "every page is landed: its ends cut two matches",
        lost_page(42),
        ("assert_double_entry_balances", "assert_every_maker_row_has_its_taker_row"),
    ),
    Damage(
        "every page is landed: its ends cut no match",
        lost_page(41),
        (
            "assert_every_fee_refund_has_its_fill",
            "assert_no_more_is_redeemed_than_was_paid_in",
            "assert_nobody_holds_less_than_nothing",
        ),
    ),
)


def in_rounds(breaks: Iterable[Break]) -> list[tuple[Break, ...]]:
    """Few groups in which no part of a model is broken twice.

    A macro counts as the models that use it, and what one macro replays as one model.
    """
    users = {
        "loaders/schema.sql": ["int_neg_risk_questions"],
        "macros/settle.sql": ["int_wallet_conditions", "int_position_values", "fct_holders"],
        "macros/held_value.sql": ["int_wallet_conditions", "int_position_values", "fct_holders"],
        "macros/valued.sql": ["int_position_values", "fct_holders"],
        "macros/event_moment.sql": ["int_entries", "int_event_names", "int_redemptions", "int_conversions"],
        "macros/replay.sql": ["int_positions"],
        "macros/is_trade.sql": ["int_positions", "int_token_prices", "int_window_trades"],
        "macros/from_billionths.sql": ["int_positions"],
        f"{INTERMEDIATE}/int_conversion_costs.sql": ["int_positions"],
    }
    rounds: list[tuple[set[tuple[str, str]], list[Break]]] = []
    for broken in breaks:
        models = users.get(broken.file, [Path(broken.file).stem])
        parts = {(model, part) for model in models for part in broken.parts}
        for taken, group in rounds:
            if not taken & parts:
                taken |= parts
                group.append(broken)
                break
        else:
            rounds.append((parts, [broken]))
    return [tuple(group) for _, group in rounds]


@dataclass
class Bench:
    """A copy of the project and of a loaded warehouse, both made anew for every run of dbt."""

    desk: Desk
    project: Path
    pristine: Path  # the warehouse as it was loaded and built
    data_tests: set[str] = field(default_factory=set)  # that ever ran

    def failed(self, *words: str, breaks: Iterable[Break] = (), rows: Iterable[str] = ()) -> set[str]:
        """Break the copies, run dbt, and return the tests that failed; anything else must have worked."""
        shutil.rmtree(self.desk.data, ignore_errors=True)
        shutil.copytree(self.pristine, self.desk.data, symlinks=True)
        self.execute(rows)
        self.copy_project()
        for broken in breaks:
            edit(self.project / broken.file, broken.right, broken.wrong)
        outcomes = self.run(*words)
        assert not {name for name, status in outcomes.items() if status not in ("pass", "success", "warn", "fail")}
        return {name for name, status in outcomes.items() if status in ("warn", "fail")}

    def execute(self, statements: Iterable[str]) -> None:
        client = clickhouse_connect.get_client(interface="chdb", path=str(self.desk.data))
        for statement in statements:
            client.command(statement)
        client.close()

    def copy_project(self) -> None:
        shutil.rmtree(self.project, ignore_errors=True)
        copied_project(self.project)
        # A failed data test would skip the models that follow, and their tests.
        with (self.project / "dbt_project.yml").open("a") as settings:
            settings.write("\ndata_tests:\n  polyledger:\n    +severity: warn\n")

    def run(self, *words: str) -> dict[str, str]:
        """Run dbt on the copies; return what became of each node, by name."""
        results = self.desk.data.with_name("target") / "run_results.json"
        results.unlink(missing_ok=True)
        places = ("--project-dir", str(self.project), "--profiles-dir", str(self.project))
        done = self.desk.dbt(*words, *places, code=None, DBT_WRITE_JSON="true")
        assert results.exists(), done.stdout
        found: dict[str, str] = {}
        for node in json.loads(results.read_text())["results"]:
            kind, _, *names = node["unique_id"].split(".")
            # A unit test is named after its model, a generic test before a hash.
            found[names[-1] if kind == "unit_test" else names[0]] = node["status"]
            if kind == "test":
                self.data_tests.add(names[0])
        return found


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    folder = tmp_path_factory.mktemp("bench")
    with Goldsky(SERVED, head=max(WORLD.until, AMM.until)) as endpoint:
        desk = Desk(folder / "warehouse", endpoint.base_url)
        desk.polyledger("load", "amm")
        desk.load_everything()
        wallets = sorted({row["user"] for row in WORLD.entities["UserPosition"]})
        desk.polyledger("load", "positions", *(word for wallet in wallets for word in ("--wallet", wallet)))
    made = Bench(desk, folder / "project", folder / "pristine")
    for table in (f"polyledger_raw.{name}" for name in (*COPIED, *COPIED_AMM)):
        # Every row is here twice, landed a second apart, and never merged.
        made.execute(
            [
                f"alter table {table} modify setting max_bytes_to_merge_at_max_space_in_pool = 1",
                f"insert into {table} select * replace (_loaded_at + 1 as _loaded_at) from {table}",
            ]
        )
    made.copy_project()
    outcomes = made.run("build", "--exclude-resource-type", "unit_test")
    assert set(outcomes.values()) == {"pass", "success"}, outcomes
    watched = {test for broken in (*sum(DATA_BREAKS, ()), *LEDGER_BREAKS) for test in broken.tests}
    assert watched <= outcomes.keys(), watched - outcomes.keys()
    shutil.copytree(desk.data, made.pristine, symlinks=True)
    yield made


def ledger(tests: Iterable[str]) -> list[str]:
    """Words for dbt: build what these tests need, and run them."""
    return ["build", "--exclude-resource-type", "unit_test", "--select", *(f"+{test}" for test in tests)]


Failures = Callable[[tuple[Break, ...]], set[str]]


@pytest.fixture(scope="module")
def failures(bench: Bench) -> Failures:
    """The tests that fail when all of a group is broken; each group is run once."""
    known: dict[tuple[Break, ...], set[str]] = {}

    def failures_of(group: tuple[Break, ...]) -> set[str]:
        if group not in known:
            if group in DATA_BREAKS:
                words = ["build", "--exclude-resource-type", "unit_test"]
            elif group[0] in LEDGER_BREAKS:
                words = ledger(group[0].tests)
            else:
                words = ["test", "--select", *{test for broken in group for test in broken.tests}]
            known[group] = bench.failed(*words, breaks=group)
        return known[group]

    return failures_of


GROUPS = (*in_rounds(UNIT_BREAKS), *DATA_BREAKS, *((broken,) for broken in LEDGER_BREAKS))
# A run of dbt for each group: these are seen in every `make test`, the others in `make test-long`.
ALWAYS = (in_rounds(UNIT_BREAKS)[0], DATA_BREAKS[0])
LEDGER_ALWAYS = ("P&L is cash plus winning shares", "a fill landed twice counts once")


def one_of(group: tuple[Break, ...], broken: Break) -> Any:
    is_quick = group in ALWAYS or (broken in LEDGER_BREAKS and broken.rule in LEDGER_ALWAYS)
    marks = [] if is_quick else [pytest.mark.long]
    return pytest.param(group, broken, id=broken.rule.replace(" ", "_"), marks=marks)


def test_what_every_rule_is_kept_by_is_there_once() -> None:
    """Also of those that `make test` does not break: they would stay behind when a model is written in another way."""
    found = {
        (broken.file, broken.rule): re.findall(
            rf"(?<![\w.]){re.escape(broken.right)}" if broken.right[0].isalnum() else re.escape(broken.right),
            (PROJECT / broken.file).read_text(),
        )
        for group in GROUPS
        for broken in group
    }
    assert not {rule: texts for rule, texts in found.items() if len(texts) != 1}


@pytest.mark.parametrize("group, broken", [one_of(group, broken) for group in GROUPS for broken in group])
def test_a_broken_rule_fails_its_test(group: tuple[Break, ...], broken: Break, failures: Failures) -> None:
    assert set(broken.tests) <= failures(group)


@pytest.mark.parametrize(
    "damage",
    [DAMAGES[0], *(pytest.param(damage, marks=pytest.mark.long) for damage in DAMAGES[1:])],
    ids=lambda damage: damage.rule.replace(" ", "_"),
)
def test_a_lost_page_fails_its_tests(bench: Bench, damage: Damage) -> None:
    assert set(damage.tests) <= bench.failed(*ledger(damage.tests), rows=[damage.statement])


@pytest.mark.long
def test_a_page_that_is_landed_twice_changes_nothing(bench: Bench) -> None:
    failed = bench.failed("build", "--exclude-resource-type", "unit_test", rows=[TWICE])
    assert not failed
    marts = bench.desk.marts()
    shutil.rmtree(bench.desk.data)
    shutil.copytree(bench.pristine, bench.desk.data, symlinks=True)
    assert marts == bench.desk.marts()


def test_the_rules_of_the_ledger_are_documented() -> None:
    text = (PROJECT / "tests" / "README.md").read_text()
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in text.splitlines() if line.startswith("| ")]
    documented = {(rule, frozenset(re.findall(r"`(\w+)`", tests))) for rule, _, tests in rows[1:]}
    broken = {(broken.rule, frozenset(broken.tests)) for broken in LEDGER_BREAKS}
    assert documented == broken | {(damage.rule, frozenset(damage.tests)) for damage in DAMAGES}


# Bad rows


def fill(number: int, **changed: str) -> str:
    """An insert of a fill that is in order but for what is changed: 100 shares bought for 40 USDC."""
    row = {
        "transaction_hash": f"unhex('{number:064x}')",
        "order_hash": f"unhex('{number:064x}')",
        "maker": f"unhex('{number:040x}')",
        "taker": f"unhex('{number:040x}')",
        "maker_asset_id": "0",
        "taker_asset_id": "7",
        "maker_amount_filled": "40000000",
        "taker_amount_filled": "100000000",
        "timestamp": "'2025-01-01 00:00:00'",
    } | changed
    return f"insert into polyledger_raw.order_filled_events ({', '.join(row)}) values ({', '.join(row.values())})"


def condition(number: int, tokens: str, numerators: str, denominator: int) -> str:
    return (
        "insert into polyledger_raw.conditions (id, position_ids, payout_numerators, payout_denominator) "
        f"values (unhex('{number:064x}'), {tokens}, {numerators}, '{denominator}')"
    )


def given_payout(number: int, payouts: str) -> str:
    return (
        "insert into polyledger_raw.file_payouts (condition_id, payouts, file) "
        f"values (unhex('{number:064x}'), {payouts}, 'payouts.csv')"
    )


def resolution(number: int, numerators: str, **changed: str) -> str:
    """A log by which a condition was resolved."""
    row = {
        "transaction_hash": f"unhex('{number:064x}')",
        "log_index": str(number),
        "timestamp": "'2025-01-02 00:00:00'",
        "condition_id": f"unhex('{number:064x}')",
        "payout_numerators": numerators,
    } | changed
    return f"insert into polyledger_raw.condition_resolutions ({', '.join(row)}) values ({', '.join(row.values())})"


ZERO = "''"  # of any length
BAD_ROWS = {
    "a good fill": (fill(1), ()),
    "a fill after the end of V1": (
        fill(16, timestamp="'2026-05-01 00:00:00'"),
        ("assert_days_after_v1_have_fills_of_v2",),
    ),
    "a fill with a zero counterparty": (fill(2, taker=ZERO), ()),
    "a fill above 1": (fill(3, maker_amount_filled="200000000"), ("in_range_fct_fills_0__1__price",)),
    "a fill without shares": (
        fill(4, taker_amount_filled="0"),
        ("in_range_fct_fills_0__shares", "not_null_fct_fills_price"),
    ),
    "a fill without money": (
        fill(5, maker_amount_filled="0"),
        ("in_range_fct_fills_0__usdc", "in_range_fct_fills_0__1__price"),
    ),
    "a fill without a token": (fill(6, taker_asset_id="0"), ("in_range_fct_fills_0__token_id",)),
    "a fill of nobody": (
        fill(7, maker=ZERO, taker_asset_id="71"),
        (
            "is_address_fct_fills_wallet",
            "is_address_fct_position_events_wallet",
            "is_address_fct_realized_pnl_by_market_wallet",
            "is_address_fct_holders_wallet",
            "is_address_fct_wallet_pnl_wallet",
            "is_address_fct_wallet_pnl_daily_wallet",
            "is_address_leaderboard_wallet",
            "is_address_audit_pnl_attribution_wallet",
            "assert_every_maker_row_has_its_taker_row",
        ),
    ),
    "a fill without a transaction": (
        fill(8, transaction_hash=ZERO),
        ("is_hash_fct_fills_transaction_hash", "is_hash_fct_position_events_transaction_hash"),
    ),
    "a fill without an order": (fill(9, order_hash=ZERO), ("is_hash_fct_fills_order_hash",)),
    "a fill of a condition zero": (
        fill(10, taker_asset_id="81"),
        (
            "is_hash_fct_fills_condition_id",
            "is_hash_fct_position_events_condition_id",
            "is_hash_fct_holders_condition_id",
        ),
    ),
    "a good condition": (condition(11, "[71, 72]", "['0.54', '0.46']", 1), ()),
    "a condition zero": (condition(0, "[81, 82]", "[]", 0), ("is_hash_vw_resolutions_truth_condition_id",)),
    "a condition that pays too little": (
        condition(12, "[73, 74]", "['1', '1']", 3),
        (
            "sums_to_vw_resolutions_truth_payout_numerators__payout_denominator",
            "sums_to_vw_resolutions_truth_payouts__1__1e_17",
            "assert_payouts_are_as_served",
        ),
    ),
    "a file that says the same as the subgraph": (given_payout(11, "['27', '23']"), ()),
    "a log that says the same as both": (resolution(11, "[54, 46]"), ()),
    "a condition that only a file knows": (given_payout(14, "['1', '0']"), ()),
    "a condition that only a log knows": (resolution(15, "[0, 1]"), ()),
    "a log of a block that has left the chain": (resolution(11, "[0, 1]", log_index="12", is_deleted="1"), ()),
    "a file that contradicts a log": (given_payout(15, "['1', '0']"), ("assert_sources_agree_on_payouts",)),
    "a condition with three outcomes": (condition(13, "[75, 76, 77]", "['1', '0', '0']", 1), ()),
    "a trade of nobody with a market maker": (
        "insert into polyledger_raw.fpmm_transactions (id, type, timestamp, market, user, trade_amount, fee_amount, "
        f"outcome_index, outcome_tokens_amount) values ('0x{'7' * 64}_0x1', 'Buy', '2025-01-01 00:00:00', "
        f"unhex('{AMM.entities['FixedProductMarketMaker'][0]['id'][2:]}'), '', 40000000, 0, 0, 80000000)",
        ("is_address_fct_amm_trades_wallet",),
    ),
    "a fill of a third outcome": (fill(11, taker_asset_id="77"), ("in_range_int_fills_1__outcome_index",)),
}


def test_bad_rows_fail_the_tests_that_say_they_are_not_there_and_no_other(bench: Bench) -> None:
    failed = bench.failed(
        "build", "--exclude-resource-type", "unit_test", rows=[insert for insert, _ in BAD_ROWS.values()]
    )
    assert failed == {test for _, tests in BAD_ROWS.values() for test in tests}


def test_every_data_test_is_seen_to_fail(bench: Bench) -> None:
    seen = {test for broken in (*sum(DATA_BREAKS, ()), *LEDGER_BREAKS) for test in broken.tests}
    seen |= {test for damage in DAMAGES for test in damage.tests}
    seen |= {test for _, tests in BAD_ROWS.values() for test in tests}
    # A column whose type has no NULL keeps its contract and cannot fail `not_null`.
    unseen = {test for test in bench.data_tests - seen if not test.startswith("not_null_")}
    assert not unseen, f"no break and no bad row shows that these can fail: {sorted(unseen)}"


# The generic tests, on a few values each: what fails, and what passes beside it.

ADDRESS = "0x" + "ab" * 20
HASH = "0x" + "ab" * 32


def rendered(test: str, *arguments: object, **options: object) -> str:
    """The query of a generic test, as dbt would fill it in."""
    text = (PROJECT / "tests" / "generic" / f"{test}.sql").read_text()
    macro = text.replace("{% test ", "{% macro ").replace("{% endtest %}", "{% endmacro %}")
    module = jinja2.Environment(extensions=["jinja2.ext.do"]).from_string(macro).module
    return str(getattr(module, test)(*arguments, **options))


@pytest.mark.parametrize(
    "test, options, good, bad",
    [
        ("is_address", {}, [f"'{ADDRESS}'"], ["''", f"'{HASH}'", f"'{ADDRESS.upper()}'", f"'0x{'0' * 40}'"]),
        ("is_hash", {}, [f"'{HASH}'"], ["''", f"'{ADDRESS}'", f"'{HASH[:-1]}g'", f"'0x{'0' * 64}'", f"'{HASH}\\n'"]),
        ("in_range", {"above": 0}, ["0.5", "2"], ["0", "-1", "nan"]),
        ("in_range", {"at_least": 0}, ["0", "2"], ["-0.5", "nan"]),
        ("in_range", {"above": 0, "at_most": 1}, ["0.5", "1"], ["0", "1.5", "inf", "nan"]),
        ("in_range", {}, ["-1", "0", "nan"], []),
        ("sums_to", {"total": 3}, ["[]", "[1, 2]", "[3]"], ["[1, 1]", "[4]"]),
        ("sums_to", {"total": "null"}, ["[]"], ["[1]"]),
        ("sums_to", {"total": 1, "within": 0.01}, ["[0.5, 0.5]", "[0.495, 0.5]"], ["[0.48, 0.5]", "[0.5, 0.52]"]),
    ],
)
def test_a_generic_test_fails_what_it_names(
    desk: Desk, test: str, options: dict[str, object], good: list[str], bad: list[str]
) -> None:
    values = ", ".join([*good, *bad])
    nulls = "" if test == "sums_to" else " union all select null"  # an array is never null
    model = f"(select arrayJoin([{values}]) as value{nulls})"
    offenders = desk.rows(f"select toString(value) from ({rendered(test, model, 'value', **options)})")
    expected = desk.rows(f"select toString(arrayJoin([{', '.join(bad)}]))") if bad else []
    assert sorted(offenders) == sorted(expected)


def test_unique_together_fails_what_is_there_twice(desk: Desk) -> None:
    rows = [("a", 1), ("a", 2), ("b", 1), ("b", 1), ("c", None), ("d", None), ("d", None)]
    model = " union all ".join(
        f"select '{one}' as one, {'null' if two is None else two}::Nullable(UInt8) as two" for one, two in rows
    )
    query = rendered("unique_together", f"({model})", ["one", "two"])
    assert sorted(desk.rows(query), key=repr) == [("b", 1), ("d", None)]
