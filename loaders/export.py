"""A raw table or mart as a file: Parquet, CSV or JSON lines, so that a history once paid for can be passed on.

Bytes become 0x text and numbers beyond 64 bits text, which every reader keeps; `load files` reads them back. The file
is written beside its place, read again to its end, and only then put there.
"""

import asyncio
import json
import os
import re
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from clickhouse_connect.driver.exceptions import ClickHouseError

from loaders.options import UsageError
from loaders.ranges import Range
from loaders.reader import Reader, in_thread, said
from loaders.sources import sources
from loaders.warehouse import Warehouse, WarehouseError

FORMATS = {"parquet": "Parquet", "csv": "CSVWithNames", "jsonl": "JSONEachRow"}
PACKED = {"": "none", ".gz": "gzip", ".zst": "zstd"}
TIMES = ("timestamp", "filled_at", "happened_at", "day")  # of a table, by which a range is meant
LINE_SECONDS = 10.0
SETTINGS = {
    "engine_file_truncate_on_insert": 1,
    # Copies of a row are in one partition.
    "do_not_merge_across_partitions_select_final": 1,
    "output_format_parquet_row_group_size": 250_000,
    # JSON's numbers are floats to most readers.
    "output_format_json_quote_64bit_integers": 1,
    "output_format_json_quote_decimals": 1,
}


@dataclass(frozen=True)
class Exported:
    """A file that was written."""

    table: str
    file: Path
    rows: int
    bytes: int


def export(warehouse: Warehouse, name: str, file: Path, given: Range, force: bool) -> Exported:
    """Write a table to a file. Raises UsageError and WarehouseError; then nothing is at the file's place."""
    form, packing = _kind(file)
    if file.exists() and not (force and file.is_file()):
        raise UsageError(f"{file} exists" + ("; --force writes over it" if file.is_file() else " and is no file"))
    if not file.parent.is_dir():
        raise UsageError(f"{file.parent} is no folder")
    database, columns, engine = _table(warehouse, name)
    statement, values = _statement(f"{database}.{name}", columns, engine, given)
    draft = file.with_name(f".{file.name.partition('.')[0]}.part{_ending(file)}").absolute()
    reader = Reader(warehouse.target)
    try:
        asyncio.run(_write(reader, warehouse, draft, form, packing, statement, values))
        rows = _count(reader, draft)
        with draft.open("rb") as written:
            os.fsync(written.fileno())
        draft.replace(file)
    finally:
        reader.close()
        draft.unlink(missing_ok=True)
    return Exported(f"{database}.{name}", file, rows, file.stat().st_size)


def show(exported: Exported, as_json: bool) -> None:
    """Print what was written."""
    if as_json:
        print(json.dumps(asdict(exported) | {"file": str(exported.file)}, indent=2))
        return
    print(f"exported {exported.rows:,} rows of {exported.table} to {exported.file} ({exported.bytes / 1e6:,.1f} MB)")


def _kind(file: Path) -> tuple[str, str]:
    """ClickHouse's format, and how it is packed. Raises UsageError."""
    ending = re.fullmatch(r"[^.].*\.(parquet|csv|jsonl)(|\.gz|\.zst)", file.name, re.IGNORECASE)
    if not ending or (ending[1].lower() == "parquet" and ending[2]):
        raise UsageError(
            f"{file}: the kind of a file is told by its ending: .parquet (packed by itself), .csv or .jsonl, "
            "and .gz or .zst after the latter two"
        )
    if re.search(r"[*?{}]", str(file.absolute())):
        raise UsageError(f"{file}: *, ? and braces cannot be in the name of a file or its folder")
    return FORMATS[ending[1].lower()], PACKED[ending[2].lower()]


def _table(warehouse: Warehouse, name: str) -> tuple[str, dict[str, str], str]:
    """Database, columns with their types, and engine of a raw table or a model. Raises UsageError."""
    databases = [warehouse.raw, warehouse.target.schema]
    found = warehouse.rows(
        """
        select database, name, engine from system.tables
        where database in {databases:Array(String)} order by database = {raw:String} desc, name
        """,
        {"databases": databases, "raw": warehouse.raw},
    )
    matching = [(database, engine) for database, table, engine in found if table == name]
    if not matching or not _is_plain(name):
        there = (
            ", ".join(dict.fromkeys(table for _, table, _ in found if not re.search("^stg_|^int_|_local2?$", table)))
            or "none yet"
        )
        raise UsageError(f"there is no table {name[:60]!r} in {' or '.join(databases)}; there is {there}")
    database, engine = matching[0]
    if engine == "Distributed":  # what keeps copies is the local table below it
        below = [kind for place, table, kind in found if (place, table) == (database, f"{name}_local")]
        engine = below[0] if below else engine
    columns = dict(
        warehouse.rows(
            """
            select name, type from system.columns
            where database = {database:String} and table = {table:String} and default_kind != 'ALIAS'
            order by position
            """,
            {"database": database, "table": name},
        )
    )
    if strange := [column for column in columns if not _is_plain(column)]:
        raise UsageError(f"{name} has a column {strange[0][:60]!r}, which cannot be exported")
    return database, columns, engine


