"""Payout vectors from a file: what somebody knows who is neither the chain nor the subgraph."""

import csv
import json
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

from loaders.entities import FILE_PAYOUTS, Row, RowError
from loaders.options import UsageError, read_moment

COLUMNS = ("condition_id", "payouts", "resolved_at")


def read(file: Path) -> list[Row]:
    """Rows of a CSV or JSON lines file with condition_id, payouts and, if known, resolved_at. Raises UsageError.

    Payouts are numbers by outcome, integers or decimals, of which only the proportion counts: [1, 0] or 0.54 0.46.
    """
    try:
        text = file.read_text("utf-8-sig")  # spreadsheets begin a csv with a byte order mark
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"--from-file {file} cannot be read: {error}") from None
    rows: dict[str, Row] = {}
    for line, given in _lines(file, text):
        try:
            row = _row(given, file.name)
        except (RowError, UsageError) as error:
            raise UsageError(f"--from-file {file} line {line}: {error}; nothing of the file was landed") from None
        if rows.setdefault(row["id"], row) != row:
            raise UsageError(f"--from-file {file} line {line}: {row['id']} is there twice, with another payout")
    if not rows:
        raise UsageError(f"--from-file {file} has no rows")
    return list(rows.values())


def _lines(file: Path, text: str) -> Iterator[tuple[int, dict[str, Any]]]:
    """Each row with the number of its line."""
    if text.lstrip().startswith("{"):
        for number, line in enumerate(text.splitlines(), 1):
            if line.strip():
                try:
                    given = json.loads(line, parse_float=str)  # a float would round a payout
                except ValueError:
                    given = None
                if not isinstance(given, dict):
                    raise UsageError(f"--from-file {file} line {number} is not a JSON object")
                yield number, given
        return
    reader = csv.DictReader(text.splitlines(), skipinitialspace=True)
    if not {"condition_id", "payouts"} <= set(reader.fieldnames or ()):
        raise UsageError(f"--from-file {file} is neither JSON lines nor a csv with the columns {', '.join(COLUMNS)}")
    for row in reader:
        if None in row:
            raise UsageError(
                f"--from-file {file} line {reader.line_num} has more values than the csv has columns; "
                'payouts with commas between them need quotes, as in "[1, 0]"; nothing of the file was landed'
            )
        yield reader.line_num, dict(row)


def _row(given: dict[str, Any], file: str) -> Row:
    condition = str(given.get("condition_id") or "").strip().lower()
    payouts = given.get("payouts")
    if isinstance(payouts, str):
        # By one separator, not by any: 0,54 0,46 are two numbers with commas in them, and no four.
        separator = next((one for one in ",;|" if one in payouts), None)
        payouts = [one.strip("\"' ") for one in payouts.strip("[] \t").split(separator)]
    if not isinstance(payouts, list) or not 2 <= len(payouts) <= 256:
        raise RowError(
            "payouts must be two numbers or more, one an outcome, in a csv with quotes where commas are between them"
        )
    payouts = [str(payout) for payout in payouts]
    moment = given.get("resolved_at")
    resolved = None if moment in (None, "") else read_moment("resolved_at", str(moment).strip())
    row = {
        "id": condition,
        "conditionId": condition,
        "payouts": payouts,
        "resolvedAt": None if resolved is None else int(resolved.timestamp()),
        "file": file,
    }
    FILE_PAYOUTS.parse(row)
    if not sum(map(Fraction, payouts)):
        raise RowError("payouts are all 0, so the condition is not resolved")
    return row
