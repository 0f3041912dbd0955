"""One load, measured from outside: the real command in a process of its own, against the bulk stand-in.

What it did is read off the endpoint's log, the warehouse and the kernel, not off what the loader says of itself.
"""

import contextlib
import os
import resource
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from loaders.entities import ORDER_FILLS
from loaders.loading import Series, plan
from loaders.standin.bulk import Asked, BulkProcess
from loaders.target import Target, project_folder, read_target
from loaders.warehouse import Warehouse, WindowState, opened

DAY = 86_400
SINCE = 1_700_006_400  # 2023-11-15: where the rows of every measurement begin
SERVER_TOOL = "tools/clickhouse_server.py"


class BenchError(Exception):
    """A measurement that cannot count: the load failed, or rows are missing."""


@dataclass(frozen=True)
class Insert:
    """An insert of fills, as the warehouse has it: when (unix), and how many rows."""

    at: float
    rows: int


@dataclass(frozen=True)
class Load:
    """What a finished load did. Times are unix seconds."""

    log: list[Asked]
    started: float  # first request
    ended: float  # last acknowledged insert
    inserts: list[Insert]
    peak_mb: float | None  # None where the system does not tell
    cpu_seconds: float  # of the loader, start-up included

    @property
    def seconds(self) -> float:
        return self.ended - self.started

    @property
    def pages(self) -> list[Asked]:
        return [asked for asked in self.log if asked.end > asked.first]


class Desk:
    """Where a measurement loads to."""

    def __init__(self, target: Target, environment: dict[str, str]) -> None:
        self.target = target
        self.environment = environment

    @contextlib.contextmanager
    def loading(self, endpoint: BulkProcess, days: int, **settings: str) -> Iterator[subprocess.Popen[str]]:
        """The load of the first days from SINCE on, running; killed if the context is left early."""
        since, until = (f"{moment:%Y-%m-%d}" for moment in _span(days))
        words = [sys.executable, "-m", "loaders.cli", "load", "fills", "--since", since, "--until", until, "--json"]
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("GOLDSKY_", "POLYLEDGER_", "CLICKHOUSE_"))}
        environment = kept | {"GOLDSKY_BASE_URL": endpoint.base_url} | self.environment | settings
        # Its words go to a file: a pipe that nobody empties would stop it.
        with tempfile.TemporaryFile("w+") as said:
            process = subprocess.Popen(
                words, env=environment, cwd=project_folder(), stdout=said, stderr=subprocess.STDOUT, text=True
            )
            try:
                yield process
            finally:
                if process.poll() is None:
                    process.kill()
                process.wait()
            if process.returncode not in (0, -signal.SIGKILL):
                said.seek(0)
                raise BenchError(f"the load exited with {process.returncode}: {said.read().strip()[-500:]}")

    def load(self, endpoint: BulkProcess, days: int, rows: int, **settings: str) -> Load:
        """Load to the end. Raises BenchError where a row is missing or there twice."""
        peak, used = None, _cpu_seconds()
        with self.loading(endpoint, days, **settings) as process:
            while process.poll() is None:
                peak = peak_mb(process.pid) or peak
                time.sleep(0.05)
        used, log = _cpu_seconds() - used, endpoint.log()
        with opened(self.target) as warehouse:
            check(warehouse, rows)
            fills, windows = f"{warehouse.raw}.order_filled_events", f"{warehouse.raw}.load_windows"
            # A window is recorded after its rows are acknowledged, and the last one last of all.
            ended, now = warehouse.rows(f"select toFloat64(max(updated_at)), toFloat64(now64(6)) from {windows}")[0]
            ahead = now - time.time()  # of the warehouse's clock
            # One insert gives all of its rows one time.
            found = warehouse.rows(f"select toFloat64(_loaded_at) as at, count() from {fills} group by at order by at")
        inserts = [Insert(at - ahead, count) for at, count in found]
        return Load(log, min(asked.came for asked in log), ended - ahead, inserts, peak, used)

    def clear(self) -> None:
        """Forget what was loaded."""
        with opened(self.target) as warehouse:
            warehouse.command(f"drop database if exists {warehouse.raw} sync")

    def windows_to_load(self, days: int) -> list[WindowState]:
        """What is still open of the first days from SINCE on, as the next run takes it up."""
        since, until = _span(days)
        with opened(self.target) as warehouse:
            known = warehouse.windows(ORDER_FILLS.name) if warehouse.has_tables() else {}
        return plan(Series(ORDER_FILLS), since, until, known.get("", []))


