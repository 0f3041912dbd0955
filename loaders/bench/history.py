"""Fills a warehouse with a made history of Polymarket, in SQL and without a network: history.sql says how.

The same rows at every call. `rows` is the number of fills; conditions, wallets and activity are in proportion.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import resources
from typing import Any

import jinja2

from loaders.warehouse import Warehouse

# The prototype's full history.
SEED_FILLS, SEED_CONDITIONS, SEED_WALLETS = 37_267_385, 118_655, 733_654
FILLS_OF_A_LOT = 6.27  # on average, as history.sql makes them
LOTS_AT_ONCE = 200_000  # bounds the memory; some 1.2 million fills
UNTIL = int(datetime(2026, 4, 1, tzinfo=UTC).timestamp())  # end of the history; the days after it are added
DAY = 86_400
RUN_ID = "bench-1"


@dataclass(frozen=True)
class Made:
    """A made history: where it is and how large."""

    warehouse: Warehouse
    sql: Any  # the macros of history.sql
    scratch: str  # database of what the rows are made from
    conditions: int
    wallets: int
    lots: int

    def run(self, statements: str) -> None:
        for statement in statements.split(";\n"):
            self.warehouse.command(statement)


def make(warehouse: Warehouse, rows: int, say: Callable[[float], None] = lambda part: None) -> Made:
    """Fill empty raw tables with `rows` fills (a little more or less) and what belongs to them.

    `say` is told the part that is done, 0 to 1. Raises WarehouseError.
    """
    scale = rows / SEED_FILLS
    made = Made(
        warehouse,
        _macros(),
        f"{warehouse.raw}_made",
        conditions=max(30, round(SEED_CONDITIONS * scale)),
        wallets=max(10, round(SEED_WALLETS * scale)),
        lots=max(30, round(rows / FILLS_OF_A_LOT)),
    )
    warehouse.create_tables()
    made.run(f"drop database if exists {made.scratch};\ncreate database {made.scratch}")
    made.run(made.sql.bench_conditions(made.scratch, made.conditions, made.lots, UNTIL))
    made.run(made.sql.bench_create_lots(made.scratch))
    made.run(made.sql.bench_history_lots(made.scratch))
    made.run(made.sql.bench_markets(warehouse.raw, made.scratch, UNTIL))
    ranges = list(_ranges(made))
    for done, (least, most) in enumerate(ranges):
        say(done / len(ranges))
        _land(made, "history", least, most, UNTIL)
    made.run(made.sql.bench_fee_refunds(warehouse.raw, UNTIL))
    for table in ("order_filled_events", "splits", "merges", "redemptions", "neg_risk_conversions", "fee_refunds"):
        made.run(made.sql.bench_land_again(warehouse.raw, table))
    made.run(made.sql.bench_windows(warehouse.raw, UNTIL))
    say(1.0)
    return made


def add_day(made: Made, number: int, fills: int, old: bool = False) -> None:
    """Land `fills` fills of the number-th day after the history (1 is the first), one in a hundred of them late.

    With `old`, all are of wallets and conditions that have most behind them, and none is late.
    """
    chapter, day = f"day {number}", UNTIL + (number - 1) * DAY
    lots = max(2, round(fills / FILLS_OF_A_LOT))
    late = 0 if old else max(1, lots // 100)
    made.run(made.sql.bench_day_lots(made.scratch, chapter, day, lots - late, False, old))
    made.run(made.sql.bench_day_lots(made.scratch, chapter, day, late, True, False))
    _land(made, chapter, 0, made.conditions + 1, day + DAY)
    made.run(made.sql.bench_fee_refunds(made.warehouse.raw, day + DAY))
    made.run(made.sql.bench_windows(made.warehouse.raw, day + DAY))


def resolve(made: Made, conditions: int, day: int) -> None:
    """Land payouts of the conditions that have been open for longest, on the day-th day after the history."""
    made.run(made.sql.bench_resolutions(made.warehouse.raw, made.scratch, conditions, UNTIL + day * DAY))


def _land(made: Made, chapter: str, least: int, most: int, landed: int) -> None:
    raw = made.warehouse.raw
    given = (raw, made.scratch, made.wallets, chapter, least, most, landed)
    for converting in (False, True):
        made.run(made.sql.bench_fills(*given, converting))
    made.run(made.sql.bench_splits(*given))
    made.run(made.sql.bench_merges(*given))
    made.run(made.sql.bench_neg_risk_conversions(*given))
    if chapter == "history":
        made.run(made.sql.bench_redemptions(*given, UNTIL))


def _ranges(made: Made) -> Iterator[tuple[int, int]]:
    """Numbers of conditions, from and up to, that have some LOTS_AT_ONCE lots together."""
    rows = made.warehouse.rows(
        f"""
        select min(n), max(n) + 1
        from (select n, intDiv(sum(lots) over (order by n), {LOTS_AT_ONCE}) as part from {made.scratch}.conditions)
        group by part
        order by part
        """
    )
    yield from ((int(least), int(most)) for least, most in rows)


def _macros() -> Any:
    """The macros of history.sql, and those of schema.sql that it uses."""
    folder = resources.files("loaders")
    parts = [folder.joinpath("schema.sql"), folder.joinpath("bench", "history.sql")]
    return jinja2.Environment().from_string("".join(part.read_text() for part in parts)).module
