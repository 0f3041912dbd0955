"""What the command line gives: words in, checked values out. Every mistake is one sentence."""

import csv
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from loaders.layouts import LAYOUTS
from loaders.ranges import Range


class UsageError(Exception):
    """A wrong word on the command line or in a file; the message says which and what was expected."""


TargetName = Annotated[str | None, typer.Option("--target", help="Target of profiles.yml; default: the profile's.")]
ProfilesDir = Annotated[Path | None, typer.Option("--profiles-dir", help="Folder of profiles.yml; default: as dbt.")]
Since = Annotated[str | None, typer.Option("--since", help="First moment, UTC: 2025-01-31 or 2025-01-31T12:00:00.")]
Until = Annotated[str | None, typer.Option("--until", help="End, exclusive, UTC. Default: what is indexed by now.")]
Wallets = Annotated[list[str] | None, typer.Option("--wallet", help="Only this wallet; may be repeated.")]
WalletsFrom = Annotated[
    Path | None, typer.Option("--wallets-from", help="Only these wallets: csv with a column wallet, or lines.")
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what would be asked for, and touch nothing.")]
AsJson = Annotated[bool, typer.Option("--json", help="Report as JSON.")]
Wait = Annotated[float, typer.Option("--wait", min=0, help="Seconds to wait for a warehouse that is in use.")]
LogFile = Annotated[
    Path | None, typer.Option("--log-file", help="Add what happens to this file, a JSON object a line.")
]


@dataclass(frozen=True)
class Common:
    """The options that every load has."""

    target: str | None
    profiles_dir: Path | None
    dry_run: bool
    as_json: bool
    wait: float
    log_file: Path | None


def shown(text: str) -> str:
    """What was given, for a message: quoted, in one line, and not all of it where it is long."""
    return repr(text if len(text) <= 80 else f"{text[:80]}...")


def read_range(since: str | None, until: str | None) -> Range:
    """The asked range in UTC. Raises UsageError."""
    first, end = (read_moment(name, text) for name, text in (("--since", since), ("--until", until)))
    if first and end and end <= first:
        raise UsageError(f"--until {until} is not after --since {since}")
    return Range(first, end)


def read_moment(option: str, text: str | None) -> datetime | None:
    """A UTC moment on a whole second, None where none was given. Raises UsageError."""
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
        moment = moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        raise UsageError(f"{option} {shown(text)} is no moment: use 2025-01-31 or 2025-01-31T12:00:00 (UTC)") from None
    if moment.microsecond or not 1970 <= moment.year < 2106:
        raise UsageError(f"{option} {shown(text)} is out of range: whole seconds from 1970 to 2105")
    return moment


def read_wallets(given: list[str] | None, file: Path | None) -> list[str]:
    """Wallets in lower case, once each. Raises UsageError."""
    return read_ids(given, file, "wallet", 20)


def read_ids(given: list[str] | None, file: Path | None, column: str, size: int, name: str | None = None) -> list[str]:
    """Hex ids from options and a file (csv with the column, or lines), lower case, once each. Raises UsageError.

    `name` is that of the option, where it is not the column's.
    """
    found = [(name or f"--{column}", text) for text in given or []]
    if file is not None:
        try:
            lines = file.read_text("utf-8-sig").splitlines()  # spreadsheets begin a csv with a byte order mark
        except (OSError, UnicodeDecodeError) as error:
            raise UsageError(f"--{column}s-from {file} cannot be read: {error}") from None
        header, *rows = [row for row in csv.reader(lines, skipinitialspace=True) if row] or [[]]
        header = [cell.strip().lower() for cell in header]
        places = [header.index(name) for name in (column, f"{column}_id") if name in header]
        if places:
            found += [(str(file), row[places[0]] if len(row) > places[0] else "") for row in rows]
        else:
            found += [(str(file), line) for line in lines if line.strip()]
        if len(found) == len(given or []):
            raise UsageError(f"--{column}s-from {file} names no {column}: give a csv with a column {column}, or lines")
    for place, text in found:
        if not re.fullmatch(rf"0x[0-9a-fA-F]{{{2 * size}}}", text.strip()):
            raise UsageError(f"{place}: {shown(text.strip())} is no {column}: 0x and {2 * size} hex digits expected")
    return list(dict.fromkeys(text.strip().lower() for _, text in found))


def read_maps(given: list[str] | None) -> dict[str, str]:
    """Our columns by those of a file, given as THEIRS=OURS. Raises UsageError."""
    known = dict.fromkeys(column.name for layout in LAYOUTS for column in layout.columns)
    maps: dict[str, str] = {}
    for text in given or []:
        theirs, _, ours = text.rpartition("=")
        if not theirs or ours not in known:
            raise UsageError(f"--map {text[:90]!r}: THEIRS=OURS expected, where OURS is one of {', '.join(known)}")
        if theirs in maps or ours in maps.values():
            raise UsageError(f"--map {text[:90]!r}: each column can be given once")
        maps[theirs] = ours
    return maps


def read_token(text: str | None) -> str | None:
    """An outcome token id in decimal digits. Raises UsageError."""
    if text is not None and not (re.fullmatch(r"[1-9][0-9]{0,77}", text) and int(text) < 2**256):
        raise UsageError(f"--token {shown(text)} is no token id: a decimal number of up to 78 digits expected")
    return text
