"""P&L of simulated worlds, from rows over HTTP to the marts, against ledgers that share no step with the models.

Every wallet and condition is compared. Amounts are base units here (10^-6 USDC or shares). One world is always
played; `make test-long` plays ten.
"""

import json
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

import pytest

from loaders.standin.goldsky import Goldsky
from loaders.standin.world import HOUSES, World, simulate
from loaders.tests.conftest import SHARED, Desk
from loaders.tests.ledgers import (
    AverageCost,
    Holding,
    Key,
    Redeemed,
    Subgraph,
    certain,
    documented_order,
    facts_of,
    prices_of,
    tell,
)

BASE_UNITS = 10**6
RECORDINGS = SHARED / "data"

# Ten worlds of 5,000 steps. All have ties in time, conversions, partial redemptions and a late question; all but one
# have payouts such as 54 to 46 or 10^18ths, and rows of other projects with collateral of their own.
WORLDS: dict[int, dict[str, Any]] = {
    31: {},
    32: {"fees": False, "wallets": 25},
    33: {"plain": 8, "neg_risk_events": 9, "wallets": 40},
    34: {"plain": 0, "neg_risk_events": 6},
    35: {"neg_risk_events": 0},
    36: {"plain": 10, "wallets": 12},
    37: {"wallets": 150},
    38: {"unusual_payouts": False, "foreign": False},
    39: {"plain": 60},
    40: {"fees": False, "neg_risk_events": 12},
}
ALWAYS = (31,)


@dataclass(frozen=True)
class Position:
    """A row of int_position_values."""

    shares: int
    cost: int
    realized: int
    unmatched: int
    by_day: list[tuple[int, int]]  # day since 1970 and what it booked
    unrealized: int | None
    subgraph: tuple[int, int, int, int]
    is_guessed: bool


@dataclass
class Told:
    """A world, what the models make of it, and what the ledgers do."""

    world: World
    desk: Desk
    positions: dict[Key, Position]
    subgraph: Subgraph = field(default_factory=Subgraph)
    average_cost: AverageCost = field(default_factory=AverageCost)
    on_chain: Subgraph = field(default_factory=Subgraph)  # in the chain's order, redemptions known
    average_cost_on_chain: AverageCost = field(default_factory=AverageCost)

    def __post_init__(self) -> None:
        entities = self.world.entities
        for ledger in (self.subgraph, self.average_cost):
            tell(entities, documented_order(entities), ledger)
        for ledger in (self.on_chain, self.average_cost_on_chain):
            tell(entities, self.world.history, ledger, self.world.redeemed)
        self.facts = facts_of(entities)
        self.prices = prices_of(entities)
        self.certain = certain(entities)

    def value(self, condition: str, shares: list[int]) -> Fraction | None:
        """What shares are worth; None when one of them has no price."""
        value = Fraction(0)
        for outcome, held in enumerate(shares):
            if held:
                if (condition, outcome) not in self.prices:
                    return None
                value += held * self.prices[condition, outcome]
        return value

    def conversions(self, wallet: str, condition: str) -> int:
        return self.world.ledger[wallet, condition].conversions


def positions_of(desk: Desk) -> dict[Key, Position]:
    rows = desk.rows(
        """
        select
            concat('0x', lower(hex(wallet))), concat('0x', lower(hex(condition_id))), outcome_index,
            reinterpretAsInt128(shares), reinterpretAsInt128(cost_usdc), reinterpretAsInt128(realized_pnl_usdc),
            reinterpretAsInt128(unmatched_shares),
            arrayMap(d -> (toInt32(d.1), reinterpretAsInt128(d.2)), realized_by_day),
            toInt128OrNull(toString(unrealized_pnl_usdc * 1000000)),
            (subgraph_amount, subgraph_avg_price, subgraph_realized_pnl, subgraph_total_bought),
            is_redeemed_amount_unknown
        from polyledger.int_position_values
        """
    )
    return {(wallet, condition, outcome): Position(*rest) for wallet, condition, outcome, *rest in rows}


@pytest.fixture(
    scope="module",
    params=[pytest.param(seed, marks=[] if seed in ALWAYS else pytest.mark.long) for seed in WORLDS],
    ids=lambda seed: f"world_{seed}",
)
def told(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Told]:
    """A world loaded and built, data tests and all."""
    world = simulate(request.param, steps=5000, **WORLDS[request.param])
    with Goldsky(world.entities, head=world.until) as endpoint:
        desk = Desk(tmp_path_factory.mktemp("told") / "warehouse", endpoint.base_url)
        desk.load_everything()
        desk.dbt("build", "--exclude-resource-type", "unit_test")
        yield Told(world, desk, positions_of(desk))


