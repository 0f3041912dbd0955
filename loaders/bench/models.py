"""The figures of the models, on a made history: builds of all, of what is new, and what people ask for."""

import contextlib
import json
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

from loaders.bench import history, race
from loaders.bench.builds import Build, dbt_build
from loaders.bench.loads import BenchError
from loaders.bench.report import Asked, Figure, Measurement
from loaders.target import read_target
from loaders.warehouse import Warehouse, opened

REPEATS = 20
QUICK_FILLS = 30_000
GROWTH = 3.7267385  # 10 M fills to all of them

# What people ask, of the wallet and the market with most in them: the worst case.
QUERIES = {
    "leaderboard": (
        "a page of the leaderboard",
        "select * from {marts}.leaderboard where window = 'all' order by rank, wallet limit 50 offset 1000",
    ),
    "wallet": (
        "P&L of the wallet with most fills",
        "select * from {marts}.fct_wallet_pnl where wallet = {{wallet:String}}",
    ),
    "wallet_days": (
        "its daily series",
        "select * from {marts}.fct_wallet_pnl_daily where wallet = {{wallet:String}} order by day",
    ),
    "holders": (
        "holders of the market that has most of them",
        "select * from {marts}.fct_holders where condition_id = {{condition:String}} order by shares desc limit 100",
    ),
}


class Desk:
    """A made history in a folder, and the models that are built of it.

    The history as it was made stays in a database of its own; what is added goes into a clone. All of it is taken up
    again where the folder is kept.
    """

    def __init__(self, folder: Path, rows: int, select: tuple[str, ...], say: Callable[[str], None]) -> None:
        self.folder, self.rows, self.select, self.say = folder, rows, select, say
        place = folder / f"fills-{rows}"
        self.data = place / "warehouse"
        embedded = replace(read_target("embedded"), host=f"chdb:{self.data}", schema="polyledger")
        self.target = replace(embedded, raw_schema="polyledger_raw")
        self.unchanged = replace(embedded, raw_schema="polyledger_history")
        self.made = history.sized(rows, self.unchanged.raw_schema)
        self.full: Build | None = None  # of this run
        self._notes = place / "made.json"
        noted = json.loads(self._notes.read_text()) if self._notes.exists() else {}
        if noted.get("recipe") != history.recipe():
            noted = {"recipe": history.recipe(), "fills": None, "days": 0}
        self._noted = noted

    @property
    def fills(self) -> int:
        """Unique ones in the history."""
        return int(self._noted["fills"])

    def make(self) -> Iterator[Figure]:
        """Have the history; nothing is done where it is there from before."""
        if self._noted["fills"]:
            return
        self.say(f"making a history of {self.rows:,} fills")
        began = time.monotonic()
        with opened(self.unchanged) as warehouse:
            history.make(warehouse, self.made)
            fills = warehouse.rows(f"select count() from {warehouse.raw}.order_filled_events final")[0][0]
            seconds = time.monotonic() - began
            history.clone(warehouse, self.made, self.target.raw_schema)
            warehouse.command(f"drop database if exists {self.target.schema} sync")
        self._note(fills=fills, days=0)
        yield Figure("made", f"{fills:,} fills made and landed, one in twenty twice", seconds, "s")

    def reset(self) -> None:
        """The history as it was made, and no models."""
        with opened(self.unchanged) as warehouse:
            history.clone(warehouse, self.made, self.target.raw_schema)
            warehouse.command(f"drop database if exists {self.target.schema} sync")
        self._note(days=0)

    def next_day(self, land: Callable[[Warehouse, history.Made, int], None]) -> None:
        """Land something on the day after all that is there. Raises BenchError."""
        number = self._noted["days"] + 1
        if number > history.DAYS:
            raise BenchError(f"{history.DAYS} days were added to {self.folder}: measure full, which takes them away")
        self._note(days=number)
        with opened(self.target) as warehouse:
            land(warehouse, self.made, number)

    def build(self, in_full: bool = False) -> Build:
        return dbt_build(self.target, self.data, self.select, in_full)

    def is_built(self) -> bool:
        with opened(self.target) as warehouse:
            query = "select count() from system.tables where database = {schema:String}"
            return bool(warehouse.rows(query, {"schema": self.target.schema})[0][0])

    def built(self) -> Iterator[Figure]:
        """Have the models, of all that is landed."""
        yield from self.make()
        if not self.is_built():
            self.say("building all models")
            dbt_build(self.target, self.data)

    def goal(self, value: float) -> float | None:
        """What is wanted at full size says nothing of a smaller one."""
        return value if self.rows >= history.SEED_FILLS else None

    def _note(self, **news: int) -> None:
        self._noted |= news
        self._notes.parent.mkdir(parents=True, exist_ok=True)
        self._notes.write_text(json.dumps(self._noted) + "\n")


