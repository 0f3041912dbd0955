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

    @property
    def most(self) -> str:
        """What is wrong most often."""
        return max(self.wrong, key=lambda sentence: self.wrong[sentence])


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
        # Ids are the widest column; where all of them are right they are not read again.
        has_right_ids = _no_id(part.mapping) not in found.wrong
        read = replace(part, mapping=replace(part.mapping, id=None)) if has_right_ids else part
        await in_thread(reader, partial(_land_good, reader, run.warehouse, read, run.landing.run_id), tick)
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

    A row has its values by our name as read_NAME, null where they cannot be understood. `wrong` is 0, or the place
    (from 1) in the bound `sentences` of what is wrong with it, with an `example` of that; `row_id` is its id, and
    `is_outside` says whether it is not in the range.
    """
    mapping, layout = part.mapping, part.mapping.layout
    imported, read, conditions, examples = [], [], [], []
    sentences: list[str] = []
    values: dict[str, Any] = {"place": part.source.place, "structure": part.structure, "sentences": sentences}
    for number, column in enumerate(layout.columns):
        name = column.name
        if name not in mapping.theirs:
            read.append(f"{column.default} as read_{name}")
            continue
        given, theirs = f"given_{name}", mapping.theirs[name]
        values[f"theirs_{number}"] = theirs
        imported.append(f"{{theirs_{number}:Identifier}} as {given}")
        read.append(f"{column.form.read(given, mapping.types[name])} as read_{name}")
        sentences += [f"{theirs} is missing", f"{theirs} {column.form.wrong}"]
        is_missing = f"{given} is null" + (f" or {given} = ''" if mapping.types[name] == "String" else "")
        conditions.append((f"read_{name} is null", f"if({is_missing}, {len(sentences) - 1}, {len(sentences)})"))
        examples.append(f"read_{name} is null, toString({given})")
    by_name = {column.name: f"read_{column.name}" for column in layout.columns}
    for sentence, check in layout.checks:
        sentences.append(sentence)
        conditions.append((check.format(**by_name), str(len(sentences))))
    if mapping.id:
        values["id"] = mapping.id
        imported.append("{id:Identifier} as given_id")
        sentences.append(_no_id(mapping))
        conditions.append((layout.wrong_id, str(len(sentences))))
    if with_raw:
        imported.append("formatRowNoNewline('JSONEachRow', *) as raw")
    bounds = ((part.range.since, "<"), (part.range.until, ">="))
    outside = [f"ifNull(read_timestamp {than} {int(bound.timestamp())}, false)" for bound, than in bounds if bound]
    row_id = ", '_', ".join(f"ifNull(toString(given_{name}), '')" for name in layout.key)
    return (
        f"""
        with given as (select {", ".join(imported)} from {_function(part.source, part.structure)}),
        understood as (select *, {", ".join(read)} from given),
        judged as (
            select
                *,
                toUInt8(multiIf({", ".join(f"{condition}, {code}" for condition, code in conditions)}, 0)) as wrong,
                ifNull(multiIf({", ".join(examples)}, ''), '') as example,
                {" or ".join(outside) or "false"} as is_outside,
                concat({row_id}) as row_id
            from understood
        )
        select {chosen} from judged
        """,
        values,
    )


def _no_id(mapping: Mapping) -> str:
    return f"{mapping.id} is not {'_'.join(mapping.theirs[name] for name in mapping.layout.key)}"


def _check(reader: Reader, part: Part) -> Found:
    """Read a part to its end. Raises UsageError where it cannot be, or most of it cannot be understood."""
    found = Found()
    statement, values = _statement(part, "wrong, is_outside, count() as rows, min(read_timestamp), max(read_timestamp)")
    with explained(part.source):
        for wrong, is_outside, rows, first, last in reader.rows(f"{statement} group by wrong, is_outside", values):
            if is_outside:
                found.outside += rows
            elif wrong:
                found.wrong[values["sentences"][wrong - 1]] = rows
            else:
                found.good = rows
                found.first, found.last = (datetime.fromtimestamp(moment, UTC) for moment in (first, last))
        if found.wrong:
            most = values["sentences"].index(found.most) + 1
            statement, values = _statement(part, "example")
            ((found.example,),) = reader.rows(f"{statement} where wrong = {most} and not is_outside limit 1", values)
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
    statement += "where wrong = 0 and not is_outside"
    _insert(reader, warehouse, part, part.mapping.layout.table, list(chosen), statement, values | {"run_id": run_id})


def _keep_aside(reader: Reader, warehouse: Warehouse, part: Part, run_id: str) -> None:
    """Keep the others in rejected_rows. Raises WarehouseError."""
    chosen = {
        "entity": "{entity:String}",
        # Text of a file may be in any encoding; clients show what is not UTF-8 as digits.
        "row_id": "toValidUTF8(row_id)",
        "reason": "concat({sentences:Array(String)}[wrong], if(example = '', '', concat(': ', "
        "toJSONString(substringUTF8(toValidUTF8(example), 1, 100)))))",
        "raw": "raw",
        "_run_id": "{run_id:String}",
    }
    columns = ", ".join(value if value == name else f"{value} as {name}" for name, value in chosen.items())
    statement, values = _statement(part, columns, with_raw=True)
    statement += "where wrong != 0 and not is_outside"
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
    return found.most + (f": {found.example[:60]!r}" if found.example else "")


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
