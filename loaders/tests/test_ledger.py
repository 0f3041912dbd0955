"""All wallets together: what they won is minus the fees, the audits say so, and every known mistake has its figure.

Against simulated worlds with takers who get back a part of what they gave, in base units (10^-6). One world is
always played; `make test-long` plays ten.
"""

import json
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from fractions import Fraction
from functools import cached_property
from pathlib import Path
from typing import Any

import pytest

from loaders.standin.chain import EXCHANGES
from loaders.standin.goldsky import Goldsky
from loaders.standin.world import HOUSES, World, simulate
from loaders.tests.conftest import PROJECT, Desk, copied_project
from loaders.tests.test_world import changes, leftovers, payouts, questions

BASE_UNITS = 10**6
WORLDS: dict[int, dict[str, Any]] = {
    51: {},
    52: {"fees": False, "wallets": 25},
    53: {"plain": 8, "neg_risk_events": 9, "wallets": 40},
    54: {"plain": 0, "neg_risk_events": 6},
    55: {"neg_risk_events": 0},
    56: {"plain": 10, "wallets": 12},
    57: {"wallets": 150},
    58: {"unusual_payouts": False, "foreign": False},
    59: {"plain": 60},
    60: {"fees": False, "neg_risk_events": 12},
}
ALWAYS = (51,)
# The first byte of an order hash tells whether its fills are landed twice.
TWICE = """
    insert into polyledger_raw.order_filled_events
    select * replace (_loaded_at + 1 as _loaded_at) from polyledger_raw.order_filled_events
    where reinterpretAsUInt8(substring(order_hash, 1, 1)) % 3 = 0
"""
MISTAKES = (
    "wrong_sign",
    "both_rows_credited",
    "duplicates_kept",
    "unresolved_at_zero",
    "fees_ignored",
    "splits_and_conversions_ignored",
    "taker_rows_dropped",
)
Key = tuple[str, str]  # wallet and condition


@dataclass
class Amount:
    """Cash and shares of both outcomes, gained (+) or given up (-)."""

    cash: Fraction = Fraction(0)
    first: int = 0
    second: int = 0

    def add(self, cash: Fraction | int, shares: tuple[int, int]) -> None:
        self.cash += cash
        self.first += shares[0]
        self.second += shares[1]


@dataclass(frozen=True)
class Told:
    """A world, and a desk where it is loaded and its audits are built."""

    world: World
    desk: Desk

    @cached_property
    def paid(self) -> dict[str, list[Fraction]]:
        return payouts(self.world)

    @cached_property
    def units(self) -> dict[str, str]:
        """The unit in which each listed condition must balance: itself, or its neg-risk event."""
        alone = {row["condition"]: row["condition"] for row in self.world.entities["MarketData"]}
        return alone | {condition: event for event, all_of in questions(self.world).items() for condition in all_of}

    def value(self, condition: str, amount: Amount) -> Fraction:
        """Cash, and shares at payout."""
        first, second = self.paid[condition]
        return amount.cash + amount.first * first + amount.second * second

    def rows(self, query: str) -> dict[Any, int]:
        """Base units, by the first column; the second is a decimal in USDC."""
        return {key: round(Fraction(amount) * BASE_UNITS) for key, amount in self.desk.rows(query)}


@pytest.fixture(
    scope="module",
    params=[pytest.param(seed, marks=[] if seed in ALWAYS else pytest.mark.long) for seed in WORLDS],
    ids=lambda seed: f"world_{seed}",
)
def told(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Told]:
    world = simulate(request.param, steps=5000, leftovers=True, **WORLDS[request.param])
    with Goldsky(world.entities, head=world.until) as endpoint:
        desk = Desk(tmp_path_factory.mktemp("told") / "warehouse", endpoint.base_url)
        desk.load_everything()
    fills = "polyledger_raw.order_filled_events"
    desk.rows(f"alter table {fills} modify setting max_bytes_to_merge_at_max_space_in_pool = 1")  # keep the copies
    desk.rows(TWICE)
    only = ["--resource-type", "model", "--resource-type", "seed"]
    desk.dbt("build", *only, "--select", "+audit_double_entry", "+audit_pnl_attribution", "+fct_position_events")
    yield Told(world, desk)


# --- all wallets together ---


