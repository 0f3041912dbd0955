"""Fills a warehouse with a made history of Polymarket, in SQL and without a network: history.sql says how.

The same rows at every call. `rows` is the number of fills; conditions, wallets and activity are in proportion.
"""

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import resources
from pathlib import Path
from typing import Any

import jinja2

from loaders.warehouse import Warehouse

# The prototype's full history.
SEED_FILLS, SEED_CONDITIONS, SEED_WALLETS = 37_267_385, 118_655, 733_654
FILLS_OF_A_LOT = 6.19  # on average, as history.sql makes them
WALLETS_DRAWN = 0.979  # of those that may be drawn, that are
LOTS_AT_ONCE = 200_000  # bounds the memory; some 1.2 million fills
UNTIL = int(datetime(2026, 4, 1, tzinfo=UTC).timestamp())  # end of the history; the days after it are added
DAY = 86_400
DAYS = 26  # that may be added: the public subgraphs are complete for so long
EVENTS = ("order_filled_events", "splits", "merges", "redemptions", "neg_risk_conversions", "fee_refunds")


@dataclass(frozen=True)
class Made:
    """A made history: where the rows that it is made from are, and how large it is."""

    scratch: str  # database
    conditions: int
    wallets: int
    lots: int


def sized(rows: int, raw: str) -> Made:
    """The history of `rows` fills (a little more or less) that belongs into the raw database."""
    scale = rows / SEED_FILLS
    return Made(
        f"{raw}_made",
        conditions=max(30, round(SEED_CONDITIONS * scale)),
        wallets=max(10, round(SEED_WALLETS * scale / WALLETS_DRAWN)),
        lots=max(30, round(rows / FILLS_OF_A_LOT)),
    )


def make(warehouse: Warehouse, made: Made, say: Callable[[float], None] = lambda part: None) -> None:
    """Fill the raw tables anew. Each event table is merged, but for the copies of what is landed again.

    `say` is told the part that is done, 0 to 1. Raises WarehouseError.
    """
    sql, raw = _macros(), warehouse.raw
    _run(warehouse, f"drop database if exists {raw} sync;\ndrop database if exists {made.scratch} sync")
    warehouse.create_tables()
    _run(warehouse, f"create database {made.scratch}")
    _run(warehouse, sql.bench_conditions(made.scratch, made.conditions, made.lots, UNTIL))
    _run(warehouse, sql.bench_create_lots(made.scratch))
    _run(warehouse, sql.bench_history_lots(made.scratch))
    _run(warehouse, sql.bench_markets(raw, made.scratch, UNTIL))
    ranges = list(_ranges(warehouse, made))
    for done, (least, most) in enumerate(ranges):
        say(done / len(ranges))
        _land(warehouse, made, "history", least, most, UNTIL)
    _run(warehouse, sql.bench_fee_refunds(raw, UNTIL))
    for table in EVENTS:
        _run(warehouse, sql.bench_settle(raw, table))
        _run(warehouse, sql.bench_land_again(raw, table))
    _run(warehouse, sql.bench_windows(raw, UNTIL))
    say(1.0)


def clone(warehouse: Warehouse, made: Made, raw: str) -> None:
    """Make the database `raw` one with the tables of the warehouse's, at no cost: their parts are linked.

    Forgets the days that were added.
    """
    _run(warehouse, f"drop database if exists {raw} sync;\ncreate database {raw}")
    for table in sorted(warehouse.tables()):
        _run(warehouse, f"create table {raw}.{table} clone as {warehouse.raw}.{table}")
    for (chapter,) in warehouse.rows(f"select distinct chapter from {made.scratch}.lots where chapter != 'history'"):
        _run(warehouse, f"alter table {made.scratch}.lots drop partition '{chapter}'")


def add_day(warehouse: Warehouse, made: Made, number: int, fills: int, old: bool = False) -> None:
    """Land `fills` fills of the number-th day after the history (1 is the first), one in a hundred of them late.

    With `old`, all are of wallets and conditions that have most behind them, and none is late.
    """
    sql, raw = _macros(), warehouse.raw
    chapter, day = f"day-{number}", UNTIL + (number - 1) * DAY
    lots = max(2, round(fills / FILLS_OF_A_LOT))
    late = 0 if old else max(1, lots // 100)
    _run(warehouse, sql.bench_day_lots(raw, made.scratch, chapter, day, lots - late, False, old))
    _run(warehouse, sql.bench_day_lots(raw, made.scratch, chapter, day, late, True, False))
    _land(warehouse, made, chapter, 0, made.conditions + 1, day + DAY)
    _run(warehouse, sql.bench_fee_refunds(raw, day + DAY))
    _run(warehouse, sql.bench_windows(raw, day + DAY))


def resolve(warehouse: Warehouse, made: Made, number: int, conditions: int) -> None:
    """Land payouts of the conditions that have been open for longest, on the number-th day after the history."""
    _run(warehouse, _macros().bench_resolutions(warehouse.raw, made.scratch, conditions, UNTIL + number * DAY))


def recipe() -> str:
    """Changes with what a history is made by."""
    return hashlib.sha256("".join([*_sources(), Path(__file__).read_text()]).encode()).hexdigest()[:16]


def _land(warehouse: Warehouse, made: Made, chapter: str, least: int, most: int, landed: int) -> None:
    sql = _macros()
    given = (warehouse.raw, made.scratch, made.wallets, chapter, least, most, landed)
    for converting in (False, True):
        _run(warehouse, sql.bench_fills(*given, converting))
    _run(warehouse, sql.bench_splits(*given))
    _run(warehouse, sql.bench_merges(*given))
    _run(warehouse, sql.bench_neg_risk_conversions(*given))
    if chapter == "history":
        _run(warehouse, sql.bench_redemptions(*given, UNTIL))


def _ranges(warehouse: Warehouse, made: Made) -> Iterator[tuple[int, int]]:
    """Numbers of conditions, from and up to, that have some LOTS_AT_ONCE lots together."""
    rows = warehouse.rows(
        f"""
        select min(n), max(n) + 1
        from (select n, intDiv(sum(lots) over (order by n), {LOTS_AT_ONCE}) as part from {made.scratch}.conditions)
        group by part
        order by part
        """
    )
    yield from ((int(least), int(most)) for least, most in rows)


def _run(warehouse: Warehouse, statements: str) -> None:
    for statement in statements.split(";\n"):
        warehouse.command(statement)


def _macros() -> Any:
    """The macros of history.sql, and those of schema.sql that it uses."""
    return jinja2.Environment().from_string("".join(_sources())).module


def _sources() -> list[str]:
    folder = resources.files("loaders")
    return [part.read_text() for part in (folder.joinpath("schema.sql"), folder.joinpath("bench", "history.sql"))]
