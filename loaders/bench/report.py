"""Figures beside their goals and those of before: a table, JSON, and a line for each run in bench/history.jsonl."""

import json
import os
import platform
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table

from loaders.target import project_folder

VERSIONS_OF = ("polyledger", "chdb", "clickhouse-connect", "httpx", "msgspec", "dbt-core", "dbt-clickhouse", "duckdb")


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
    details: dict[str, float | None] = field(
        default_factory=dict
    )  # of one of many that are alike, with unit in the name

    @property
    def is_met(self) -> bool | None:
        """None where nothing was measured or nothing is wanted."""
        if self.value is None or self.at_least is self.at_most is None:
            return None
        return (self.at_least is None or self.value >= self.at_least) and (
            self.at_most is None or self.value <= self.at_most
        )

    @property
    def goal(self) -> str:
        low = [f"at least {_short(self.at_least)}"] if self.at_least is not None else []
        high = [f"at most {_short(self.at_most)}"] if self.at_most is not None else []
        return " ".join([*low, *high, self.unit]).strip() if low or high else ""

    @property
    def verdict(self) -> str:
        if self.is_met is None:
            return "not measured" if self.value is None else ""
        return "pass" if self.is_met else "miss"


@dataclass(frozen=True)
class Asked:
    """What is wanted of a run; see the options of the command."""

    quick: bool
    rows: int | None
    keep: Path | None
    select: tuple[str, ...]
    say: Callable[[str], None]


@dataclass(frozen=True)
class Measurement:
    """One thing to measure: its name on the command line, about how long it takes, and how."""

    name: str
    seconds: int
    measure: Callable[[Any], Iterator[Figure]]  # of what its section has opened
    by_default: bool = True  # else only where it is named


Before = dict[str, dict[str, dict[str, Any]]]  # by section and figure: value and commit


def machine() -> dict[str, Any]:
    """What the figures were measured on, without its name."""
    return {
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "memory_gb": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        "cpu": _cpu(),
        "load": round(os.getloadavg()[0], 1),  # before it began: others on the machine spoil figures
    }


def run_of(figures: dict[str, list[Figure]], found: dict[str, Any], quick: bool, rows: int) -> dict[str, Any]:
    """The figures by section, with what is needed to compare them with other runs; `rows` are those of the models."""
    return {
        "date": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}",
        "commit": _commit(),
        "machine": found,
        "versions": {"python": platform.python_version(), **_versions()},
        "quick": quick,
        "rows": rows,
        "figures": {
            section: [asdict(figure) | {"verdict": figure.verdict} for figure in ones]
            for section, ones in figures.items()
        },
    }


def before(run: dict[str, Any], folder: Path | None) -> Before:
    """Of each figure what the last run that had it found, on a like machine and of as many rows.

    Of the project's history and that of a folder, if one is given.
    """
    paths = [path for path in (_history(None), folder and _history(folder)) if path and path.exists()]
    lines = [json.loads(line) for path in paths for line in path.read_text().splitlines()]
    found: Before = {}
    for earlier in sorted(lines, key=lambda line: str(line["date"])):
        if _kind(earlier["machine"]) != _kind(run["machine"]):
            continue
        for section, values in earlier["figures"].items():
            if section in run["figures"] and (section == "loading" or earlier.get("rows") == run["rows"]):
                for name, value in values.items():
                    value = value["value"] if isinstance(value, dict) else value
                    if value is not None:
                        found.setdefault(section, {})[name] = {"value": value, "commit": earlier["commit"]}
    return found


def remember(run: dict[str, Any], folder: Path | None = None) -> Path | None:
    """Append the run to the project's history or that of a folder, of each figure its value; None without a project."""
    path = _history(folder)
    if path is None:
        return None
    path.parent.mkdir(exist_ok=True)
    values = {
        section: {
            figure["name"]: {
                "value": _rounded(figure["value"]),
                **{k: _rounded(v) for k, v in figure["details"].items()},
            }
            if figure["details"]
            else _rounded(figure["value"])
            for figure in ones
        }
        for section, ones in run["figures"].items()
    }
    with path.open("a") as history:
        history.write(json.dumps(run | {"figures": values}) + "\n")
    return path