@contextlib.contextmanager
def desk(asked: Asked) -> Iterator[Desk]:
    """In the folder that is asked for, or in one that is gone afterwards."""
    rows = asked.rows or (QUICK_FILLS if asked.quick else history.SEED_FILLS)
    with contextlib.ExitStack() as stack:
        folder = asked.keep or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="polyledger-bench-")))
        yield Desk(folder, rows, asked.select, asked.say)


def full(at: Desk) -> Iterator[Figure]:
    """All models from nothing; of those selected, on top of what is there."""
    yield from at.make()
    if not (at.select and at.is_built()):
        at.reset()
    at.full = build = at.build(in_full=True)
    if at.select:
        yield Figure("selected", f"dbt build of {' '.join(at.select)}: time of the models", build.model_seconds, "s")
    else:
        note = f"{build.model_seconds:.1f} s in models; {_cpu(build)}"
        yield Figure("full", "dbt build of all models, the whole process", build.seconds, "s", None, at.goal(120), note)
        yield Figure("full_memory", "peak memory of it", build.peak_mb, "MB", at_most=at.goal(4096))
        yield disk(at)
    yield from _models("full", build, at.fills)


def disk(at: Desk) -> Figure:
    """Bytes on disk a fill, of all tables, by layer and by table."""
    with opened(at.target) as warehouse:
        sizes = warehouse.rows(
            """
            select multiIf(database = {raw:String}, 'raw', startsWith(table, 'int_'), 'intermediate', 'marts') as layer,
                table, toUInt64(sum(bytes_on_disk)) as size
            from system.parts
            where active and database in ({raw:String}, {models:String})
            group by layer, table
            order by layer desc, size desc
            """,
            {"raw": at.target.raw_schema, "models": at.target.schema},
        )
    total = sum(size for _, _, size in sizes) / at.fills
    notes = []
    for layer in dict.fromkeys(layer for layer, _, _ in sizes):
        tables = {table: size / at.fills for one, table, size in sizes if one == layer}
        large = ", ".join(f"{table} {size:.1f}" for table, size in tables.items() if size > total / 100)
        notes.append(f"{layer} {sum(tables.values()):.1f}: {large}")
    what = "bytes on disk a fill, everything together"
    return Figure("disk", what, total, "B", at_most=200, note="; ".join(notes))


def queries(at: Desk) -> Iterator[Figure]:
    """What people ask, each the median of some tries, in one process that stays."""
    yield from at.built()
    with opened(at.target) as warehouse:
        marts = at.target.schema
        wallet = warehouse.rows(f"select wallet from {marts}.fct_wallet_pnl order by fill_count desc limit 1")
        condition = warehouse.rows(
            f"select condition_id from {marts}.fct_holders group by condition_id order by count() desc limit 1"
        )
        values = {"wallet": wallet[0][0], "condition": condition[0][0]}
        for name, (what, text) in QUERIES.items():
            seconds, rows = [], 0
            query = text.format(marts=marts)
            bound = {key: value for key, value in values.items() if f"{{{key}:" in query}
            for _ in range(REPEATS):
                began = time.perf_counter()
                rows = len(warehouse.rows(query, bound))
                seconds.append(time.perf_counter() - began)
            note = f"median of {REPEATS}, the first {1000 * seconds[0]:.0f} ms, {rows:,} rows"
            median = 1000 * statistics.median(seconds)
            yield Figure(f"query.{name}", what, median, "ms", at_most=at.goal(100), note=note)


def nothing_new(at: Desk) -> Iterator[Figure]:
    """What dbt costs by itself."""
    yield from at.built()
    build = at.build()
    note = f"{build.model_seconds:.1f} s in models; {_cpu(build)}"
    yield Figure("nothing_new", "dbt build, nothing new: the whole process", build.seconds, "s", at_most=25, note=note)
    yield from _models("nothing_new", build, at.fills)


def day(at: Desk) -> Iterator[Figure]:
    """A day like others."""
    yield from at.built()
    fills = _share(at, 100_000, at_least=1_000)
    at.next_day(partial(history.add_day, fills=fills))
    yield from _news(at, "day", f"a new day of {fills:,} fills, one in a hundred late", at.goal(10))


def old(at: Desk) -> Iterator[Figure]:
    """A day on which those trade who have most behind them."""
    yield from at.built()
    fills = _share(at, 100_000, at_least=1_000)
    at.next_day(partial(history.add_day, fills=fills, old=True))
    yield from _news(at, "old", f"a new day of {fills:,} fills of the longest positions", None)


