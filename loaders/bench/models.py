"""The figures of the models, on a made history: builds of all, of what is new, and what people ask for.

dbt runs as users run it, in a process of its own; its memory is read off the kernel, twenty times a second.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from loaders.bench import history
from loaders.bench.report import Figure
from loaders.target import Target, project_folder, read_target
from loaders.warehouse import Warehouse, opened

REPEATS = 20


class BuildError(Exception):
    """dbt failed; the message has its words."""


@dataclass(frozen=True)
class Model:
    """What the build of one model took."""

    name: str
    seconds: float
    cpu_seconds: float | None  # of all cores; what a busy machine does not spoil
    peak_mb: float | None  # of the whole process while the model was built
    rows: int | None  # in it afterwards; None for a view
    bytes: int  # on disk


@dataclass(frozen=True)
class Sample:
    """Of a process at a moment (unix seconds): resident memory, MB of 2^20 bytes, and CPU time until then."""

    at: float
    mb: float
    cpu_seconds: float


@dataclass(frozen=True)
class Build:
    """A run of dbt: of its process, and of each model."""

    seconds: float
    peak_mb: float | None
    models: list[Model]

    @property
    def model_seconds(self) -> float:
        return sum(model.seconds for model in self.models)


def measure(rows: int) -> Iterator[Figure]:
    """Every figure of one size, in a warehouse of its own that is gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="polyledger-bench-") as folder:
        data = Path(folder) / "warehouse"
        target = replace(read_target("embedded"), host=f"chdb:{data}", raw_schema="polyledger_raw", schema="polyledger")
        yield from _figures(target, data, rows)


def _figures(target: Target, data: Path, rows: int) -> Iterator[Figure]:
    began = time.monotonic()
    with opened(target) as warehouse:
        made = history.make(warehouse, rows)
        fills = warehouse.rows(f"select count() from (select 1 from {warehouse.raw}.order_filled_events final)")[0][0]
    yield Figure("made", f"{fills:,} fills made and landed, one in twenty twice", time.monotonic() - began, "s")

    full = dbt_build(target, data)
    yield Figure("full", "dbt build of all models, the whole process", full.seconds, "s", at_most=120)
    yield Figure("full_memory", "peak memory of it", full.peak_mb, "MB", at_most=4096)
    for model in full.models:
        if model.rows is not None:
            note = (
                f"{model.cpu_seconds or 0:.1f} s of CPU, {model.peak_mb or 0:,.0f} MB, {model.rows:,} rows, "
                f"{model.bytes / fills:.1f} bytes a fill"
            )
            yield Figure(f"full.{model.name}", "in that build", model.seconds, "s", note=note)
    yield from disk(target, fills)
    yield from queries(target)

    nothing = dbt_build(target, data)
    yield Figure("nothing_new", "dbt build, nothing new: the whole process", nothing.seconds, "s", at_most=25)
    share = min(1.0, rows / history.SEED_FILLS)  # a tiny history has tiny days
    day, conditions = max(1_000, round(100_000 * share)), max(2, round(500 * share))
    more: list[tuple[str, str, float | None, Callable[[history.Made], None]]] = [
        ("day", f"a day of {day:,} fills, one in a hundred late", 10, lambda m: history.add_day(m, 1, day)),
        (
            "old",
            f"a day of {day:,} fills of the longest positions",
            None,
            lambda m: history.add_day(m, 2, day, old=True),
        ),
        ("resolutions", f"{conditions} old conditions resolve", 8, lambda m: history.resolve(m, conditions, 3)),
    ]
    for name, what, most, land in more:
        with opened(target) as warehouse:
            land(replace(made, warehouse=warehouse))
        build = dbt_build(target, data)
        slowest = sorted(build.models, key=lambda model: -model.seconds)[:4]
        note = ", ".join(f"{model.name} {model.seconds:.1f} s" for model in slowest)
        yield Figure(name, f"{what}: time of the models", build.model_seconds, "s", at_most=most, note=note)
        yield Figure(f"{name}_memory", "peak memory of it", build.peak_mb, "MB")


def disk(target: Target, fills: int) -> Iterator[Figure]:
    """Bytes on disk a fill, of all tables and by database."""
    with opened(target) as warehouse:
        sizes = warehouse.rows(
            """
            select multiIf(database = {raw:String}, 'raw', startsWith(table, 'int_'), 'intermediate', 'marts') as layer,
                toUInt64(sum(bytes_on_disk))
            from system.parts
            where active and database in ({raw:String}, {models:String})
            group by layer
            order by layer desc
            """,
            {"raw": target.raw_schema, "models": target.schema},
        )
    note = ", ".join(f"{layer} {size / fills:.1f}" for layer, size in sizes)
    total = sum(size for _, size in sizes) / fills
    yield Figure("disk", "bytes on disk a fill, everything together", total, "B", at_most=200, note=note)


