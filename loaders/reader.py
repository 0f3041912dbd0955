"""ClickHouse in this process, which reads and writes files: one connection works, another watches and stops it."""

import asyncio
import re
import uuid
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import clickhouse_connect
from clickhouse_connect.driver.exceptions import ClickHouseError

from loaders import embedded
from loaders.options import UsageError
from loaders.sources import Source, shown
from loaders.target import Target
from loaders.warehouse import WarehouseError

T = TypeVar("T")

NETWORK = frozenset({86, 159, 198, 209, 210, 243, 499, 1000})  # ClickHouse's codes where an address does not serve
EMPTY = 92  # where a file has no rows
READ_BYTES = 1 << 20  # that a server is handed at once
SETTINGS = {
    # Pages of a file that are mapped would count as memory.
    "storage_file_read_method": "pread",
    # Of what is unpacked ahead; row groups may be large.
    "input_format_parquet_memory_high_watermark": 128 << 20,
    # Two would take twice the memory, and on two cores reading takes the other one.
    "max_insert_threads": 1,
    "min_insert_block_size_rows": 1 << 19,
    "min_insert_block_size_bytes": 0,
    # A history that is in no order has rows of every month in every block.
    "max_partitions_per_insert_block": 0,
    # Numbers in a CSV stay text until they are checked.
    "input_format_csv_use_best_effort_in_schema_inference": 0,
    "output_format_json_validate_utf8": 1,
    "use_hive_partitioning": 0,
    "max_http_get_redirects": 5,
}


class Reader:
    """Reads and writes files; `is_warehouse` where it has the embedded folder open too."""

    def __init__(self, target: Target) -> None:
        """Open the embedded folder of the target, or else an engine in memory."""
        path = embedded.folder(target.host)
        self.is_warehouse = path is not None and path.exists()
        # Bound where it is looked for, so that the statement that looks does not have it.
        self._mark = f"/* polyledger files {uuid.uuid4().hex} */"
        self._work, self._watch = (
            embedded.connect(path)
            if path is not None and self.is_warehouse
            else clickhouse_connect.get_client(interface="chdb")
            for _ in range(2)
        )
        for name, value in SETTINGS.items():
            self._work.set_client_setting(name, value)

    def close(self) -> None:
        self._watch.close()
        self._work.close()

    def rows(self, statement: str, values: dict[str, Any]) -> list[tuple[Any, ...]]:
        """The rows of a query. Raises ClickHouseError."""
        return [tuple(row) for row in self._work.query(self._marked(statement), parameters=values).result_rows]

    def command(self, statement: str, values: dict[str, Any], settings: dict[str, Any] | None = None) -> None:
        """Run a statement without rows. Raises ClickHouseError."""
        self._work.command(self._marked(statement), parameters=values, settings=settings)

    def blocks(self, statement: str, values: dict[str, Any]) -> Generator[bytes, None, None]:
        """What a query answers, in format Native. Raises ClickHouseError."""
        with self._work.raw_stream(self._marked(statement), parameters=values, fmt="Native") as stream:
            while block := stream.read(READ_BYTES):
                yield block

    def rows_read(self) -> int:
        """By the statement under way; 0 where there is none."""
        query = "select sum(read_rows) from system.processes where position(query, {mark:String}) > 0"
        return int(self._watch.query(query, parameters={"mark": self._mark}).result_rows[0][0])

    def stop(self) -> None:
        """End the statement under way."""
        statement = "kill query where position(query, {mark:String}) > 0 async"
        self._watch.command(statement, parameters={"mark": self._mark})

    def _marked(self, statement: str) -> str:
        return f"{self._mark} {statement}"


async def in_thread(reader: Reader, work: Callable[[], T], tick: Callable[[int], None]) -> T:
    """Work in a thread, and tell each second how many more rows were read. Cancelled, it ends the statement first."""
    task, had = asyncio.ensure_future(asyncio.to_thread(work)), 0
    try:
        while not task.done():
            await asyncio.wait([task], timeout=1)
            read = max(reader.rows_read(), had)
            tick(read - had)
            had = read
    except asyncio.CancelledError:
        while not task.done():
            reader.stop()
            await asyncio.wait([task], timeout=0.2)
        task.exception()
        raise
    return task.result()


@contextmanager
def explained(source: Source) -> Iterator[None]:
    """What ClickHouse says of a file it cannot read, as one sentence: UsageError, or WarehouseError for an address."""
    try:
        yield
    except ClickHouseError as error:
        codes = {int(code) for code in re.findall(r"Code: (\d+)", str(error))}  # of the reason within, too
        wrong = "has no rows" if EMPTY in codes else f"cannot be read: {said(error)}"
        sentence = f"{source.shown} {wrong}. Nothing was landed"
        if source.function != "file" and codes & NETWORK:
            raise WarehouseError(sentence) from None
        raise UsageError(sentence) from None


def said(error: ClickHouseError) -> str:
    """The innermost reason, without where in ClickHouse it came up."""
    *_, reason = re.split(r"Code: \d+(?:\. DB::Exception: |, e\.code\(\) = \d+, )", str(error))
    reason = re.split(r": \(in file/uri|: While |\. \([A-Z_]+\)| \([A-Z_]+\)| \(version|\n", reason.strip())[0]
    return shown(reason.strip(" .:"))[:300]
