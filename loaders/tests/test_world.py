"""The simulated world keeps the laws of the contracts, as read from its rows alone."""

import hashlib
import json
from collections import Counter, defaultdict
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import pytest

from loaders.standin import chain, world
from loaders.standin.world import HOUSES, World, simulate

EXAMPLES: list[dict[str, Any]] = [
    {"seed": 0},
    {"seed": 1, "steps": 400, "fees": False},
    {"seed": 2, "steps": 600, "plain": 4},
    {"seed": 3, "steps": 600, "leftovers": True},
]


@pytest.fixture(scope="module")
def default() -> World:
    return simulate()


@pytest.fixture(scope="module", params=EXAMPLES, ids=str)
def any_world(request: pytest.FixtureRequest) -> World:
    return simulate(**request.param)


@dataclass(frozen=True)
class Change:
    """What a row says a wallet gained in a condition."""

    second: int
    wallet: str
    condition: str
    kind: str
    cash: Fraction
    shares: tuple[int, int]


def change(row: chain.Row, wallet: str, condition: str, kind: str, cash: Fraction | int, *legs: int) -> Change:
    first, second = legs or (0, 0)
    return Change(int(row["timestamp"]), wallet, condition, kind, Fraction(cash), (first, second))


def changes(told: World) -> list[Change]:
    """A second reading of the rows, by the published rules: credit the maker, fees net of refunds.

    Redemptions tell their payout but not their shares.
    """
    rows = told.entities
    outcomes = {
        token: (row["id"], outcome) for row in rows["Condition"] for outcome, token in enumerate(row["positionIds"])
    }
    served = {row["condition"] for row in rows["MarketData"]}
    neg_risk = {condition for event in questions(told).values() for condition in event}
    refunds = {
        (row["id"].split("_")[0], row["orderHash"]): int(row["feeRefunded"]) for row in rows["FeeRefundedEntity"]
    }
    back = leftovers(told)
    found = []
    for row in rows["OrderFilledEvent"]:
        buys = row["makerAssetId"] == "0"
        condition, outcome = outcomes[row["takerAssetId" if buys else "makerAssetId"]]
        given, received = int(row["makerAmountFilled"]) - back[row["id"]], int(row["takerAmountFilled"])
        fee = int(row["fee"]) - refunds.get((row["transactionHash"], row["orderHash"]), 0)
        cash, shares = (-given, received - fee) if buys else (received - fee, -given)
        legs = (shares, 0) if outcome == 0 else (0, shares)
        fees = (0, 0) if not buys else (fee, 0) if outcome == 0 else (0, fee)
        house = chain.FEE_MODULES[condition in neg_risk]
        found.append(change(row, row["maker"], condition, "fill", cash, *legs))
        found.append(change(row, house, condition, "fee", 0 if buys else fee, *fees))
    for entity, sign in (("Split", 1), ("Merge", -1)):
        for row in rows[entity]:
            amount = sign * int(row["amount"])
            found.append(change(row, row["stakeholder"], row["condition"], entity, -amount, amount, amount))
    for row in rows["NegRiskConversion"]:
        amount, count = int(row["amount"]), row["questionCount"]
        for index, condition in enumerate(questions(told)[row["negRiskMarketId"]][:count]):
            burned = int(row["indexSet"]) >> index & 1
            share_of_cash = Fraction(amount * (count - 1), count) if burned else Fraction(-amount, count)
            legs = (0, -amount) if burned else (amount, 0)
            found.append(change(row, row["stakeholder"], condition, "conversion", share_of_cash, *legs))
    for row in rows["Redemption"]:
        found.append(change(row, row["redeemer"], row["condition"], "redemption", int(row["payout"])))
    return [one for one in found if one.condition in served]


def leftovers(told: World) -> Counter[str]:
    """What takers gave and got back, by the id of their row: all that their makers did not take."""
    matches: dict[str, list[chain.Row]] = defaultdict(list)
    for row in told.entities["OrderFilledEvent"]:
        matches[row["transactionHash"]].append(row)
    back: Counter[str] = Counter()
    for *makers, taken in matches.values():
        # In the taker's asset: what a maker who trades with it receives, else what a set of one USDC leaves to pay,
        # or the shares that both merge.
        asset = taken["makerAssetId"]
        used = 0
        for row in makers:
            given, received = int(row["makerAmountFilled"]), int(row["takerAmountFilled"])
            if row["takerAssetId"] == asset:
                used += received
            else:
                used += received - given if asset == "0" else given
        back[taken["id"]] = int(taken["makerAmountFilled"]) - used
    return back