def test_the_replay_is_the_subgraphs_own_to_the_last_unit(told: Told) -> None:
    assert told.positions.keys() == told.subgraph.positions.keys()
    for key, position in told.positions.items():
        assert position.subgraph == told.subgraph.held(key).state(), key
    assert {key for key, position in told.positions.items() if position.is_guessed} == told.subgraph.guessed


def test_where_rows_tell_the_order_the_replay_is_what_the_chain_has(told: Told) -> None:
    compared = {key for key in told.certain if not told.positions[key].is_guessed}
    assert len(compared) > len(told.positions) / 4
    for key in compared:
        assert told.positions[key].subgraph == told.on_chain.held(key).state(), key
        assert told.positions[key].shares == told.average_cost_on_chain.positions[key].shares, key
        assert abs(told.positions[key].realized - told.average_cost_on_chain.positions[key].realized) <= 3, key


def test_shares_and_realized_pnl_are_those_of_average_cost(told: Told) -> None:
    """Shares within 3 too: in a divided payout, what the payout buys is not known to the base unit."""
    realized: dict[tuple[str, str], Fraction] = defaultdict(Fraction)
    for key, position in told.positions.items():
        expected = told.average_cost.positions[key]
        assert position.unmatched == expected.unmatched, key
        assert abs(position.shares - expected.shares) <= 3, key
        realized[key[:2]] += position.realized - expected.realized
    assert_close(told, realized)


def test_unrealized_pnl_is_value_less_cost(told: Told) -> None:
    unrealized: dict[tuple[str, str], Fraction] = defaultdict(Fraction)
    unknown = 0
    for (wallet, condition, outcome), position in told.positions.items():
        held = told.average_cost.positions[wallet, condition, outcome]
        value = told.value(condition, [held.shares if outcome == 0 else 0, held.shares if outcome == 1 else 0])
        assert (position.unrealized is None) == (value is None)
        if position.unrealized is None or value is None:
            unknown += 1
        else:
            unrealized[wallet, condition] += position.unrealized - (value - held.cost)
    assert_close(told, unrealized)
    assert unknown < len(told.positions) / 10


def assert_close(told: Told, differences: dict[tuple[str, str], Fraction]) -> None:
    """By wallet and condition within 3 base units and one for each conversion, by wallet within 60."""
    wallets: dict[str, Fraction] = defaultdict(Fraction)
    for (wallet, condition), difference in differences.items():
        assert abs(difference) <= 3 + told.conversions(wallet, condition), (wallet, condition, difference)
        wallets[wallet] += difference
    assert max(map(abs, wallets.values())) <= 60


def test_realized_and_unrealized_together_are_cash_and_value_of_what_the_chain_knows(told: Told) -> None:
    """By wallet and plain condition or event, since conversions carry cost between the conditions of an event.

    Where the order of events made a wallet sell what it had not bought yet, a part of its cash is booked nowhere.
    """
    units = {condition: market for market, event in told.facts.questions.items() for condition in event}
    found: dict[tuple[str, str], Fraction] = defaultdict(Fraction)
    dust: dict[tuple[str, str], int] = defaultdict(int)
    skipped = set()
    for (wallet, condition, _), position in told.positions.items():
        unit = (wallet, units.get(condition, condition))
        if position.unmatched or position.unrealized is None:
            skipped.add(unit)
        else:
            found[unit] += position.realized + position.unrealized
            dust[unit] += 3 + told.conversions(wallet, condition)
    for (wallet, condition), account in told.world.ledger.items():
        unit = (wallet, units.get(condition, condition))
        if unit in found.keys() - skipped:
            value = told.value(condition, account.shares)
            if value is None:  # only what the models think was redeemed has a price
                skipped.add(unit)
            else:
                found[unit] -= account.cash + value
    compared = found.keys() - skipped
    assert len(compared) > len(found) * 0.7
    for unit in compared:
        assert abs(found[unit]) <= dust[unit], (unit, found[unit])


def test_what_was_booked_by_day_is_what_was_booked(told: Told) -> None:
    for key, position in told.positions.items():
        days = [day for day, _ in position.by_day]
        assert days == sorted(days), key
        assert sum(pnl for _, pnl in position.by_day) == position.realized, key
        # A day is there more than once where conversions carried cost on it.
        booked: dict[int, Fraction] = defaultdict(Fraction)
        for day, pnl in position.by_day:
            booked[day] += pnl
        expected = told.average_cost.positions[key].by_day
        for day in booked.keys() | expected.keys():
            assert abs(booked.get(day, Fraction(0)) - expected.get(day, Fraction(0))) <= 3, (key, day)


