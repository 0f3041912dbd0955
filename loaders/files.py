"""Fills from files: Parquet, CSV or JSON lines, here or on the web, checked as rows from the wire are.

ClickHouse in this process reads them, whatever the target: into the embedded folder directly, or on to a server in
blocks. Every file is read to its end before the first row of any is landed, so that a damaged one lands nothing.
"""

import asyncio
import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial
from typing import Any

from clickhouse_connect.driver.exceptions import ClickHouseError

from loaders import journal
from loaders.execute import Run
from loaders.layouts import LayoutError, Mapping, recognise
from loaders.options import UsageError
from loaders.ranges import Range
from loaders.reader import Reader, explained, in_thread, said
from loaders.sources import Source
from loaders.target import Target
from loaders.warehouse import Warehouse, WarehouseError, WindowState


@dataclass(frozen=True)
class Asked:
    """What is to be loaded: files, which of their columns are which of ours, and in what range."""

    sources: list[Source]
    maps: dict[str, str]
    protocol: str | None
    range: Range
    is_complete: bool  # the files are said to hold every fill of the range


@dataclass(frozen=True)
class Part:
    """A source and what its columns mean."""

    source: Source
    mapping: Mapping
    structure: str  # columns of a text format, all of them text
    range: Range


@dataclass
class Found:
    """What is in a part: rows that can be landed, and what is wrong with the others."""

    good: int = 0
    outside: int = 0  # of the asked range
    first: datetime | None = None
    last: datetime | None = None
    wrong: dict[str, int] = field(default_factory=dict)  # by sentence
    example: str = ""  # of the most frequent of them

    @property
    def bad(self) -> int:
        return sum(self.wrong.values())


async def load(run: Run, asked: Asked, say: Callable[[str], None]) -> None:
    """Check every file, then land each, and remember the range where they are said to be all of it.

    Raises UsageError where a file cannot be read or understood, and WarehouseError.
    """
    reader = Reader(run.warehouse.target)
    try:
        checked = await _checked(reader, asked, run.progress.counter("check"), say)
        for part, found in checked:
            await _land(reader, run, part, found)
    finally:
        reader.close()
    await _remember(run, asked, checked)


async def estimate(target: Target, asked: Asked, say: Callable[[str], None]) -> list[dict[str, Any]]:
    """What a load would do, found out by reading every file. Raises as `load` does."""
    reader = Reader(target)
    try:
        checked = await _checked(reader, asked, lambda rows: None, say)
    finally:
        reader.close()
    return [
        {"entity": part.mapping.layout.entity, "scope": "", "what": _sentence(part, found)} | _figures(part, found)
        for part, found in checked
    ]


async def _checked(
    reader: Reader, asked: Asked, tick: Callable[[int], None], say: Callable[[str], None]
) -> list[tuple[Part, Found]]:
    """Every source, read to its end. Raises UsageError and WarehouseError."""
    checked = []
    for source in asked.sources:
        part = await in_thread(reader, partial(_part, reader, source, asked), tick)
        say(_legend(part))
        checked.append((part, await in_thread(reader, partial(_check, reader, part), tick)))
    if asked.is_complete and not any(found.good for _, found in checked):
        raise UsageError("--complete: the files hold no fill of the range, so they cannot be all of it")
    return checked


async def _land(reader: Reader, run: Run, part: Part, found: Found) -> None:
    result, entity, started = run.landing.result, part.mapping.layout.entity, time.monotonic()
    tick = run.progress.counter(entity)
    if found.good:
        await in_thread(reader, partial(_land_good, reader, run.warehouse, part, run.landing.run_id), tick)
        result.rows[entity] += found.good
        journal.note("insert", entity=entity, rows=found.good, seconds=time.monotonic() - started)
    if found.bad:
        await in_thread(
            reader, partial(_keep_aside, reader, run.warehouse, part, run.landing.run_id), lambda rows: None
        )
        result.rejected[entity] += found.bad
        for wrong, rows in found.wrong.items():
            journal.note("rejected", entity=entity, file=part.source.shown, rows=rows, reason=wrong)
    result.files.append(_figures(part, found))
    result.notes.append(_sentence(part, found))


async def _remember(run: Run, asked: Asked, checked: list[tuple[Part, Found]]) -> None:
    """Record the range as complete, of which open windows are a part no more."""
    since, until, notes = asked.range.since, asked.range.until, run.landing.result.notes
    entities = dict.fromkeys(part.mapping.layout.entity for part, found in checked if found.good)
    if not (asked.is_complete and since and until):
        if entities:
            notes.append(
                "nothing is remembered as complete, since files do not say whether they are: where they hold every "
                "fill of a range, name it with --since, --until and --complete, and load fills asks only for the rest"
            )
        return
    for entity in entities:
        states = [WindowState(entity, "", since, until, state="complete")]
        for window in run.warehouse.windows(entity).get("", []):
            if window.state == "open" and window.since < until and since < window.until:
                states = [*_rest(window, since, until), *states]
        await asyncio.to_thread(run.warehouse.record, states)
        for state in states:
            journal.note("window", **vars(state))
        notes.append(
            f"{entity} from {since:%Y-%m-%d %H:%M:%S} to {until:%Y-%m-%d %H:%M:%S} UTC is remembered as complete"
        )