def resolutions(at: Desk) -> Iterator[Figure]:
    """Payouts of what was traded long ago."""
    yield from at.built()
    conditions = _share(at, 500, at_least=2)
    at.next_day(partial(history.resolve, conditions=conditions))
    yield from _news(at, "resolutions", f"{conditions} old conditions resolve", at.goal(8))


def growth(at: Desk) -> Iterator[Figure]:
    """Time and memory of all models against those of a smaller history."""
    if at.full is None:
        yield from full(at)
    smaller = Desk(at.folder, round(at.rows / GROWTH), at.select, at.say)
    for _ in full(smaller):
        pass
    assert at.full and smaller.full
    what = f"{at.rows:,} fills against {smaller.rows:,}:"
    times = at.full.model_seconds, smaller.full.model_seconds
    note = f"{times[0]:.1f} and {times[1]:.1f} s"
    yield Figure("growth_time", f"{what} time of the models", times[0] / times[1], "", at_most=4.2, note=note)
    ratio, note = None, "this system does not tell it"
    if at.full.peak_mb and smaller.full.peak_mb:
        ratio, note = (
            at.full.peak_mb / smaller.full.peak_mb,
            f"{at.full.peak_mb:,.0f} and {smaller.full.peak_mb:,.0f} MB",
        )
    yield Figure("growth_memory", f"{what} peak memory", ratio, "", at_most=1.3, note=note)


def vs_duckdb(at: Desk) -> Iterator[Figure]:
    """The same questions asked of DuckDB, from the same rows and right after."""
    if not race.is_there():
        raise BenchError("DuckDB is not installed: `make bench` does it, or pip install -r requirements-bench.lock")
    if at.select:
        raise BenchError("all models are needed; leave --select away")
    if at.full is None:
        yield from full(at)
    assert at.full
    with tempfile.TemporaryDirectory(dir=at.data.parent) as folder:
        with opened(at.target) as warehouse:
            race.export(warehouse, Path(folder))
        said, peak_mb = race.run(Path(folder))
        with opened(at.target) as warehouse:
            differences = race.differences(warehouse, at.target.schema, said["sums"])
    steps: dict[str, float] = said["steps"]
    seconds, ours = sum(steps.values()), at.full.seconds_for(*race.SUMS)
    note = ", ".join(f"{name} {took:.1f}" for name, took in steps.items())
    yield Figure("duckdb", f"DuckDB {said['version']}: answers to the same questions", seconds, "s", note=note)
    yield Figure("duckdb_memory", "peak memory of it", peak_mb, "MB")
    what = f"time of {', '.join(race.SUMS)} and what they need, over DuckDB's"
    yield Figure("vs_duckdb_time", what, ours / seconds, "", at_most=at.goal(1 / 3), note=f"{ours:.1f} s")
    ratio = at.full.peak_mb / peak_mb if at.full.peak_mb and peak_mb else None
    yield Figure("vs_duckdb_memory", "peak memory of the full build over DuckDB's", ratio, "", at_most=at.goal(0.5))
    checked = sum(map(len, race.SUMS.values()))
    yield Figure(
        "vs_duckdb_differences",
        f"of {checked} sums over these marts, other in DuckDB",
        len(differences),
        "",
        at_most=0,
        note="; ".join(differences),
    )


def _news(at: Desk, name: str, what: str, at_most: float | None) -> Iterator[Figure]:
    build = at.build()
    note = f"the whole process {build.seconds:.1f} s; {_cpu(build)}"
    yield Figure(name, f"{what}: time of the models", build.model_seconds, "s", at_most=at_most, note=note)
    yield Figure(f"{name}_memory", "peak memory of it", build.peak_mb, "MB")
    yield from _models(name, build, at.fills)


def _models(name: str, build: Build, fills: int) -> Iterator[Figure]:
    for model in build.models:
        if model.rows is None:
            continue  # a view takes next to nothing
        details = {
            "cpu_seconds": model.cpu_seconds,
            "peak_mb": model.peak_mb,
            "rows": model.rows,
            "bytes_a_fill": model.bytes / fills,
        }
        yield Figure(f"{name}.{model.name}", "", model.seconds, "s", details=details)


def _share(at: Desk, of_all: int, at_least: int) -> int:
    """A tiny history has tiny days."""
    return max(at_least, round(of_all * min(1.0, at.rows / history.SEED_FILLS)))


def _cpu(build: Build) -> str:
    return f"{build.cpu_seconds:.1f} s of CPU" if build.cpu_seconds else "CPU unknown"


MEASUREMENTS = [
    Measurement("full", 300, full),
    Measurement("duckdb", 600, vs_duckdb, by_default=False),
    Measurement("queries", 10, queries),
    Measurement("nothing_new", 25, nothing_new),
    Measurement("day", 60, day),
    Measurement("old", 60, old),
    Measurement("resolutions", 60, resolutions),
    Measurement("growth", 100, growth),
]