def _span(days: int) -> tuple[datetime, datetime]:
    return datetime.fromtimestamp(SINCE, UTC), datetime.fromtimestamp(SINCE + days * DAY, UTC)


def check(warehouse: Warehouse, rows: int) -> None:
    """Raises BenchError unless the rows with the numbers below `rows` are there, and no others."""
    number = "reinterpretAsUInt64(reverse(substring(transaction_hash, 1, 8)))"
    query = f"select count(), sum({number}) from {warehouse.raw}.order_filled_events final"
    count, numbers = warehouse.rows(query)[0]
    if (count, numbers) != (rows, rows * (rows - 1) // 2):
        raise BenchError(f"{rows:,} rows were served, and {count:,} are landed, not all of them once")


@contextlib.contextmanager
def embedded() -> Iterator[Desk]:
    """An embedded warehouse in a new folder."""
    with tempfile.TemporaryDirectory(prefix="polyledger-bench-") as folder:
        path = Path(folder) / "warehouse"
        target = replace(read_target("embedded"), host=f"chdb:{path}", raw_schema="polyledger_raw")
        yield Desk(target, {"POLYLEDGER_TARGET": "embedded", "POLYLEDGER_DATA": str(path)})


@contextlib.contextmanager
def server() -> Iterator[Desk | None]:
    """A database of its own on the server that CLICKHOUSE_HOST names, else on one that is started, else None."""
    tool = Path(os.environ.get("POLYLEDGER_SHARED") or project_folder().parent / "shared") / SERVER_TOOL
    if os.environ.get("CLICKHOUSE_HOST"):
        named = {k: v for k, v in os.environ.items() if k.startswith("CLICKHOUSE_")}
        with _database(named) as desk:
            yield desk
    elif tool.exists():
        with _started(tool) as port:
            if port is None:
                yield None
                return
            with _database({"CLICKHOUSE_HOST": "127.0.0.1", "CLICKHOUSE_PORT": str(port)}) as desk:
                yield desk
    else:
        yield None


@contextlib.contextmanager
def _database(environment: dict[str, str]) -> Iterator[Desk]:
    raw = f"polyledger_bench_{os.getpid()}"
    with _environment(environment):
        target = replace(read_target("server"), raw_schema=raw)
    desk = Desk(target, environment | {"POLYLEDGER_TARGET": "server", "POLYLEDGER_RAW_SCHEMA": raw})
    try:
        yield desk
    finally:
        desk.clear()


@contextlib.contextmanager
def _environment(more: dict[str, str]) -> Iterator[None]:
    before = dict(os.environ)
    os.environ.update(more)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


@contextlib.contextmanager
def _started(tool: Path) -> Iterator[int | None]:
    """A server for the time of the context: its HTTP port, None if it does not start."""
    ports = [str(_free_port()) for _ in range(2)]
    with tempfile.TemporaryDirectory(prefix="polyledger-bench-") as folder:
        words = [sys.executable, str(tool), "--http-port", ports[0], "--tcp-port", ports[1], "--path", folder]
        process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        try:
            assert process.stdout is not None
            yield int(ports[0]) if process.stdout.readline().strip() == "READY" else None
        finally:
            process.kill()
            process.wait()


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def _cpu_seconds() -> float:
    """Of all processes that this one began and that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def peak_mb(pid: int) -> float | None:
    """The most memory a process has had until now, MB of 2^20 bytes."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return None
    return next((int(line.split()[1]) / 1024 for line in status.splitlines() if line.startswith("VmHWM")), None)