def test_settled_pnl_is_what_the_chain_knows_and_what_one_wins_another_loses(told: Told) -> None:
    settled = {
        (wallet, condition): int(pnl)
        for wallet, condition, pnl in told.desk.rows(
            "select wallet, condition_id, reinterpretAsInt128(assumeNotNull(settled_pnl_usdc)) "
            "from polyledger.fct_realized_pnl_by_market where is_resolved"
        )
    }
    units = {condition: market for market, event in told.facts.questions.items() for condition in event}
    differences = {key: pnl - told.world.settled[key] for key, pnl in settled.items()}
    assert_close(told, differences)
    sums: dict[str, Fraction] = defaultdict(Fraction)
    dust: dict[str, int] = defaultdict(int)
    for (wallet, condition), pnl in settled.items():
        sums[units.get(condition, condition)] += pnl
        dust[units.get(condition, condition)] += 3 + told.conversions(wallet, condition)
    for (wallet, condition), fees in told.world.settled.items():
        if wallet in HOUSES:
            sums[units.get(condition, condition)] += fees
    for unit, total in sums.items():
        assert abs(total) <= dust[unit], (unit, total)


def test_the_marts_are_sums_of_the_positions(told: Told) -> None:
    markets: dict[tuple[str, str], int] = defaultdict(int)
    wallets: dict[str, list[int]] = defaultdict(lambda: [0, 0, 0])
    unknown = set()
    for (wallet, condition, _), position in told.positions.items():
        markets[wallet, condition] += position.realized
        wallets[wallet][0] += position.realized
        wallets[wallet][1] += position.subgraph[2]
        wallets[wallet][2] += position.unrealized or 0
        if position.unrealized is None:
            unknown.add(wallet)
    rows = told.desk.rows(
        "select wallet, condition_id, reinterpretAsInt128(assumeNotNull(realized_pnl_usdc)) "
        "from polyledger.fct_realized_pnl_by_market"
    )
    assert {(wallet, condition): pnl for wallet, condition, pnl in rows} == markets
    rows = told.desk.rows(
        "select wallet, reinterpretAsInt128(assumeNotNull(realized_pnl_usdc)), "
        "reinterpretAsInt128(assumeNotNull(subgraph_realized_pnl_usdc)), "
        "toInt128OrNull(toString(unrealized_pnl_usdc * 1000000)), toInt128OrNull(toString(total_pnl_usdc * 1000000)) "
        "from polyledger.fct_wallet_pnl"
    )
    assert {row[0] for row in rows} == wallets.keys()
    for wallet, realized, subgraph, unrealized, total in rows:
        assert [realized, subgraph] == wallets[wallet][:2]
        assert unrealized == (None if wallet in unknown else wallets[wallet][2])
        assert total == (None if wallet in unknown else realized + unrealized)


def test_the_events_in_the_marts_add_up_to_the_positions(told: Told) -> None:
    """The marts name every event by itself; positions are computed from less."""
    rows = told.desk.rows(
        "select wallet, condition_id, outcome_index, reinterpretAsInt128(sum(delta_shares)) "
        "from polyledger.fct_position_events group by 1, 2, 3"
    )
    moved = {tuple(key): shares for *key, shares in rows}
    assert moved.keys() <= told.positions.keys()
    for key, position in told.positions.items():
        assert position.shares - position.unmatched == moved.get(key, 0), key
    cash = "select wallet, condition_id, {} from polyledger.{} order by 1, 2"
    assert told.desk.rows(cash.format("cash_usdc", "fct_realized_pnl_by_market")) == told.desk.rows(
        cash.format("sum(delta_usdc)", "fct_position_events group by 1, 2")
    )


def test_who_holds_shares_is_a_holder_of_its_market(told: Told) -> None:
    rows = told.desk.rows(
        "select wallet, condition_id, outcome_index, reinterpretAsInt128(shares), reinterpretAsInt128(cost_usdc) "
        "from polyledger.fct_holders"
    )
    assert sorted(rows) == sorted(
        (*key, position.shares, position.cost) for key, position in told.positions.items() if position.shares
    )


# --- the ledgers themselves, against published numbers ---

Step = Callable[[Subgraph], None]
WALLET = "alice"
Y, N = (WALLET, "rain", 0), (WALLET, "rain", 1)
WON, LOST, TIED = [1, 0], [0, 1], [1, 1]


def buy(key: Key, shares: int, usdc: int) -> Step:
    return lambda ledger: ledger.fill(key, True, shares, usdc, 0)