def test_settled_pnl_of_every_wallet_and_condition_is_the_ledgers(told: Told) -> None:
    booked = told.desk.rows(
        "select concat('0x', lower(hex(wallet))), concat('0x', lower(hex(condition_id))), toString(settled_pnl_usdc) "
        "from polyledger.int_wallet_conditions where is_resolved"
    )
    assert len(booked) > 200
    for wallet, condition, pnl in booked:
        account = told.world.ledger[wallet, condition]
        off = abs(Fraction(pnl) * BASE_UNITS - told.world.settled[wallet, condition])
        assert off <= 3 + account.conversions, (wallet, condition, pnl)


def test_all_wallets_together_won_minus_the_fees(told: Told) -> None:
    won = told.rows(
        "select concat('0x', lower(hex(assumeNotNull(condition_id)))), toString(sum(settled_pnl_usdc)) "
        "from polyledger.int_wallet_conditions where is_resolved group by 1"
    )
    event_rows = dict(
        told.desk.rows("select condition_id, count() from polyledger.fct_position_events group by condition_id")
    )
    totals: dict[str, Fraction] = defaultdict(Fraction)
    dust: Counter[str] = Counter()
    fees: Counter[str] = Counter()
    for condition, pnl in won.items():
        totals[told.units[condition]] += pnl
        dust[told.units[condition]] += event_rows[condition]
    for (wallet, condition), account in told.world.ledger.items():
        if wallet not in HOUSES and condition in told.paid:
            paid = Amount(Fraction(account.fees_cash), *account.fees_shares)
            totals[told.units[condition]] += told.value(condition, paid)
            fees[told.units[condition]] += account.fees_cash + sum(account.fees_shares)
    still_open = {told.units[condition] for condition in told.units if condition not in told.paid}
    judged = totals.keys() - still_open
    assert len(judged) >= 4
    for unit in judged:
        assert abs(totals[unit]) <= dust[unit], unit
    charged = any(int(row["fee"]) for row in told.world.entities["OrderFilledEvent"])
    assert any(fees[unit] for unit in judged) == charged


def test_double_entry_says_that_everything_balances(told: Told) -> None:
    entries = {
        unit: (status, shares, minted, merged, count)
        for unit, status, shares, minted, merged, count in told.desk.rows(
            "select unit_id, status, arrayMap(s -> toInt64(s * 1000000), shares), toInt64(split_sets * 1000000), "
            "toInt64(merged_sets * 1000000), leftover_count from polyledger.audit_double_entry"
        )
    }
    shares: dict[str, Amount] = defaultdict(Amount)
    active = set()
    for one in changes(told.world):
        active.add(told.units[one.condition])
        if one.kind != "redemption":
            shares[one.condition].add(one.cash, one.shares)
    assert entries.keys() == active
    assert {status for status, *_ in entries.values()} == {"balanced"}
    in_order = {**{unit: [unit] for unit in told.units.values()}, **questions(told.world)}
    for unit, (_, held, *_) in entries.items():
        conditions = [condition for condition in in_order[unit] if condition in shares]
        expected = [shares[condition] for condition in conditions]
        assert held == [amount for one in expected for amount in (one.first, one.second)], unit
    for entity, place in (("Split", 2), ("Merge", 3)):
        listed = (row for row in told.world.entities[entity] if row["condition"] in told.units)
        assert sum(entry[place] for entry in entries.values()) == sum(int(row["amount"]) for row in listed)
    assert sum(entry[4] for entry in entries.values()) == len(+leftovers(told.world)) > 500


# --- mistakes ---


def test_every_mistake_has_its_figure(told: Told) -> None:
    expected = figures_of_mistakes(told)
    columns = ", ".join(f"toString({mistake}_usdc)" for mistake in MISTAKES)
    found = told.desk.rows(
        f"select wallet, toString(settled_pnl_usdc), {columns} from polyledger.audit_pnl_attribution"
    )
    assert len(found) == len({wallet for wallet, _ in told.world.ledger} - set(HOUSES))
    for wallet, settled, *figures in found:
        accounts = [account for (owner, _), account in told.world.ledger.items() if owner == wallet]
        dust = 6 * len(accounts) + sum(account.conversions for account in accounts)
        right = sum(pnl for (owner, _), pnl in told.world.settled.items() if owner == wallet)
        assert abs(Fraction(settled) * BASE_UNITS - right) <= dust, wallet
        for mistake, figure in zip(MISTAKES, figures, strict=True):
            off = abs(Fraction(figure) * BASE_UNITS - expected[mistake][wallet])
            assert off <= dust, (wallet, mistake, figure, float(expected[mistake][wallet]))
    for mistake, by_wallet in expected.items():
        told_apart = [
            wallet for wallet, settled, *_ in found if abs(by_wallet[wallet] - Fraction(settled) * BASE_UNITS) > 10**6
        ]
        has_fees = any(int(row["fee"]) for row in told.world.entities["OrderFilledEvent"])
        assert bool(told_apart) == (mistake != "fees_ignored" or has_fees), mistake