def show(figures: dict[str, list[Figure]], earlier: Before, quick: bool) -> None:
    """A table for each section, below it what its names mean, and a table for each kind of those that are alike."""
    out = Console(highlight=False)
    if not out.is_terminal:
        out = Console(highlight=False, soft_wrap=True, width=160)  # lines stay whole
    for section, ones in figures.items():
        known = {} if quick else earlier.get(section, {})
        plain = [figure for figure in ones if not figure.details]
        table = Table(title=section, title_justify="left", box=SIMPLE)
        for name in ("figure", "measured", "goal", "", "before"):
            table.add_column(name, justify="right" if name == "measured" else "left", no_wrap=True)
        for figure in plain:
            value = "" if figure.value is None else f"{_short(figure.value)} {figure.unit}".strip()
            color = {True: "green", False: "red", None: "yellow"}[figure.is_met]
            verdict = "too small to judge" if quick else f"[{color}]{figure.verdict}[/{color}]"
            table.add_row(figure.name, value, figure.goal, verdict, _change(figure, known))
        out.print(table)
        for figure in plain:
            note = f" ({figure.note})" if figure.note else ""
            out.print(f"[bold]{figure.name}[/bold]: {figure.what}{note}")
        alike: dict[str, list[Figure]] = {}
        for figure in ones:
            if figure.details:
                alike.setdefault(figure.name.split(".")[0], []).append(figure)
        for name, group in alike.items():
            _show_alike(out, name, group, known)


def _show_alike(out: Console, name: str, group: list[Figure], known: dict[str, dict[str, Any]]) -> None:
    """Those that make up 95 % of all, in the order in which they were measured."""
    table = Table(title=name, title_justify="left", box=SIMPLE)
    for column in (name, "seconds", *(detail.replace("_", " ") for detail in group[0].details), "before"):
        table.add_column(column, justify="left" if column in (name, "before") else "right", no_wrap=True)
    total, counted, large = sum(figure.value or 0 for figure in group), 0.0, set()
    for figure in sorted(group, key=lambda figure: -(figure.value or 0)):
        if counted < 0.95 * total:
            large.add(figure.name)
        counted += figure.value or 0
    for figure in group:
        if figure.name in large:
            numbers = (_short(number) for number in (figure.value, *figure.details.values()))
            table.add_row(figure.name.partition(".")[2], *numbers, _change(figure, known))
    out.print(table)
    if len(large) < len(group):
        rest = sum(figure.value or 0 for figure in group if figure.name not in large)
        out.print(f"and {len(group) - len(large)} others in {_short(rest)} {group[0].unit}")


def _change(figure: Figure, known: dict[str, dict[str, Any]]) -> str:
    """As `+12 % since 62bfdde`."""
    was = known.get(figure.name)
    if was is None or figure.value is None:
        return ""
    since = f"since {was['commit'][:7]}" if was["commit"] else "since"
    if not was["value"]:
        return f"was 0, {since}" if figure.value else ""
    percent = round(100 * (figure.value / was["value"] - 1))
    return f"{percent:+} % {since}" if percent else f"the same {since}"


def _kind(found: dict[str, Any]) -> tuple[Any, ...]:
    """Of a machine, what makes it comparable."""
    return found["cores"], found["cpu"], round(found["memory_gb"])


def _rounded(value: float | None) -> float | None:
    """To five digits, which is more than a measurement has; what is counted stays."""
    return float(f"{value:.5g}") if isinstance(value, float) else value


def _history(folder: Path | None) -> Path | None:
    if folder is None and (project_folder() / "dbt_project.yml").exists():
        folder = project_folder() / "bench"
    return folder / "history.jsonl" if folder else None


def _versions() -> dict[str, str]:
    there = {one.name: one.version for one in metadata.distributions()}
    return {name: there[name] for name in VERSIONS_OF if name in there}


def _short(value: float | None) -> str:
    if value is None:
        return ""
    if abs(value) >= 100 or value == int(value):
        return f"{value:,.0f}"
    return f"{value:.3f}".rstrip("0") if abs(value) < 10 else f"{value:.1f}"


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