def questions(told: World) -> dict[str, list[str]]:
    """Condition ids of every neg-risk event, by market id."""
    return {
        row["id"]: [
            chain.condition_id(chain.NEG_RISK_ADAPTER, chain.question_id(row["id"], index))
            for index in range(row["questionCount"])
        ]
        for row in told.entities["NegRiskEvent"]
    }


def payouts(told: World) -> dict[str, list[Fraction]]:
    return {
        row["id"]: [Fraction(int(part), int(row["payoutDenominator"])) for part in row["payoutNumerators"]]
        for row in told.entities["Condition"]
        if row["payoutNumerators"]
    }


# --- ids ---

EVEN = "0xdb4ab1dbbedd6aeec17aa6e3f66262cff0e3b04742dd3acdf99652575e5422f8"
ODD = "0xda558eddf6eb57760bd5371fb313167f871d823a16e9d66fccb292baf2a117c0"
PLAIN = "0xfc690d5069b296bb9278af0cba42c02666e0999e4a4009ed97ea4a885f045457"
NEG_RISK = "0xbf5ba08b3a0c4dd741f00759282e38e9bfa9ad59aa623ed13d26a8786c1e5afc"


@pytest.mark.parametrize(
    ("condition", "outcome", "collection"),
    [
        (EVEN, 0, "12adf3dfeaddeef8f31fa86654bf367c5c7b1e854dff407d7c87ff76af4ad16d"),
        (EVEN, 1, "2f5ebcc5972889a57d587b7088d543bbf464fbdd2b2c4cb7c276ca3d4d70415b"),
        (ODD, 0, "45ca66c3edbdbf0fbd03366cf395d3663ee3b34c4db07964bb60e3c7ca7e20e2"),
        (ODD, 1, "416929e8901456139abeec231eba635f911a240961f78919665280c69288ee0d"),
    ],
)
def test_collection_ids_are_those_of_the_subgraph(condition: str, outcome: int, collection: str) -> None:
    assert chain.collection_id(condition, outcome).hex() == collection


OTHER_COLLATERAL = "0x7D1DC38E60930664F8cBF495dA6556ca091d2F92"


@pytest.mark.parametrize(
    ("collateral", "condition", "tokens"),
    [
        (
            OTHER_COLLATERAL,
            ODD,
            [
                108051088633899060239124498527429950692254744883563327407154880807410490438693,
                45163082656174410071592939534766820181648934703824597457997612898109272294349,
            ],
        ),
        (
            chain.USDC_E,
            PLAIN,
            [
                73716170047628147940237270507900673332129573201293655532643868111690843426372,
                2890213445014127424511466931609154310536269586265875141655148162320150952197,
            ],
        ),
        (
            chain.WCOL,
            NEG_RISK,
            [
                84121562275746951169805992721206824933074826856805500029198362509460400440947,
                6492254133524731704185750998715576231739345323060925006131340263114065023619,
            ],
        ),
    ],
)
def test_position_ids_are_those_of_the_subgraph(collateral: str, condition: str, tokens: list[int]) -> None:
    assert [chain.position_id(collateral, condition, outcome) for outcome in (0, 1)] == tokens


