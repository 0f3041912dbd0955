"""One run of dbt on the made history, measured from outside: of its process, and of each model.

dbt runs as users run it, in a process of its own; its memory and CPU time are read off the kernel, 20 times a second.
"""

import bisect
import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from loaders.bench.loads import BenchError, peak_mb
from loaders.target import Target, project_folder
from loaders.warehouse import opened


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
class Build:
    """A run of dbt: of its process, and of each model."""

    seconds: float
    cpu_seconds: float | None
    peak_mb: float | None
    models: list[Model]
    parents: dict[str, list[str]]  # by unique id, as dbt's manifest has them

    @property
    def model_seconds(self) -> float:
        return sum(model.seconds for model in self.models)

    def seconds_for(self, *names: str) -> float:
        """Of these models and of all that they are made from."""
        left, needed = [one for one in self.parents if one.split(".")[-1] in names], set[str]()
        while left:
            one = left.pop()
            if one not in needed:
                needed.add(one)
                left += self.parents.get(one, [])
        among = {one.split(".")[-1] for one in needed}
        return sum(model.seconds for model in self.models if model.name in among)


@dataclass(frozen=True)
class Sample:
    """Of a process at a moment (unix seconds): resident memory, MB of 2^20 bytes, and CPU time until then."""

    at: float
    mb: float
    cpu_seconds: float


def dbt_build(target: Target, data: Path, select: tuple[str, ...] = (), in_full: bool = False) -> Build:
    """`dbt build` without tests, of all models or of those selected, of what is new or in full. Raises BenchError."""
    words = [sys.executable, "-m", "dbt.cli.main", "build"]
    # One query at a time reaches the embedded engine anyway; with one thread the time of a model is its own.
    words += ["--exclude-resource-type", "test", "--exclude-resource-type", "unit_test", "--threads", "1"]
    words += ["--select", *select] if select else []
    words += ["--full-refresh"] if in_full else []
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("POLYLEDGER_", "CLICKHOUSE_", "DBT_"))}
    environment = kept | {
        "POLYLEDGER_TARGET": target.name,
        "POLYLEDGER_DATA": str(data),
        "POLYLEDGER_SCHEMA": target.schema,
        "POLYLEDGER_RAW_SCHEMA": target.raw_schema,
    }
    # A folder of its own for what dbt keeps: it parses the project as in a fresh container.
    with tempfile.TemporaryDirectory() as results, tempfile.TemporaryFile("w+") as said:
        words += ["--target-path", results, "--log-path", results]
        began = time.monotonic()
        process = subprocess.Popen(
            words, env=environment, cwd=project_folder(), stdout=said, stderr=subprocess.STDOUT, text=True
        )
        samples, peak = watch(process)
        seconds = time.monotonic() - began
        if process.returncode:
            said.seek(0)
            raise BenchError(f"dbt build exited with {process.returncode}: {said.read().strip()[-1500:]}")
        found = json.loads((Path(results) / "run_results.json").read_text())["results"]
        parents = json.loads((Path(results) / "manifest.json").read_text())["parent_map"]
    with opened(target) as warehouse:
        tables = "select name, total_rows, total_bytes from system.tables where database = {database:String}"
        sizes = {row[0]: row[1:] for row in warehouse.rows(tables, {"database": target.schema})}
    models = [_model(result, samples, sizes) for result in found if result["unique_id"].startswith("model.")]
    return Build(seconds, samples[-1].cpu_seconds if samples else None, peak, models, parents)


def watch(process: subprocess.Popen[str]) -> tuple[list[Sample], float | None]:
    """What a process has and has used until it ends, and the most memory (MB) that it ever had.

    Nothing where the system does not tell. Killed if the watch ends before.
    """
    samples, peak = [], None
    try:
        while process.poll() is None:
            try:
                pages = int(Path(f"/proc/{process.pid}/statm").read_text().split()[1])
                # The name, in brackets, may hold blanks; user and system time come eleven fields after it.
                ticks = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()[11:13]
                cpu = sum(map(int, ticks)) / os.sysconf("SC_CLK_TCK")
                samples.append(Sample(time.time(), pages * os.sysconf("SC_PAGE_SIZE") / 2**20, cpu))
                peak = peak_mb(process.pid) or peak
            except (OSError, IndexError):
                pass
            time.sleep(0.05)
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()
    return samples, peak


def _model(result: dict[str, Any], samples: list[Sample], sizes: dict[str, tuple[Any, ...]]) -> Model:
    name = str(result["unique_id"]).split(".")[-1]
    moments = next((t for t in result["timing"] if t["name"] == "execute"), None)
    peak = cpu = None
    if moments and samples:
        since, until = (datetime.fromisoformat(moments[k]).timestamp() for k in ("started_at", "completed_at"))
        cpu = _cpu_until(samples, until) - _cpu_until(samples, since)
        peak = max((sample.mb for sample in samples if since - 0.1 <= sample.at <= until + 0.1), default=None)
    rows, size = sizes.get(name, (None, None))
    return Model(name, float(result["execution_time"]), cpu, peak, rows, size or 0)


def _cpu_until(samples: list[Sample], at: float) -> float:
    """CPU time used until a moment, which lies between two samples."""
    place = min(max(bisect.bisect(samples, at, key=lambda sample: sample.at), 1), len(samples) - 1)
    before, after = samples[place - 1], samples[place]
    part = (at - before.at) / max(after.at - before.at, 1e-9)
    return before.cpu_seconds + min(max(part, 0.0), 1.0) * (after.cpu_seconds - before.cpu_seconds)