def figures_of_mistakes(told: Told) -> dict[str, dict[str, Fraction]]:
    """What each mistake makes of every wallet's P&L: the rows read again, with that mistake."""
    entities = told.world.entities
    outcomes = {
        token: (row["id"], outcome) for row in entities["Condition"] for outcome, token in enumerate(row["positionIds"])
    }
    refunds: Counter[tuple[str, str]] = Counter()
    for row in entities["FeeRefundedEntity"]:
        refunds[row["id"].split("_")[0], row["orderHash"]] += int(row["feeRefunded"])
    back = leftovers(told.world)
    # Every fill as (wallet, condition, cash, shares): right, without its fee, and as it was served.
    ledgers: dict[str, dict[Key, Amount]] = defaultdict(lambda: defaultdict(Amount))
    for row in entities["OrderFilledEvent"]:
        buys = row["makerAssetId"] == "0"
        condition, outcome = outcomes[row["takerAssetId" if buys else "makerAssetId"]]
        given, received = int(row["makerAmountFilled"]), int(row["takerAmountFilled"])
        fee = int(row["fee"]) - refunds[row["transactionHash"], row["orderHash"]]

        def legs(cash: int, shares: int, outcome: int = outcome) -> tuple[int, tuple[int, int]]:
            return cash, ((shares, 0) if outcome == 0 else (0, shares))

        kept = given - back[row["id"]]
        net = legs(-kept, received - fee) if buys else legs(received - fee, -kept)
        gross = legs(-kept, received) if buys else legs(received, -kept)
        served = legs(-given, received) if buys else legs(received, -given)
        owner, other = (row["maker"], condition), (row["taker"], condition)
        ledgers["right"][owner].add(*net)
        ledgers["fills"][owner].add(*net)
        ledgers["no fees"][owner].add(*gross)
        ledgers["copies"][owner].add(*served)
        if int(row["orderHash"][2:4], 16) % 3 == 0:
            ledgers["copies"][owner].add(*served)
        ledgers["once"][owner].add(*served)
        if row["taker"] in EXCHANGES:
            ledgers["taker rows"][owner].add(*net)
        else:
            cash, (first, second) = served
            ledgers["other sides"][other].add(-cash, (-first, -second))
    for one in changes(told.world):
        if one.kind in ("Split", "Merge", "conversion"):
            for ledger in ("right", "no fees"):
                ledgers[ledger][one.wallet, one.condition].add(one.cash, one.shares)
    figures: dict[str, dict[str, Fraction]] = {mistake: defaultdict(Fraction) for mistake in MISTAKES}
    for key, right in ledgers["right"].items():
        wallet, condition = key
        if condition not in told.paid:
            figures["unresolved_at_zero"][wallet] += right.cash
            continue
        value = told.value(condition, right)
        fills = ledgers["fills"][key]
        bought = Amount(fills.cash, max(fills.first, 0), max(fills.second, 0))
        copies = told.value(condition, ledgers["copies"][key]) - told.value(condition, ledgers["once"][key])
        figures["wrong_sign"][wallet] += 2 * right.cash - value
        figures["both_rows_credited"][wallet] += value + told.value(condition, ledgers["other sides"][key])
        figures["duplicates_kept"][wallet] += value + copies
        figures["unresolved_at_zero"][wallet] += value
        figures["fees_ignored"][wallet] += told.value(condition, ledgers["no fees"][key])
        figures["splits_and_conversions_ignored"][wallet] += told.value(condition, bought)
        figures["taker_rows_dropped"][wallet] += value - told.value(condition, ledgers["taker rows"][key])
    return figures


# --- a load of some wallets, and figures of theirs from elsewhere ---

SEED = "seeds/dome_baseline.csv"
VERDICTS = {  # of the wallets in turn: percent off, limit, as-of moment known, fills too few, verdict
    (0, 10, True, 0): "pass",
    (7, 10, True, 0): "warn",
    (20, 10, True, 0): "fail",
    (20, 10, False, 0): "warn",
    (0, 10, True, 1): "not_checked",
}