@pytest.mark.parametrize(
    ("market", "question", "tokens"),
    [
        (
            "0xcc4727a6394620b9c8ae82db3db50a34d5ca9828675547bcc4cddf5e86b63000",
            7,
            [
                96833685517457790753237027711749956491556223430098771101130535462280443103710,
                112683192116716745370273337699109698649408967993699289993927321945615517688893,
            ],
        ),
        (
            "0x904aa321a48f737e2223e7b3007bf51d68b6a0d66bdda0c1e4bc581f55d62800",
            4,
            [
                11031149734538275426690039809123992018327740438980973428241361937177748285493,
                92849115097658926029726616555072992123532598747617388960074918380114146610948,
            ],
        ),
        (
            "0x904aa321a48f737e2223e7b3007bf51d68b6a0d66bdda0c1e4bc581f55d62800",
            3,
            [
                92934986068759649975171712359405804888500621431140776758674716227798619042594,
                83272680118121060051327450493118657102857345150945269348505485036103238138715,
            ],
        ),
        (
            "0x5e596465dca57c10c8b175f901974e2de2877498410b0210d0a21b57e14da000",
            4,
            [
                30637845681714148498359907433169105263223689440526909041094893305583115580796,
                111796127100720291855951404495290728144208289103084969375425640210971192620108,
            ],
        ),
    ],
)
def test_neg_risk_tokens_follow_from_market_and_index(market: str, question: int, tokens: list[int]) -> None:
    condition = chain.condition_id(chain.NEG_RISK_ADAPTER, chain.question_id(market, question))
    assert [chain.position_id(chain.WCOL, condition, outcome) for outcome in (0, 1)] == tokens


# --- the same world everywhere ---


def test_a_seed_names_one_world() -> None:
    assert simulate(3, steps=200) == simulate(3, steps=200)
    assert simulate(3, steps=200) != simulate(4, steps=200)


def test_seed_0_is_the_same_world_on_every_python() -> None:
    """A change of the simulation changes this; a new version of Python must not."""
    text = json.dumps(simulate(0, steps=200, pools=2).entities, sort_keys=True)
    digest = hashlib.sha256(text.encode()).hexdigest()
    assert digest == "119564b8ac519c56a8c209857ce18078e7ebb591113596818a79e2e0b1bf9e1e"


# --- laws, read from the rows ---


def test_plain_conditions_balance_to_the_base_unit(any_world: World) -> None:
    in_events = {condition for event in questions(any_world).values() for condition in event}
    for condition, (cash, first, second) in before_redemptions(any_world).items():
        if condition not in in_events:
            assert first == second == -cash, condition


def test_neg_risk_events_balance_whoever_wins(any_world: World) -> None:
    sums = before_redemptions(any_world)
    first_counts = {
        row["negRiskMarketId"]: row["questionCount"] for row in reversed(any_world.entities["NegRiskConversion"])
    }
    for market, event in questions(any_world).items():
        cash = sum(sums[condition][0] for condition in event)
        for winner in event[: first_counts.get(market)]:  # a late question must not win
            held = sum(sums[condition][1 if condition == winner else 2] for condition in event)
            assert held == -cash, (market, winner)


def before_redemptions(told: World) -> dict[str, list[Fraction]]:
    """Cash and shares of both outcomes over all wallets, by condition."""
    sums: dict[str, list[Fraction]] = defaultdict(lambda: [Fraction(0)] * 3)
    for one in changes(told):
        if one.kind != "redemption":
            cash, first, second = sums[one.condition]
            sums[one.condition] = [cash + one.cash, first + one.shares[0], second + one.shares[1]]
    return sums


def test_nobody_ever_holds_less_than_nothing(any_world: World) -> None:
    """At the end of every second: rows do not tell the order within one."""
    held: dict[tuple[str, str], list[int]] = defaultdict(lambda: [0, 0])
    seconds: dict[int, list[Change]] = defaultdict(list)
    for one in changes(any_world):
        seconds[one.second].append(one)
    for second in sorted(seconds):
        for one in seconds[second]:
            shares = held[one.wallet, one.condition]
            shares[0] += one.shares[0]
            shares[1] += one.shares[1]
        assert all(min(held[one.wallet, one.condition]) >= 0 for one in seconds[second]), second


def test_rows_tell_what_the_ledger_says(any_world: World) -> None:
    cash: dict[tuple[str, str], Fraction] = defaultdict(Fraction)
    shares: dict[tuple[str, str], list[int]] = defaultdict(lambda: [0, 0])
    for one in changes(any_world):
        key = (one.wallet, one.condition)
        cash[key] += one.cash
        shares[key] = [held + more for held, more in zip(shares[key], one.shares, strict=True)]
    redeemed = {(row["redeemer"], row["condition"]) for row in any_world.entities["Redemption"]}
    silent = {key for key in shares if not cash[key] and not any(shares[key])}  # a fee module that got nothing
    assert any_world.ledger.keys() - silent == shares.keys() - silent
    for key, account in any_world.ledger.items():
        assert account.cash == cash[key], key
        assert account.shares == shares[key] or key in redeemed, key