def queries(target: Target) -> Iterator[Figure]:
    """What people ask, each the median of some tries, in one process that stays."""
    with opened(target) as warehouse:
        marts = target.schema
        there = {
            row[0]
            for row in warehouse.rows(
                "select name from system.tables where database = {marts:String}", {"marts": marts}
            )
        }
        # The wallet and the market with most in them: the worst case.
        wallet, condition = "", ""
        if {"fct_wallet_pnl", "fct_positions"} <= there:
            wallet = warehouse.rows(f"select wallet from {marts}.fct_wallet_pnl order by fill_count desc limit 1")[0][0]
            condition = warehouse.rows(
                f"select condition_id from {marts}.fct_positions group by condition_id order by count() desc limit 1"
            )[0][0]
        for name, what, mart, text in (
            (
                "leaderboard",
                "a page of the leaderboard",
                "leaderboard",
                "where window = 'all' order by rank, wallet limit 50 offset 1000",
            ),
            ("wallet", "P&L of the wallet with most fills", "fct_wallet_pnl", "where wallet = {wallet:String}"),
            ("wallet_days", "its daily series", "fct_wallet_pnl_daily", "where wallet = {wallet:String} order by day"),
            (
                "holders",
                "holders of the market with most positions",
                "fct_positions",
                "where condition_id = {condition:String} and shares > 0 order by shares desc limit 100",
            ),
        ):
            if mart not in there:
                yield Figure(f"query.{name}", what, None, "ms", at_most=100, note=f"there is no {mart}")
                continue
            query = f"select * from {marts}.{mart} {text}"
            seconds = _median(warehouse, query, {"wallet": wallet, "condition": condition})
            yield Figure(f"query.{name}", what, 1000 * seconds, "ms", at_most=100, note=f"median of {REPEATS}")


def _median(warehouse: Warehouse, query: str, values: dict[str, str]) -> float:
    seconds = []
    for _ in range(REPEATS):
        began = time.perf_counter()
        warehouse.rows(query, {name: value for name, value in values.items() if f"{{{name}:" in query})
        seconds.append(time.perf_counter() - began)
    return statistics.median(seconds)


def dbt_build(target: Target, data: Path) -> Build:
    """`dbt build` without tests. Raises BuildError."""
    words = [sys.executable, "-m", "dbt.cli.main", "build"]
    # One query at a time reaches the embedded engine anyway; with one thread the time of a model is its own.
    words += ["--exclude-resource-type", "test", "--exclude-resource-type", "unit_test", "--threads", "1"]
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("POLYLEDGER_", "CLICKHOUSE_", "DBT_"))}
    environment |= {
        "POLYLEDGER_TARGET": target.name,
        "POLYLEDGER_DATA": str(data),
        "POLYLEDGER_SCHEMA": target.schema,
        "POLYLEDGER_RAW_SCHEMA": target.raw_schema,
        "DBT_PARTIAL_PARSE": "0",  # as in a fresh container
    }
    with tempfile.TemporaryDirectory() as results, tempfile.TemporaryFile("w+") as said:
        words += ["--target-path", results, "--log-path", results]
        began = time.monotonic()
        process = subprocess.Popen(
            words, env=environment, cwd=project_folder(), stdout=said, stderr=subprocess.STDOUT, text=True
        )
        samples = _sample(process)
        seconds = time.monotonic() - began
        if process.returncode:
            said.seek(0)
            raise BuildError(f"dbt build exited with {process.returncode}: {said.read().strip()[-1500:]}")
        found = json.loads((Path(results) / "run_results.json").read_text())["results"]
    with opened(target) as warehouse:
        tables = "select name, total_rows, total_bytes from system.tables where database = {database:String}"
        sizes = {row[0]: row[1:] for row in warehouse.rows(tables, {"database": target.schema})}
    models = [_model(result, samples, sizes) for result in found if result["unique_id"].startswith("model.")]
    return Build(seconds, max((sample.mb for sample in samples), default=None), models)


def _sample(process: subprocess.Popen[str]) -> list[Sample]:
    """What a process has and has used, until it ends. Empty where the system does not tell."""
    samples = []
    while process.poll() is None:
        try:
            pages = int(Path(f"/proc/{process.pid}/statm").read_text().split()[1])
            # The name, in brackets, may hold blanks; user and system time come eleven fields after it.
            ticks = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()[11:13]
            cpu = sum(map(int, ticks)) / os.sysconf("SC_CLK_TCK")
            samples.append(Sample(time.time(), pages * os.sysconf("SC_PAGE_SIZE") / 2**20, cpu))
        except (OSError, IndexError):
            pass
        time.sleep(0.05)
    return samples


def _model(result: dict[str, Any], samples: list[Sample], sizes: dict[str, tuple[Any, ...]]) -> Model:
    name = str(result["unique_id"]).split(".")[-1]
    moments = next((t for t in result["timing"] if t["name"] == "execute"), None)
    peak = cpu = None
    if moments:
        since, until = (datetime.fromisoformat(moments[k]).timestamp() for k in ("started_at", "completed_at"))
        during = [sample for sample in samples if since - 0.1 <= sample.at <= until + 0.1]
        if during:
            peak, cpu = max(sample.mb for sample in during), during[-1].cpu_seconds - during[0].cpu_seconds
    rows, size = sizes.get(name, (None, None))
    return Model(name, float(result["execution_time"]), cpu, peak, rows, size or 0)