def sell(key: Key, shares: int, usdc: int) -> Step:
    return lambda ledger: ledger.fill(key, False, shares, usdc, 0)


def split(shares: int) -> Step:
    return lambda ledger: ledger.sets(WALLET, "rain", shares)


def redeem(payouts: list[int], amounts: list[int] | None = None) -> Step:
    told = Redeemed(payouts, 0, [0, 1], amounts is not None, amounts)
    return lambda ledger: ledger.redeem(WALLET, "rain", told)


def no(question: int) -> Key:
    return (WALLET, f"question {question}", 1)


def yes(question: int) -> Key:
    return (WALLET, f"question {question}", 0)


def convert(count: int, index_set: int, amount: int) -> Step:
    given = [no(question) for question in range(count) if index_set >> question & 1]
    received = [yes(question) for question in range(count) if not index_set >> question & 1]
    return lambda ledger: ledger.convert(given, received, amount)


SHARE = 1_000_000
NOTHING = (0, 0, 0, 0)
VECTORS: dict[str, tuple[list[Step], dict[Key, tuple[int, int, int, int]]]] = {
    "D1a": ([buy(Y, SHARE, 400_000), buy(Y, SHARE, 600_000)], {Y: (2_000_000, 500_000, 0, 2_000_000)}),
    "D1b": (
        [buy(Y, SHARE, 400_000), buy(Y, SHARE, 600_000), sell(Y, 500_000, 350_000)],
        {Y: (1_500_000, 500_000, 100_000, 2_000_000)},
    ),
    "D2a": ([buy(Y, 3 * SHARE, SHARE)], {Y: (3_000_000, 333_333, 0, 3_000_000)}),
    "D2b": ([buy(Y, 3 * SHARE, SHARE), sell(Y, 3 * SHARE, SHARE)], {Y: (0, 333_333, 0, 3_000_000)}),
    "D3": ([buy(Y, SHARE, 500_000), sell(Y, 1_500_000, 1_200_000)], {Y: (0, 500_000, 300_000, 1_000_000)}),
    "D4": ([sell(Y, SHARE, 900_000)], {Y: NOTHING}),
    "D5": (
        [split(10 * SHARE), sell(N, 10 * SHARE, 3 * SHARE), redeem(WON)],
        {Y: (0, 500_000, 5_000_000, 10_000_000), N: (0, 500_000, -2_000_000, 10_000_000)},
    ),
    "D6": (
        [split(10 * SHARE), split(-4 * SHARE)],
        {Y: (6_000_000, 500_000, 0, 10_000_000), N: (6_000_000, 500_000, 0, 10_000_000)},
    ),
    "D7": ([buy(Y, 10 * SHARE, 7 * SHARE), redeem(LOST)], {Y: (0, 700_000, -7_000_000, 10_000_000), N: NOTHING}),
    "D8": ([buy(Y, 10 * SHARE, 7 * SHARE), redeem(TIED)], {Y: (0, 700_000, -2_000_000, 10_000_000), N: NOTHING}),
    "D9": (
        [buy(Y, 10 * SHARE, 4 * SHARE), redeem(WON, [6 * SHARE, 0])],
        {Y: (4_000_000, 400_000, 3_600_000, 10_000_000), N: NOTHING},
    ),
    "D10": (
        [
            buy(no(0), 5 * SHARE, 4_000_000),
            buy(no(1), 5 * SHARE, 3_500_000),
            buy(no(2), 5 * SHARE, 3_750_000),
            convert(5, 0b00111, 5 * SHARE),
        ],
        {
            no(0): (0, 800_000, 0, 5_000_000),
            no(1): (0, 700_000, 0, 5_000_000),
            no(2): (0, 750_000, 0, 5_000_000),
            yes(3): (5_000_000, 125_000, 0, 5_000_000),
            yes(4): (5_000_000, 125_000, 0, 5_000_000),
        },
    ),
    "D11": (
        [buy(no(0), 5 * SHARE, 1_500_000), buy(no(1), 5 * SHARE, 2_000_000), convert(4, 0b0011, 5 * SHARE)],
        {
            no(0): (0, 300_000, 0, 5_000_000),
            no(1): (0, 400_000, 0, 5_000_000),
            yes(2): (5_000_000, -150_000, 0, 5_000_000),
            yes(3): (5_000_000, -150_000, 0, 5_000_000),
        },
    ),
    "D12": (
        [convert(3, 0b001, 5 * SHARE)],
        {no(0): NOTHING, yes(1): (5_000_000, 0, 0, 5_000_000), yes(2): (5_000_000, 0, 0, 5_000_000)},
    ),
    "D13": (
        [lambda one: one.buy(Y, 333_333, 3), lambda one: one.sell(Y, 333_334, 1), lambda one: one.sell(Y, 0, 1)],
        {Y: (1, 333_333, 0, 3)},
    ),
    "D14": (
        [buy(Y, SHARE, 400_000), buy(("bob", "rain", 1), SHARE, 600_000)],
        {Y: (1_000_000, 400_000, 0, 1_000_000), ("bob", "rain", 1): (1_000_000, 600_000, 0, 1_000_000)},
    ),
    "D15": (
        [buy(Y, SHARE, 400_000), sell(Y, SHARE, 500_000), buy(Y, SHARE, 900_000)],
        {Y: (1_000_000, 900_000, 100_000, 2_000_000)},
    ),
    "D16": (
        [buy(Y, 10 * SHARE, 5 * SHARE), lambda one: one.sell(Y, 333_333, 7)],
        {Y: (9_999_993, 500_000, -1, 10_000_000)},
    ),
    "all NO": (
        [buy(no(0), SHARE, 300_000), buy(no(1), SHARE, 900_000), convert(2, 0b11, SHARE)],
        {no(0): (0, 300_000, 0, 1_000_000), no(1): (0, 900_000, 0, 1_000_000)},
    ),
    "before resolution": ([buy(Y, SHARE, 400_000), redeem([])], {Y: (1_000_000, 400_000, 0, 1_000_000)}),
    "nothing bought": ([buy(Y, 0, 5)], {}),
    "nothing sold": ([lambda one: one.sell(Y, 500_000, 0)], {Y: NOTHING}),
    "one of six": (
        [buy(no(0), SHARE, 730_000), convert(6, 0b1, SHARE)],
        {no(0): (0, 730_000, 0, SHARE)} | {yes(question): (SHARE, 146_000, 0, SHARE) for question in range(1, 6)},
    ),
    "a self-trade, 2022-11-21": (
        [buy(Y, 100 * SHARE, 50 * SHARE), sell(Y, 100 * SHARE, 50 * SHARE)],
        {Y: (0, 500_000, 0, 100_000_000)},
    ),
}