def test_redemptions_are_neutral(any_world: World) -> None:
    """Settled is cash and shares at payout before any redemption, less what redemptions round away."""
    values: dict[tuple[str, str], Fraction] = defaultdict(Fraction)
    paid = payouts(any_world)
    for one in changes(any_world):
        if one.kind != "redemption" and one.condition in paid:
            worth = sum(one.shares[outcome] * paid[one.condition][outcome] for outcome in (0, 1))
            values[one.wallet, one.condition] += one.cash + worth
    rounded = Counter((row["redeemer"], row["condition"]) for row in any_world.entities["Redemption"])
    for key, settled in any_world.settled.items():
        lost = values[key] - settled
        assert 0 <= lost <= 2 * rounded[key], key


def test_settled_sums_to_nothing_but_dust(any_world: World) -> None:
    totals: dict[str, Fraction] = defaultdict(Fraction)
    for (_, condition), settled in any_world.settled.items():
        totals[condition] += settled
    for event in questions(any_world).values():
        assert sum(totals.pop(condition, Fraction(0)) for condition in event) == 0
    dust = Counter(row["condition"] for row in any_world.entities["Redemption"])
    for condition, total in totals.items():
        assert -2 * dust[condition] <= total <= 0, condition


def test_every_fill_has_a_price_and_every_match_a_taker_row(any_world: World) -> None:
    matches: dict[str, list[chain.Row]] = defaultdict(list)
    for row in any_world.entities["OrderFilledEvent"]:
        matches[row["transactionHash"]].append(row)
        given, received = int(row["makerAmountFilled"]), int(row["takerAmountFilled"])
        usdc, shares = (given, received) if row["makerAssetId"] == "0" else (received, given)
        assert 0 < usdc <= shares, row
        assert 0 <= int(row["fee"]) <= received // 10, row
        assert row["id"] == f"{row['transactionHash']}_{row['orderHash']}"
    assert len({row["id"] for rows in matches.values() for row in rows}) == sum(map(len, matches.values()))
    for makers in matches.values():
        taken = makers.pop()
        assert taken["taker"] in chain.EXCHANGES
        assert 1 <= len(makers) <= 3
        assert {row["taker"] for row in makers} == {taken["maker"]}


def test_no_maker_takes_more_than_its_taker_gave(any_world: World) -> None:
    assert min(leftovers(any_world).values()) >= 0


# --- nothing is missing that the models must survive ---


def test_all_kinds_of_matches_occur(default: World) -> None:
    kinds: Counter[str] = Counter()
    matches: dict[str, list[chain.Row]] = defaultdict(list)
    for row in default.entities["OrderFilledEvent"]:
        matches[row["transactionHash"]].append(row)
    orders = Counter(row["orderHash"] for row in default.entities["OrderFilledEvent"])
    for rows in matches.values():
        taken = rows.pop()
        buys = taken["makerAssetId"] == "0"
        sides = {(row["makerAssetId"] == "0") == buys for row in rows}
        kinds["mint" if buys else "merge"] += True in sides
        kinds["complementary"] += False in sides
        kinds["mixed"] += len(sides) == 2
        kinds["self"] += taken["maker"] in {row["maker"] for row in rows}
        kinds[taken["taker"]] += 1
    kinds["filled in parts"] = sum(times > 1 for times in orders.values())
    assert min(kinds.values()) >= 10, kinds