@pytest.fixture(scope="module")
def some_wallets(tmp_path_factory: pytest.TempPathFactory) -> tuple[World, Desk, Path, list[str]]:
    """A desk where five wallets are loaded, which a copy of the project lists as baselines, and what dbt said."""
    world = simulate(61, steps=400)
    project = copied_project(tmp_path_factory.mktemp("project"))
    fills = Counter(row["maker"] for row in world.entities["OrderFilledEvent"])
    wallets = [wallet for wallet, _ in fills.most_common(len(VERDICTS))]
    begin, end = (f"{datetime.fromtimestamp(second, UTC):%Y-%m-%d %H:%M:%S}" for second in (world.since, world.until))
    lines = [(PROJECT / SEED).read_text().splitlines()[0]]
    for wallet, (percent, limit, is_dated, missing) in zip(wallets, VERDICTS, strict=True):
        settled = [pnl for (owner, _), pnl in world.settled.items() if owner == wallet]
        figures = (sum(settled), sum(pnl for pnl in settled if pnl > 0), -sum(pnl for pnl in settled if pnl < 0))
        # Gains and losses by condition are rounded, like the sum: a cent more or less is far within a percent.
        said = ",".join(f"{float(figure * (100 + percent) / 100 / BASE_UNITS):.2f}" for figure in figures)
        moment = end if is_dated else ""
        count = fills[wallet] + missing
        lines.append(f"{wallet},{said},settled,{moment},,,,5,{limit},{count},{begin},{begin},simulated")
    (project / SEED).write_text("\n".join(lines) + "\n")
    with Goldsky(world.entities, head=world.until) as endpoint:
        desk = Desk(tmp_path_factory.mktemp("some") / "warehouse", endpoint.base_url)
        for entity in ("fills", "activity"):
            desk.polyledger("load", entity, "--since", begin[:10], "--wallets-from", str(project / SEED))
        desk.polyledger("load", "payouts")
    words = ["--project-dir", str(project), "--profiles-dir", str(project), "--exclude-resource-type", "unit_test"]
    desk.dbt("build", *words, code=1, DBT_WRITE_JSON="true")
    return world, desk, project, wallets


def test_a_load_of_some_wallets_is_partial_and_not_wrong(some_wallets: tuple[World, Desk, Path, list[str]]) -> None:
    _, desk, _, _ = some_wallets
    ((statuses, units),) = desk.rows("select groupUniqArray(status), count() from polyledger.audit_double_entry")
    assert (statuses, units > 20) == (["partial"], True)
    reasons = desk.rows("select distinct reason from polyledger.audit_double_entry where unit_kind = 'condition'")
    assert reasons == [
        ("OrderFilledEvent, Split, Merge, Redemption of all wallets not loaded from first to last event",)
    ]


def test_baselines_pass_warn_fail_or_are_not_checked(some_wallets: tuple[World, Desk, Path, list[str]]) -> None:
    _, desk, _, wallets = some_wallets
    found = {
        (wallet, figure): verdict
        for wallet, figure, verdict in desk.rows("select wallet, figure, verdict from polyledger.audit_baselines")
    }
    assert found == {
        (wallet, figure): verdict
        for wallet, verdict in zip(wallets, VERDICTS.values(), strict=True)
        for figure in ("net", "gains", "losses")
    }
    results = json.loads((desk.data.with_name("target") / "run_results.json").read_text())["results"]
    statuses = {node["unique_id"].split(".")[2]: node["status"] for node in results}
    assert {name for name, status in statuses.items() if status in ("error", "fail")} == {
        "assert_baselines_are_within_their_limits"
    }
    assert statuses["assert_baselines_are_near"] == "warn"


def test_verify_tells_what_is_off(some_wallets: tuple[World, Desk, Path, list[str]]) -> None:
    _, desk, _, wallets = some_wallets
    told = json.loads(desk.polyledger("verify", "--json", code=1).stdout)
    checks = {check["name"]: check for check in told["checks"]}
    assert checks["baselines"]["verdict"] == "fail"
    assert checks["baselines"]["numbers"] == {"figures": 15, "pass": 3, "warn": 6, "fail": 3, "not_checked": 3}
    assert wallets[2] in checks["baselines"]["why"] and "more than 10 % off" in checks["baselines"]["why"]
    assert checks["double entry"]["verdict"] == "not checked"
    assert {row["wallet"] for row in told["baselines"]} == set(wallets)
