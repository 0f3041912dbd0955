"""Verdicts and tables for people: 80 columns are enough, and colours come only on a terminal."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

STYLES = {"ok": "green", "pass": "green", "warn": "yellow", "fail": "bold red"}  # the other verdicts are dim


@dataclass(frozen=True)
class Check:
    """What was looked at: verdict is ok, warn, fail or skipped; `do` says what to do, None when there is nothing."""

    name: str
    verdict: str
    found: str
    do: str | None = None


def console() -> Console:
    """Where reports go; made when needed, so that it writes to the stdout of that moment."""
    return Console(highlight=False)


def verdicts(lines: Iterable[tuple[str, str, str, str | None]]) -> Table:
    """A table of checks, given as (verdict, name, what was found, what to do about it)."""
    shown = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    shown.add_column(no_wrap=True)
    shown.add_column(no_wrap=True)
    shown.add_column()
    for verdict, name, found, hint in lines:
        said = Text(plain(found))
        if hint:
            said.append(("\n" if found else "") + "-> " + plain(hint), style="italic")
        shown.add_row(Text(verdict, style=STYLES.get(verdict, "dim")), name, said)
    return shown


def show_checks(
    checks: Sequence[Any], lines: Iterable[tuple[str, str, str, str | None]], as_json: bool, **more: Any
) -> bool:
    """Print checks, as JSON (with `more` beside them) or as lines for `verdicts`; whether none of them failed."""
    ended = [check.verdict for check in checks]
    if as_json:
        found = {"checks": [asdict(check) for check in checks], "failed": ended.count("fail")}
        print(json.dumps(found | more, indent=2))
    else:
        out = console()
        out.print(verdicts(lines))
        out.print(tally(ended))
    return "fail" not in ended


def tally(verdicts: Sequence[str]) -> str:
    """How many checks ended how: `12 ok, 1 fail`."""
    return ", ".join(f"{verdicts.count(verdict)} {verdict}" for verdict in dict.fromkeys(verdicts))


def table(title: str, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> Table:
    """A table whose first column is text on the left and whose others are values on the right."""
    shown = Table(title=title, title_justify="left", title_style="bold", box=None, padding=(0, 1, 0, 0))
    for place, column in enumerate(columns):
        shown.add_column(column, justify="right" if place else "left", no_wrap=True)
    for row in rows:
        shown.add_row(*(Text(plain(cell)) for cell in row))
    return shown


def plain(text: str) -> str:
    """Text from elsewhere (an endpoint, a row) must not steer the terminal."""
    return "".join(letter if letter.isprintable() or letter == "\n" else " " for letter in text)


def duration(seconds: float) -> str:
    """A rough length of time: 40 s, 12 min, 3.5 h, 2.0 days."""
    if abs(seconds) < 100:
        return f"{seconds:.0f} s"
    if abs(seconds) < 6000:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h" if abs(seconds) < 2 * 86400 else f"{seconds / 86400:.1f} days"