def test_all_kinds_of_events_occur(default: World) -> None:
    rows = default.entities
    amm = {"FixedProductMarketMaker", "FpmmTransaction", "FpmmFundingAddition", "FpmmFundingRemoval"}
    assert {entity for entity, served in rows.items() if not served} == amm
    assert all(simulate(0, steps=400, pools=3).entities.values()), "an entity has no rows"
    assert len(rows["OrderFilledEvent"]) >= 2500
    assert len(rows["Condition"]) >= 40

    numerators = Counter(tuple(row["payoutNumerators"]) for row in rows["Condition"])
    assert numerators.keys() == {(), *(tuple(map(str, kind)) for kind in world.UNUSUAL)}
    resolved = 1 - numerators[()] / len(rows["Condition"])
    assert 0.65 < resolved < 0.85

    places = {token: place for place, token in enumerate(row["id"] for row in rows["MarketData"])}
    forwards = Counter(
        places[row["positionIds"][0]] < places[row["positionIds"][1]]
        for row in rows["Condition"]
        if row["positionIds"][0] in places
    )
    assert min(forwards[True], forwards[False]) >= 10

    sizes = Counter(int(row["indexSet"]).bit_count() == row["questionCount"] for row in rows["NegRiskConversion"])
    assert min(sizes[True], sizes[False]) >= 5
    assert any(int(row["amount"]) % row["questionCount"] for row in rows["NegRiskConversion"])
    final = {row["id"]: row["questionCount"] for row in rows["NegRiskEvent"]}
    assert any(row["questionCount"] < final[row["negRiskMarketId"]] for row in rows["NegRiskConversion"])

    redemptions = Counter((row["payout"] == "0", len(row["indexSets"])) for row in rows["Redemption"])
    assert redemptions.keys() == {(False, 2), (True, 2), (False, 1), (True, 1)}
    kept = Counter(row["feeCharged"] == "0" for row in rows["FeeRefundedEntity"])
    assert min(kept[True], kept[False]) >= 10
    assert {row["negRisk"] for row in rows["FeeRefundedEntity"]} == {True, False}
    assert Counter(row["timestamp"] for row in rows["OrderFilledEvent"]).most_common(1)[0][1] >= 100


def test_neg_risk_events_have_one_winner_or_are_open(default: World) -> None:
    paid = payouts(default)
    winners = [
        [paid[condition][0] for condition in event if condition in paid] for event in questions(default).values()
    ]
    assert sorted(sum(event) for event in winners) == [0, 1, 1, 1]
    assert [len(event) for event in winners if not event] == [0]


def test_foreign_conditions_reach_no_wallet(default: World) -> None:
    conditions = {row["id"] for row in default.entities["Condition"]}
    served = {row["condition"] for row in default.entities["MarketData"]}
    foreign = [row for row in default.entities["Split"] if row["condition"] not in served]
    assert {row["condition"] in conditions for row in foreign} == {True, False}
    assert all(int(row["amount"]) >= 10**17 for row in foreign)
    assert {row["stakeholder"] for row in foreign}.isdisjoint(wallet for wallet, _ in default.ledger)
    assert {condition for _, condition in default.ledger} <= served


def test_takers_of_both_sides_get_something_back_where_that_is_asked_for() -> None:
    told = simulate(**EXAMPLES[-1])
    sides = {row["id"]: row["makerAssetId"] == "0" for row in told.entities["OrderFilledEvent"]}
    back = Counter(sides[fill] for fill, amount in leftovers(told).items() if amount)
    assert min(back[True], back[False]) >= 20


def test_options_leave_out_what_they_name() -> None:
    quiet = simulate(5, steps=300, fees=False, foreign=False, unusual_payouts=False, start=1_600_000_000)
    assert not any(leftovers(quiet).values())
    assert not quiet.entities["FeeRefundedEntity"]
    assert not any(int(row["fee"]) for row in quiet.entities["OrderFilledEvent"])
    assert {row["condition"] for row in quiet.entities["MarketData"]} == {
        row["id"] for row in quiet.entities["Condition"]
    }
    assert {row["payoutDenominator"] for row in quiet.entities["Condition"]} <= {"0", "1", "2"}
    assert not any(
        account.cash or any(account.shares) for (owner, _), account in quiet.ledger.items() if owner in HOUSES
    )
    assert quiet.since == 1_600_000_000
    seconds = [int(row["timestamp"]) for row in quiet.entities["OrderFilledEvent"]]
    assert seconds == sorted(seconds)
    assert max(seconds) < quiet.until
