"""Where the time of a small real load goes: the endpoint's answers, reading them, inserting them.

Some pages of order fills take the way of every load, into a table of the same shape that is dropped afterwards:
nothing is landed, and load_windows knows nothing of it.
"""

import asyncio
import json
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from loaders.checks import report
from loaders.embedded import PREFIX, folder
from loaders.entities import ORDER_FILLS, V1_START, Block, Entity
from loaders.options import UsageError
from loaders.subgraph import Settings, Subgraphs, timed_pages
from loaders.target import Target
from loaders.warehouse import Warehouse, opened

SCRATCH = "profile_"  # begin of the table's name
ABANDONED = "1 hour"  # after which a table of a profile that was killed is dropped by the next one


@dataclass(frozen=True)
class Measured:
    """Seconds of each part. Requests were made one after the other."""

    rows: int
    pages: int
    requests: int
    megabytes: float  # answered, after decompression
    waiting: float  # for the allowed rate
    query: float
    parse: float  # JSON, checks and conversions
    insert: float
    allowed: float  # requests a second
    concurrency: int  # requests side by side that a load may have

    @property
    def rows_per_second(self) -> dict[str, float]:
        """What each part could do by itself in a load; the slowest is what limits it."""
        per_request = self.rows / self.requests
        asked = min(self.allowed, self.concurrency * self.requests / max(self.query, 1e-9))
        return {
            "query": asked * per_request,
            "parse": self.rows / max(self.parse, 1e-9),
            "insert": self.rows / max(self.insert, 1e-9),
        }


def measure(target: Target, since: datetime | None, pages: int, wait: float) -> Measured:
    """Load some pages from a moment on. Raises UsageError where there are none, and as loads do."""
    settings = Settings.from_environment()
    with _somewhere(target) as where, opened(where, wait) as warehouse:
        warehouse.create_tables()
        with _scratch(warehouse) as entity:
            return asyncio.run(_measure(settings, warehouse, entity, since or V1_START, pages))


async def _measure(settings: Settings, warehouse: Warehouse, entity: Entity, since: datetime, pages: int) -> Measured:
    blocks: list[Block] = []
    parsing = 0.0
    async with Subgraphs(settings) as subgraphs:
        head = await subgraphs.head(entity.subgraph)
        counts = subgraphs.counts
        before, begin = replace(counts), time.monotonic()
        end = (head.time or int(time.time())) + 1
        async for rows in timed_pages(subgraphs, entity, int(since.timestamp()), end):
            started = time.monotonic()
            blocks.append(entity.block(rows, "profile"))
            parsing += time.monotonic() - started
            if len(blocks) == pages:
                break
        total, answering = time.monotonic() - begin, counts.seconds - before.seconds
    landed = sum(block.rows for block in blocks)
    if not landed:
        raise UsageError(f"there is no fill from {since:%Y-%m-%d %H:%M:%S} UTC on: name an earlier --since")
    # The first insert of a process costs what no other does.
    warehouse.insert(entity, [blocks[0].data], blocks[0].rows)
    started = time.monotonic()
    warehouse.insert(entity, [block.data for block in blocks], landed)
    inserting = time.monotonic() - started
    decoding = counts.decoding - before.decoding
    return Measured(
        rows=landed,
        pages=len(blocks),
        requests=counts.requests - before.requests,
        megabytes=(counts.bytes - before.bytes) / 1e6,
        waiting=max(total - answering - parsing, 0.0),
        query=answering - decoding,
        parse=decoding + parsing,
        insert=inserting,
        allowed=settings.requests_per_second,
        concurrency=settings.concurrency,
    )


def show(measured: Measured, as_json: bool) -> None:
    """Print shares and what they mean."""
    seconds = {"query": measured.query, "parse": measured.parse, "insert": measured.insert}
    total = sum(seconds.values())
    possible = measured.rows_per_second
    limit = min(possible, key=lambda part: possible[part])
    if as_json:
        shares = {part: round(value / total, 4) for part, value in seconds.items()}
        figures = {
            name: round(value, 6) if isinstance(value, float) else value for name, value in asdict(measured).items()
        }
        rates = {part: round(value) for part, value in possible.items()}
        print(json.dumps(figures | {"shares": shares, "rows_per_second": rates, "limited_by": limit}, indent=2))
        return
    rows = [
        (part, f"{value:.3f}", f"{value / total:.0%}", f"{1e6 * value / measured.rows:,.0f}", f"{possible[part]:,.0f}")
        for part, value in seconds.items()
    ]
    out = report.console()
    out.print(f"{measured.rows:,} fills in {measured.pages:,} pages ({measured.megabytes:.1f} MB), then one insert:")
    out.print(report.table("", ("", "seconds", "share", "µs a row", "rows/s at most"), rows))
    waiting = f" {measured.waiting:.1f} s were spent waiting for the allowed rate." if measured.waiting > 0.1 else ""
    what = "the endpoint" if limit == "query" else f"the {limit} of this machine"
    out.print(
        f"A load asks up to {measured.concurrency} questions at once and {measured.allowed:g} a second; it is limited "
        f"by {what}: {possible[limit]:,.0f} rows/s.{waiting}"
    )


@contextmanager
def _somewhere(target: Target) -> Iterator[Target]:
    """The target itself; where its folder is not there yet, one beside it that goes away again."""
    path = folder(target.host)
    if path is None or path.exists():
        yield target
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f"{path.name}.profile-", dir=path.parent) as beside:
        yield replace(target, host=f"{PREFIX}{Path(beside) / 'data'}")


@contextmanager
def _scratch(warehouse: Warehouse) -> Iterator[Entity]:
    """Order fills whose table is a new one of the same shape, dropped at the end."""
    known = warehouse.rows(
        "select name from system.tables where database = {database:String} and match(name, {name:String}) "
        f"and metadata_modification_time < now() - interval {ABANDONED}",
        {"database": warehouse.raw, "name": f"^{SCRATCH}[0-9]{{14}}_[0-9a-f]{{8}}$"},
    )
    for (name,) in known:
        warehouse.command(f"drop table if exists {warehouse.raw}.{name}")
    table = f"{SCRATCH}{datetime.now(UTC):%Y%m%d%H%M%S}_{uuid.uuid4().hex[:8]}"
    # On a cluster a table like the Distributed one would put its rows among the real ones.
    like = f"{warehouse.raw}.{ORDER_FILLS.table}{'_local' if warehouse.target.cluster else ''}"
    warehouse.command(f"create table {warehouse.raw}.{table} as {like}")
    try:
        yield replace(ORDER_FILLS, table=table)
    finally:
        warehouse.command(f"drop table if exists {warehouse.raw}.{table}")