def _is_plain(name: str) -> bool:
    return name.isidentifier() and name.isascii()


def _statement(table: str, columns: dict[str, str], engine: str, given: Range) -> tuple[str, dict[str, Any]]:
    """A select of all columns as a file has them, each row once, and what is bound in it. Raises UsageError."""
    conditions, values = [], {}
    if given.since or given.until:
        time_of = next((name for name in TIMES if name in columns), None)
        if time_of is None:
            raise UsageError(f"{table} has no time, so --since and --until cannot be meant")
        for bound, option, comparison in ((given.since, "since", ">="), (given.until, "until", "<")):
            if bound:
                conditions.append(f"{time_of} {comparison} toDateTime({{{option}:UInt32}}, 'UTC')")
                values[option] = int(bound.timestamp())
    if "is_deleted" in columns:  # it left the chain
        conditions.append("is_deleted = 0")
    once = " final" if "Replacing" in engine else ""
    chosen = ", ".join(f"{_written(name, type_name)} as {name}" for name, type_name in columns.items())
    where = f" where {' and '.join(conditions)}" if conditions else ""
    return f"select {chosen} from (select * from {table}{once}{where})", values


def _written(name: str, type_name: str) -> str:
    """The SQL of a column as a file has it."""
    if is_list := re.fullmatch(r"Array\((.*)\)", type_name):
        return f"arrayMap(item -> {_written('item', is_list[1])}, {name})"
    if re.search(r"FixedString\(", type_name):
        return f"concat('0x', lower(hex({name})))"
    return f"toString({name})" if re.search(r"Int(128|256)", type_name) else name


def _ending(file: Path) -> str:
    return "".join(file.suffixes[-2:] if file.suffix.lower() in PACKED else file.suffixes[-1:]).lower()


async def _write(
    reader: Reader, warehouse: Warehouse, draft: Path, form: str, packing: str, statement: str, values: dict[str, Any]
) -> None:
    """Write the draft, and tell now and then how large it is. Raises WarehouseError."""
    next_line = time.monotonic() + LINE_SECONDS

    def tell(rows: int) -> None:
        nonlocal next_line
        if time.monotonic() >= next_line and draft.exists():
            next_line = time.monotonic() + LINE_SECONDS
            print(f"{draft.stat().st_size / 1e6:,.0f} MB so far", file=sys.stderr, flush=True)

    def work() -> None:
        if reader.is_warehouse:
            target = f"insert into function file({{place:String}}, '{form}', 'auto', '{packing}')"
            reader.command(f"{target} {statement}", values | {"place": str(draft)}, SETTINGS)
            return
        settings = {name: value for name, value in SETTINGS.items() if not name.startswith("engine_file")}
        with draft.open("wb") as out:
            for block in warehouse.answer(statement, values, form, packing, settings):
                out.write(block)

    try:
        await in_thread(reader, work, tell)
    except ClickHouseError as error:
        raise WarehouseError(f"{draft.name} was not written to its end: {said(error)}") from None


def _count(reader: Reader, draft: Path) -> int:
    """Rows of a file, read again to its end. Raises WarehouseError."""
    try:
        if not draft.stat().st_size:
            return 0
        (source,) = sources([str(draft)])
        place = {"place": source.place}
        if source.format != "Parquet":  # of no rows, and of packed nothing, no types can be told
            two = "select * from file({place:String}, 'LineAsString') limit 2"
            ((lines,),) = reader.rows(f"select count() from ({two})", place)
            if lines <= (source.format == "CSVWithNames"):
                return 0
        ((rows,),) = reader.rows(f"select count() from file({{place:String}}, '{source.format}')", place)
    except (ClickHouseError, UsageError) as error:
        reason = said(error) if isinstance(error, ClickHouseError) else error
        raise WarehouseError(f"what was written cannot be read again: {reason}") from None
    return int(rows)
