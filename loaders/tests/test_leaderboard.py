"""Days, windows and ratios against the same definitions in fractions, one calendar day after the other.

What a position realized on a day, what it still cost and what a condition settled at are taken from the models; other
tests check those. What is made of them is told anew here.
"""

import csv
import math
from collections import defaultdict
from collections.abc import Iterator
from datetime import date, timedelta
from fractions import Fraction

import pytest

from loaders.standin.goldsky import Goldsky
from loaders.standin.world import simulate
from loaders.tests.conftest import PROJECT, Desk

WINDOWS = {"30d": 30, "7d": 7, "1d": 1}

Days = dict[date, Fraction]
Key = tuple[str, str]  # wallet and condition


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    world = simulate(12, steps=2000)
    with Goldsky(world.entities, head=world.until) as endpoint:
        desk = Desk(tmp_path_factory.mktemp("days") / "warehouse", endpoint.base_url)
        desk.load_everything()
    desk.dbt("build", "--exclude-resource-type", "test", "unit_test")
    yield desk


class Books:
    """Realized, settled and booked P&L of every wallet by day, and the days on which conditions settled."""

    def __init__(self, desk: Desk) -> None:
        self.realized: dict[str, Days] = defaultdict(lambda: defaultdict(Fraction))
        self.settled: dict[str, Days] = defaultdict(lambda: defaultdict(Fraction))
        self.booked: dict[str, Days] = defaultdict(lambda: defaultdict(Fraction))
        self.outcomes: dict[str, list[tuple[date, Fraction]]] = defaultdict(list)  # of traded conditions
        self.carried = self.incomplete = 0

        by_condition: dict[Key, Days] = defaultdict(lambda: defaultdict(Fraction))
        for wallet, condition, day, pnl in desk.rows(
            "select concat('0x', lower(hex(wallet))), concat('0x', lower(hex(condition_id))), booked.day, "
            "toString(booked.pnl_usdc) from polyledger.int_position_values array join realized_by_day as booked"
        ):
            by_condition[wallet, condition][day] += Fraction(pnl)
            self.realized[wallet][day] += Fraction(pnl)

        resolved_on = dict(
            desk.rows("select condition_id, toDate(resolved_at) from polyledger.vw_resolutions_truth where is_resolved")
        )
        events = dict(
            desk.rows(
                "select concat('0x', lower(hex(condition_id))), hex(neg_risk_event_id) "
                "from polyledger.int_neg_risk_questions"
            )
        )
        costs: dict[Key, tuple[Fraction, Fraction]] = {}
        with_unmatched: set[tuple[str, str]] = set()  # wallet and neg-risk event
        for wallet, condition, cost, missing in desk.rows(
            "select concat('0x', lower(hex(wallet))), concat('0x', lower(hex(condition_id))), toString(cost_usdc), "
            "toString(unmatched_shares) from polyledger.int_wallet_conditions"
        ):
            costs[wallet, condition] = Fraction(cost), Fraction(missing)
            if Fraction(missing) and condition in events:
                with_unmatched.add((wallet, events[condition]))

        for wallet, condition, settlement, pnl, fills, first_day in desk.rows(
            "select wallet, condition_id, toString(settlement_usdc), toString(settled_pnl_usdc), fill_count, "
            "toDate(first_at) from polyledger.fct_realized_pnl_by_market"
        ):
            realized = by_condition[wallet, condition]
            if condition not in resolved_on:
                for day, amount in realized.items():
                    self.booked[wallet][day] += amount
                continue
            day_of_settlement = max(resolved_on[condition], first_day)
            early = {day: amount for day, amount in realized.items() if day < day_of_settlement}
            for day, amount in early.items():
                self.booked[wallet][day] += amount
            # As if all that is held were redeemed on the day; where shares came from nowhere, whatever is left of it.
            cost, missing = costs[wallet, condition]
            redeemed = Fraction(settlement) - cost + sum(realized.values()) - sum(early.values())
            left = Fraction(pnl) - sum(early.values())
            is_complete = not missing and (wallet, events.get(condition)) not in with_unmatched
            self.booked[wallet][day_of_settlement] += redeemed if is_complete else left
            self.settled[wallet][day_of_settlement] += Fraction(pnl)
            self.carried += is_complete and redeemed != left
            self.incomplete += not is_complete
            if fills:
                self.outcomes[wallet].append((day_of_settlement, Fraction(pnl)))


@pytest.fixture(scope="module")
def books(loaded: Desk) -> Books:
    return Books(loaded)


def test_the_world_has_conversions_that_carry_costs(books: Books) -> None:
    assert books.carried > 20 and books.incomplete > 5