@pytest.mark.parametrize("name", VECTORS)
def test_the_ledger_keeps_to_the_vectors(name: str) -> None:
    """D1 to D16 of the project's vectors; the same numbers are unit tests of int_positions and int_conversion_costs."""
    steps, expected = VECTORS[name]
    ledger = Subgraph()
    for step in steps:
        step(ledger)
    assert {key: position.state() for key, position in ledger.positions.items()} == expected


def test_average_cost_by_hand() -> None:
    """Ten for 4.00 and ten for 6.00; five leave for 4.00 less a fee of 0.50, and 20 more than are left for 35.00."""
    ledger = AverageCost()
    ledger.fill(Y, True, 10 * SHARE, 4 * SHARE, 0)
    ledger.fill(Y, True, 11 * SHARE, 6 * SHARE, SHARE)
    assert ledger.positions[Y] == Holding(shares=20 * SHARE, cost=Fraction(10 * SHARE))
    ledger.fill(Y, False, 5 * SHARE, 4 * SHARE, 500_000)
    assert ledger.positions[Y].realized == 1_000_000
    ledger.fill(Y, False, 35 * SHARE, 35 * SHARE, 0)
    held = ledger.positions[Y]
    assert (held.shares, held.unmatched) == (0, 20 * SHARE)
    assert (held.cost, held.realized) == (Fraction(0), Fraction(8_500_000))


@pytest.mark.skipif(not RECORDINGS.is_dir(), reason="the real recordings are not part of the project, and not here")
def test_the_recorded_market_has_the_average_price_that_polymarket_shows() -> None:
    entities = json.loads((RECORDINGS / "recording_v1.json").read_text())
    expected = json.loads((RECORDINGS / "expected_inflation_market.json").read_text())
    figures = expected["expected"]
    ledger = Subgraph()
    tell(entities, documented_order(entities), ledger)
    key = (expected["wallet"], *facts_of(entities).outcomes[expected["token_id"]])
    net = int(Fraction(figures["net_shares"]) * BASE_UNITS)
    assert ledger.held(key).state() == (net, figures["subgraph_avg_price"], 0, net)
    ledger.sell(key, 0, net)
    # The recorded figure is 985.64707577 rounded; the subgraph rounds toward zero.
    assert ledger.held(key).realized_pnl == figures["subgraph_realized_if_redeemed_base_units"] + 1