def _rest(window: WindowState, since: datetime, until: datetime) -> list[WindowState]:
    """What to remember of an open window of which [since, until) is complete now: what is left of it stays open."""
    states = [replace(window, state="split")]
    reached = datetime.fromtimestamp(int(window.cursor.partition(":")[0]), UTC) if window.cursor else window.since
    if window.since < since:
        states.append(replace(window, until=since, state="open" if reached < since else "complete"))
    if until < window.until:
        states.append(replace(window, since=until, cursor=window.cursor if until <= reached else ""))
    return states


def _part(reader: Reader, source: Source, asked: Asked) -> Part:
    """What a source's columns mean. Raises UsageError and WarehouseError."""
    with explained(source):
        columns = _columns(reader, source)
    try:
        mapping = recognise(columns, asked.maps, asked.protocol)
    except LayoutError as error:
        raise UsageError(f"{source.shown} {error}") from None
    return Part(source, mapping, "" if source.format == "Parquet" else _structure(columns), asked.range)


def _columns(reader: Reader, source: Source) -> dict[str, str]:
    """Types by name. Raises ClickHouseError."""
    if source.format == "JSONEachRow":
        # Only names: what is a number in one line may be text in the next.
        lines = _function(replace(source, format="JSONAsString"), "json String")
        names = f"select distinct arrayJoin(JSONExtractKeys(json)) from (select json from {lines} limit 1000)"
        return {name: "String" for (name,) in reader.rows(names, {"place": source.place, "structure": "json String"})}
    described = reader.rows(f"describe table {_function(source)}", {"place": source.place})
    return {name: type_name for name, type_name, *_ in described}


def _structure(columns: dict[str, str]) -> str:
    quoted = (name.replace("\\", "\\\\").replace("`", "\\`") for name in columns)
    return ", ".join(f"`{name}` Nullable(String)" for name in quoted)


def _function(source: Source, structure: str = "") -> str:
    """The table function that reads a source. What it reads is bound as `place`, and its columns as `structure`."""
    words = ["{place:String}", f"'{source.format}'"]
    if source.function == "s3" and not os.environ.get("AWS_ACCESS_KEY_ID"):
        words.insert(1, "nosign")
    if structure:
        words.append("{structure:String}")
    return f"{source.function}({', '.join(words)})"


def _statement(part: Part, chosen: str, with_raw: bool = False) -> tuple[str, dict[str, Any]]:
    """A select over the rows of a part, and what is bound in it.

    A row has its values by our name as read_NAME, null where they cannot be understood; what is `wrong` with it, or '',
    and an `example` of that; its `row_id`, and whether it `is_outside` of the range.
    """
    mapping, layout = part.mapping, part.mapping.layout
    values: dict[str, Any] = {"place": part.source.place, "structure": part.structure}
    imported, read, conditions, examples = [], [], [], []
    for number, column in enumerate(layout.columns):
        name = column.name
        if name not in mapping.theirs:
            read.append(f"{column.default} as read_{name}")
            continue
        given, theirs = f"given_{name}", mapping.theirs[name]
        values[f"theirs_{number}"] = theirs
        values[f"missing_{number}"] = f"{theirs} is missing"
        values[f"wrong_{number}"] = f"{theirs} {column.form.wrong}"
        is_missing = f"{given} is null" + (f" or {given} = ''" if mapping.types[name] == "String" else "")
        imported.append(f"{{theirs_{number}:Identifier}} as {given}")
        read.append(f"{column.form.read(given, mapping.types[name])} as read_{name}")
        sentence = f"if({is_missing}, {{missing_{number}:String}}, {{wrong_{number}:String}})"
        conditions.append(f"read_{name} is null, {sentence}")
        examples.append(f"read_{name} is null, toString({given})")
    for number, (sentence, check) in enumerate(layout.checks):
        values[f"check_{number}"] = sentence
        by_name = {column.name: f"read_{column.name}" for column in layout.columns}
        conditions.append(f"{check.format(**by_name)}, {{check_{number}:String}}")
    if with_raw:
        imported.append("formatRowNoNewline('JSONEachRow', *) as raw")
    if mapping.id:
        values |= {
            "id": mapping.id,
            "wrong_id": f"{mapping.id} is not {'_'.join(mapping.theirs[n] for n in layout.key)}",
        }
        imported.append("{id:Identifier} as given_id")
        conditions.append(f"{layout.wrong_id}, {{wrong_id:String}}")
    outside = []
    for bound, comparison in ((part.range.since, "<"), (part.range.until, ">=")):
        if bound:
            outside.append(f"ifNull(read_timestamp {comparison} {int(bound.timestamp())}, false)")
    row_id = ", '_', ".join(f"ifNull(toString(given_{name}), '')" for name in layout.key)
    return (
        f"""
        with given as (select {", ".join(imported)} from {_function(part.source, part.structure)}),
        understood as (select *, {", ".join(read)} from given),
        judged as (
            select
                *,
                multiIf({", ".join(conditions)}, '') as wrong,
                ifNull(multiIf({", ".join(examples)}, ''), '') as example,
                {" or ".join(outside) or "false"} as is_outside,
                concat({row_id}) as row_id
            from understood
        )
        select {chosen} from judged
        """,
        values,
    )


