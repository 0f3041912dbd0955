"""Figures beside their goals: a table, JSON, and a line for each run in bench/history.jsonl."""

import json
import os
import platform
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table

from loaders.target import project_folder

VERSIONS_OF = ("polyledger", "chdb", "clickhouse-connect", "httpx", "msgspec", "dbt-core", "dbt-clickhouse")


@dataclass(frozen=True)
class Figure:
    """A measured value, and what it should be at least or at most. Without a value, `note` says why."""

    name: str
    what: str  # in words
    value: float | None
    unit: str
    at_least: float | None = None
    at_most: float | None = None
    note: str = ""

    @property
    def is_met(self) -> bool | None:
        """None where nothing was measured."""
        if self.value is None:
            return None
        return (self.at_least is None or self.value >= self.at_least) and (
            self.at_most is None or self.value <= self.at_most
        )

    @property
    def goal(self) -> str:
        low = [f"at least {_short(self.at_least)}"] if self.at_least is not None else []
        high = [f"at most {_short(self.at_most)}"] if self.at_most is not None else []
        return " ".join([*low, *high, self.unit]).strip()

    @property
    def verdict(self) -> str:
        return {True: "pass", False: "miss", None: "not measured"}[self.is_met]


@dataclass(frozen=True)
class Measurement:
    """One thing to measure: its name on the command line, about how long it takes, and how."""

    name: str
    seconds: int
    measure: Callable[[bool], Iterator[Figure]]  # of whether it is to be quick


def machine() -> dict[str, Any]:
    """What the figures were measured on, without its name."""
    return {
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "memory_gb": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        "cpu": _cpu(),
        "load": round(os.getloadavg()[0], 1),  # before it began: others on the machine spoil figures
    }


def run_of(figures: dict[str, list[Figure]], found: dict[str, Any]) -> dict[str, Any]:
    """The figures by section, with what is needed to compare them with other runs."""
    return {
        "date": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}",
        "commit": _commit(),
        "machine": found,
        "versions": {"python": platform.python_version(), **{name: metadata.version(name) for name in VERSIONS_OF}},
        "figures": {
            section: [asdict(figure) | {"verdict": figure.verdict} for figure in ones]
            for section, ones in figures.items()
        },
    }


def show(figures: dict[str, list[Figure]], quick: bool) -> None:
    """A table for each section, and below it what its names mean."""
    out = Console(highlight=False)
    for section, ones in figures.items():
        table = Table(title=section, title_justify="left", box=SIMPLE)
        for name in ("figure", "measured", "goal", ""):
            table.add_column(name, justify="right" if name == "measured" else "left", no_wrap=True)
        for figure in ones:
            value = "" if figure.value is None else f"{_short(figure.value)} {figure.unit}".strip()
            color = {True: "green", False: "red", None: "yellow"}[figure.is_met]
            verdict = "too small to judge" if quick else f"[{color}]{figure.verdict}[/{color}]"
            table.add_row(figure.name, value, figure.goal, verdict)
        out.print(table)
        for figure in ones:
            note = f" ({figure.note})" if figure.note else ""
            out.print(f"[bold]{figure.name}[/bold]: {figure.what}{note}")


def remember(run: dict[str, Any], figures: dict[str, list[Figure]]) -> Path | None:
    """Append the run to the project's history, of each figure its value; None where there is no project."""
    folder = project_folder()
    if not (folder / "dbt_project.yml").exists():
        return None
    path = folder / "bench" / "history.jsonl"
    path.parent.mkdir(exist_ok=True)
    with path.open("a") as history:
        values = {section: {figure.name: figure.value for figure in ones} for section, ones in figures.items()}
        history.write(json.dumps(run | {"figures": values}) + "\n")
    return path


def _short(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:,.0f}" if abs(value) >= 100 or value == int(value) else f"{value:.3f}".rstrip("0")


def _cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    return next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), platform.machine())


def _commit() -> str | None:
    """The commit that was measured, with + where files differ from it; None outside of a repository."""
    git = ["git", "-C", str(project_folder())]
    try:
        commit = subprocess.run([*git, "rev-parse", "--short=12", "HEAD"], capture_output=True, text=True, check=True)
        changed = subprocess.run([*git, "status", "--porcelain", ":!bench"], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    return commit.stdout.strip() + ("+" if changed.stdout.strip() else "")