def test_days_equal_the_books(loaded: Desk, books: Books) -> None:
    found = loaded.rows(
        "select wallet, day, toString(realized_pnl_usdc), toString(settled_pnl_usdc), toString(booked_pnl_usdc), "
        "toString(cumulative_realized_pnl_usdc), toString(cumulative_settled_pnl_usdc), "
        "toString(cumulative_booked_pnl_usdc) from polyledger.fct_wallet_pnl_daily order by wallet, day"
    )
    kinds = (books.realized, books.settled, books.booked)
    wallets = sorted({wallet for kind in kinds for wallet in kind})
    expected = []
    for wallet in wallets:
        so_far = [Fraction(0)] * 3
        for day in sorted({day for kind in kinds for day in kind[wallet]}):
            of_day = [kind[wallet].get(day, Fraction(0)) for kind in kinds]
            so_far = [before + now for before, now in zip(so_far, of_day, strict=True)]
            expected.append((wallet, day, *of_day, *so_far))
    assert [(*row[:2], *map(Fraction, row[2:])) for row in found] == expected
    assert len(expected) > 1000


class Window:
    """What a wallet did on the days of a window, and the ratios of it."""

    def __init__(self, days: list[Fraction], outcomes: list[Fraction]) -> None:
        self.pnl = sum(days, Fraction(0))
        gains, losses = sum(d for d in days if d > 0), -sum(d for d in days if d < 0)
        self.omega = float(gains / losses) if losses else None
        self.win_rate = sum(pnl > 0 for pnl in outcomes) / len(outcomes) if outcomes else None
        self.sharpe = None
        if len(days) > 1 and len(set(days)) > 1:
            mean = self.pnl / len(days)
            variance = sum((day - mean) ** 2 for day in days) / (len(days) - 1)
            self.sharpe = float(mean) / math.sqrt(variance) * math.sqrt(365)
        cumulative = peak = self.drawdown = Fraction(0)
        for day in days:
            cumulative += day
            peak = max(peak, cumulative)
            self.drawdown = max(self.drawdown, peak - cumulative)


def test_the_leaderboard_equals_the_books(loaded: Desk, books: Books) -> None:
    fills = loaded.rows(
        "select wallet, toDate(filled_at), condition_id, side, toString(usdc) from polyledger.fct_fills"
    )
    splits = loaded.rows(
        "select wallet, toDate(happened_at), toString(-delta_usdc) from polyledger.fct_position_events "
        "where event_type = 'split'"
    )
    first_days = dict(loaded.rows("select wallet, toDate(first_at) from polyledger.fct_wallet_pnl"))
    with (PROJECT / "seeds" / "system_addresses.csv").open() as file:
        contracts = {row["address"] for row in csv.DictReader(file)}
    last_day = max(day for _, day, *_ in fills)

    found = loaded.rows(
        "select window, wallet, rank, toString(pnl_usdc), toString(volume_usdc), fill_count, markets_traded, roi, "
        "win_rate, omega_ratio, sharpe_ratio, toString(max_drawdown_usdc) from polyledger.leaderboard"
    )
    rows = {(window, wallet): values for window, wallet, *values in found}
    assert len(rows) == len(found)
    seen = set()
    for window in ("all", *WINDOWS):
        ranked: dict[str, Fraction] = {}
        for wallet in first_days.keys() - contracts:
            series = books.settled[wallet] if window == "all" else books.booked[wallet]
            first = first_days[wallet] if window == "all" else last_day - timedelta(days=WINDOWS[window] - 1)
            last = max([last_day, *(day for day, pnl in series.items() if pnl)]) if window == "all" else last_day
            days = [first + timedelta(days=n) for n in range((last - first).days + 1)]
            mine = [row for row in fills if row[0] == wallet and first <= row[1] <= last]
            booked = {day for kind in (books.realized, books.settled, books.booked) for day in kind[wallet]}
            if window != "all" and not mine and not booked & set(days):
                assert (window, wallet) not in rows
                continue
            expected = Window(
                [series.get(day, Fraction(0)) for day in days],
                [pnl for day, pnl in books.outcomes[wallet] if first <= day <= last],
            )
            paid_in = sum(Fraction(usdc) for *_, side, usdc in mine if side == "buy") + sum(
                Fraction(usdc) for owner, day, usdc in splits if owner == wallet and first <= day <= last
            )
            _, pnl, volume, fill_count, markets, roi, win_rate, omega, sharpe, drawdown = rows[window, wallet]
            where = (window, wallet)
            assert Fraction(pnl) == expected.pnl, where
            assert Fraction(volume) == sum(Fraction(row[-1]) for row in mine), where
            assert fill_count == len(mine), where
            assert markets == len({row[2] for row in mine}), where
            assert Fraction(drawdown) == expected.drawdown, where
            assert roi == close(float(expected.pnl / paid_in) if paid_in else None), where
            assert win_rate == close(expected.win_rate), where
            assert omega == close(expected.omega), where
            assert sharpe == close(expected.sharpe), where
            ranked[wallet] = expected.pnl
            seen.add(where)
        for wallet, pnl in ranked.items():
            assert rows[window, wallet][0] == 1 + sum(other > pnl for other in ranked.values()), (window, wallet)
        assert len(ranked) > (20 if window == "1d" else 50), window
    assert seen == rows.keys()


def close(value: float | None) -> object:
    return None if value is None else pytest.approx(value, rel=1e-12)