def _check(reader: Reader, part: Part) -> Found:
    """Read a part to its end. Raises UsageError where it cannot be, or most of it cannot be understood."""
    chosen = "wrong, is_outside, count() as rows, min(read_timestamp), max(read_timestamp), any(example)"
    statement, values = _statement(part, chosen)
    with explained(part.source):
        rows = reader.rows(f"{statement} group by wrong, is_outside order by rows desc", values)
    found = Found()
    for wrong, is_outside, count, first, last, example in rows:
        if is_outside:
            found.outside += count
        elif wrong:
            found.example = found.example or example
            found.wrong[wrong] = count
        else:
            found.good = count
            found.first, found.last = (datetime.fromtimestamp(moment, UTC) for moment in (first, last))
    if found.bad > found.good:
        raise UsageError(
            f"{part.source.shown}: {found.bad:,} of {found.bad + found.good:,} rows cannot be understood, most because "
            f"{_most(found)}. Nothing was landed: see whether the columns are right (--map THEIRS=OURS), and whether "
            "amounts are whole base units (1 USDC is 1000000)"
        )
    return found


def _land_good(reader: Reader, warehouse: Warehouse, part: Part, run_id: str) -> None:
    """Land the good rows of a part. Raises WarehouseError."""
    names = [column.name for column in part.mapping.layout.columns]
    chosen = {name: f"assumeNotNull(read_{name})" for name in names}
    chosen["timestamp"] = f"toDateTime({chosen['timestamp']}, 'UTC')"
    chosen["_run_id"] = "{run_id:String}"
    statement, values = _statement(part, ", ".join(f"{value} as {name}" for name, value in chosen.items()))
    statement += "where wrong = '' and not is_outside"
    _insert(reader, warehouse, part, part.mapping.layout.table, list(chosen), statement, values | {"run_id": run_id})


def _keep_aside(reader: Reader, warehouse: Warehouse, part: Part, run_id: str) -> None:
    """Keep the others in rejected_rows. Raises WarehouseError."""
    chosen = {
        "entity": "{entity:String}",
        "row_id": "row_id",
        "reason": "concat(wrong, if(example = '', '', concat(': ', toJSONString(substringUTF8(example, 1, 100)))))",
        "raw": "raw",
        "_run_id": "{run_id:String}",
    }
    columns = ", ".join(value if value == name else f"{value} as {name}" for name, value in chosen.items())
    statement, values = _statement(part, columns, with_raw=True)
    statement += "where wrong != '' and not is_outside"
    values |= {"run_id": run_id, "entity": part.mapping.layout.entity}
    _insert(reader, warehouse, part, "rejected_rows", list(chosen), statement, values)


def _insert(
    reader: Reader,
    warehouse: Warehouse,
    part: Part,
    table: str,
    names: list[str],
    statement: str,
    values: dict[str, Any],
) -> None:
    try:
        if reader.is_warehouse:
            reader.command(f"insert into {warehouse.raw}.{table} ({', '.join(names)}) {statement}", values)
        else:
            warehouse.insert_blocks(table, names, lambda: reader.blocks(statement, values))
    except ClickHouseError as error:
        raise WarehouseError(f"{part.source.shown} was not landed to its end: {said(error)}") from None


def _most(found: Found) -> str:
    """The most frequent thing wrong, with an example."""
    return next(iter(found.wrong)) + (f": {found.example[:60]!r}" if found.example else "")


def _legend(part: Part) -> str:
    """Which column is which, for people."""
    mapping = part.mapping
    lines = [f"{part.source.shown}: {mapping.layout.protocol.upper()} fills"]
    for column in mapping.layout.columns:
        theirs = mapping.theirs.get(column.name)
        lines.append(f"  {column.name:<20} {'not there: zero' if theirs is None else f'<- {theirs}'}")
    if mapping.unused:
        lines.append(f"  not used: {', '.join(mapping.unused)}")
    return "\n".join(lines)


def _sentence(part: Part, found: Found) -> str:
    """What is in a part, for people."""
    said = f"{part.source.shown}: {found.good:,} fills"
    if found.first and found.last:
        said += f" from {found.first:%Y-%m-%d %H:%M:%S} to {found.last:%Y-%m-%d %H:%M:%S} UTC"
    if found.bad:
        said += f"; {found.bad:,} rows that cannot be understood, most because {_most(found)}"
    return said + (f"; {found.outside:,} outside of the range" if found.outside else "")


def _figures(part: Part, found: Found) -> dict[str, Any]:
    """The same for programs."""
    return {
        "file": part.source.shown,
        "protocol": part.mapping.layout.protocol,
        "columns": part.mapping.theirs,
        "unused": list(part.mapping.unused),
        "rows": found.good,
        "rejected": found.bad,
        "outside": found.outside,
        "first_at": found.first.isoformat() if found.first else None,
        "last_at": found.last.isoformat() if found.last else None,
    }
