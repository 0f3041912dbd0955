"""Load entities: which windows are missing, their pages into batches, the batches into the warehouse.

A window's progress is recorded only after its rows are acknowledged, so dying at any moment loses nothing: the same
command asks again for what is not recorded, and a row that is landed twice counts once in the models.
"""

import asyncio
import json
import os
import time
import uuid
from collections import Counter, defaultdict
from collections.abc import Callable, Coroutine, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import chain
from typing import Any

from loaders.entities import Columns, Entity, Row
from loaders.subgraph import Filter, Head, SettingError
from loaders.warehouse import Rejected, Warehouse, WindowState

BATCH_SECONDS = 5.0  # a batch is landed after this time even if it is small
BEAT_SECONDS = 30.0  # between signs of life
QUEUED_PAGES = 32  # that may wait while a batch is inserted


@dataclass
class Result:
    """What a load did; the command prints it and takes its exit code from it."""

    rows: dict[str, int] = field(default_factory=lambda: defaultdict(int))  # landed, by entity
    rejected: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    not_found: dict[str, int] = field(default_factory=lambda: defaultdict(int))  # ids unknown to the subgraph
    open_windows: list[str] = field(default_factory=list)  # sentences
    notes: list[str] = field(default_factory=list)


async def all_of(*work: Coroutine[Any, Any, None]) -> None:
    """Run all side by side; the first failure cancels the rest and is raised as it is."""
    try:
        async with asyncio.TaskGroup() as group:
            for one in work:
                group.create_task(one)
    except BaseExceptionGroup as failures:
        raise failures.exceptions[0] from None


@dataclass(frozen=True)
class Delivery:
    """A page on its way to the warehouse, and the states that its landing means."""

    entity: Entity | None
    rows: list[Row]
    states: tuple[WindowState, ...]
    landed: asyncio.Event | None = None  # set when this and all before it are landed

    @property
    def window(self) -> tuple[str, str, datetime] | None:
        """Which window the rows are of; its end may change while it is loaded."""
        return (self.states[0].entity, self.states[0].scope, self.states[0].since) if self.states else None


class Landing:
    """One writer behind a bounded queue: pages of all entities become few large inserts.

    Use it as an async context; leaving it lands what is in hand, also when the load failed or was stopped.
    """

    def __init__(self, warehouse: Warehouse, result: Result, batch_size: int = 50_000) -> None:
        self.warehouse = warehouse
        self.result = result
        prefix = os.environ.get("POLYLEDGER_RUN_PREFIX", "")
        self.run_id = f"{prefix}{datetime.now(UTC):%Y%m%dT%H%M%S}-{uuid.uuid4().hex[:8]}"
        self._batch_size = batch_size
        self._queue: asyncio.Queue[Delivery | None] = asyncio.Queue(QUEUED_PAGES)
        self._turn = asyncio.Lock()  # a full queue may let a later delivery pass; a window's states come in order
        self._rows: dict[str, tuple[Entity, list[Columns]]] = {}
        self._rejected: list[Rejected] = []
        self._windows: dict[tuple[str, str, datetime, datetime], WindowState] = {}
        # Rows by window that would be fetched again if the process died now, and those of them in the next insert.
        self._unlanded: Counter[tuple[str, str, datetime] | None] = Counter()
        self._landing: Counter[tuple[str, str, datetime] | None] = Counter()
        self._landed = asyncio.Event()
        self._held = 0
        self._held_since = time.monotonic()
        self._next_beat = time.monotonic() + BEAT_SECONDS
        self.failure: Exception | None = None  # of the warehouse: nothing that came after it is landed
        self.beat: Callable[[], None] = lambda: None  # called now and then between inserts: a sign of life

    async def __aenter__(self) -> "Landing":
        self._writer = asyncio.create_task(self._write())
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, _: object) -> None:
        await self._queue.put(None)
        await self._writer
        if self.failure and error is None:
            raise self.failure

    async def add(self, entity: Entity, rows: list[Row], states: Iterable[WindowState] = ()) -> None:
        """Hand over a page, and what to remember once it is landed. Raises WarehouseError of an earlier page.

        Returns when less than a batch of that window waits to be landed: no more is lost with the process.
        """
        delivery = Delivery(entity, rows, tuple(states))
        await self._deliver(delivery)
        while self._unlanded[delivery.window] >= self._batch_size and not self.failure:
            await self._landed.wait()

    async def flush(self) -> None:
        """Wait until all that was handed over is landed. Raises WarehouseError."""
        landed = asyncio.Event()
        await self._deliver(Delivery(None, [], (), landed))
        await landed.wait()
        if self.failure:
            raise self.failure

    async def _deliver(self, delivery: Delivery) -> None:
        if self.failure:
            raise self.failure
        self._unlanded[delivery.window] += len(delivery.rows)
        async with self._turn:
            await self._queue.put(delivery)

    async def _write(self) -> None:
        coming = asyncio.create_task(self._queue.get())
        while True:
            due = self._held_since + BATCH_SECONDS if self._held else self._next_beat
            await asyncio.wait({coming}, timeout=max(min(due, self._next_beat) - time.monotonic(), 0))
            if time.monotonic() >= self._next_beat:
                self._next_beat = time.monotonic() + BEAT_SECONDS
                await self._try(self.beat)
            if not coming.done():
                if self._held and time.monotonic() >= due:
                    await self._land()
                continue
            delivery = coming.result()
            if delivery is None:
                await self._land()
                return
            coming = asyncio.create_task(self._queue.get())
            await self._try(partial(self._take, delivery))
            self._landing[delivery.window] += len(delivery.rows)
            if delivery.landed or self._held >= self._batch_size:
                await self._land()
            if delivery.landed:
                delivery.landed.set()

    def _take(self, delivery: Delivery) -> None:
        entity = delivery.entity
        if not self._held:
            self._held_since = time.monotonic()
        if entity and delivery.rows:
            columns, damaged = entity.parse_page(delivery.rows)
            self._rows.setdefault(entity.table, (entity, []))[1].append(columns)
            for row, reason in damaged:
                row_id = row.get("id") if isinstance(row, dict) else None
                self._rejected.append(Rejected(entity.name, str(row_id or ""), reason, json.dumps(row, sort_keys=True)))
        for state in delivery.states:
            self._windows[state.entity, state.scope, state.since, state.until] = state
        self._held += len(delivery.rows) + len(delivery.states)

    async def _land(self) -> None:
        await self._try(self._insert)
        self._rows, self._rejected, self._windows, self._held = {}, [], {}, 0
        self._unlanded -= self._landing
        self._landing.clear()
        self._landed.set()
        self._landed = asyncio.Event()

    async def _try(self, work: Callable[[], None]) -> None:
        """Work in a thread, so that pages go on arriving. After a failure nothing more is landed or remembered."""
        if self.failure:
            return
        try:
            await asyncio.to_thread(work)
        except Exception as error:  # whatever it is: it is raised where pages come from, and stops the load
            self.failure = error
            self._landed.set()

    def _insert(self) -> None:
        for entity, pages in self._rows.values():
            columns = [list(chain.from_iterable(parts)) for parts in zip(*pages, strict=True)]
            self.warehouse.insert(entity, columns, self.run_id)
            self.result.rows[entity.name] += len(columns[0])
        self.warehouse.insert_rejected(self._rejected, self.run_id)
        for rejected in self._rejected:
            self.result.rejected[rejected.entity] += 1
        # Last, and only now: what is remembered is landed.
        self.warehouse.record(self._windows.values())


def batch_rows() -> int:
    """POLYLEDGER_BATCH_ROWS, by default 50,000. Raises SettingError."""
    given = os.environ.get("POLYLEDGER_BATCH_ROWS") or "50000"
    if not given.isdecimal() or not 0 < int(given) <= 10_000_000:
        raise SettingError(f"POLYLEDGER_BATCH_ROWS must be a number of rows from 1 to 10,000,000, not {given!r}")
    return int(given)


@dataclass(frozen=True)
class Series:
    """Events of one entity under one filter: what load_windows remembers separately."""

    entity: Entity
    scope: str = ""
    filters: tuple[Filter, ...] = ()


def plan(
    series: Series, since: datetime, until: datetime, known: list[WindowState], resume_since: datetime | None = None
) -> list[WindowState]:
    """The windows to load so that [since, until) is complete, given what is remembered.

    An open window inside the range is continued at its cursor (where `resume_since` is given: an earlier one from there
    on too); what no window covers becomes new ones.
    """
    resumed = [w for w in known if w.state == "open" and (resume_since or since) <= w.since and w.until <= until]
    covered = sorted((w.since, w.until) for w in [*resumed, *(w for w in known if w.state == "complete")])
    windows = list(resumed)
    start = since
    for first, end in covered:
        if first > start:
            windows.append(WindowState(series.entity.name, series.scope, start, min(first, until)))
        start = max(start, end)
        if start >= until:
            break
    if start < until:
        windows.append(WindowState(series.entity.name, series.scope, start, until))
    return sorted((w for w in windows if w.since < w.until), key=lambda w: w.since)


def default_since(known: list[WindowState], first: datetime) -> datetime:
    """Where a load without a range begins: the last complete moment, else the first open window, else `first`."""
    still_open = [w.since for w in known if w.state == "open"]
    complete = [w.until for w in known if w.state == "complete"]
    return max(complete) if complete else min(still_open, default=first)


def last_second(head: Head) -> datetime:
    """End (exclusive) of what a subgraph can be asked for: nothing after its head block is known."""
    if head.time is None:
        return datetime.now(UTC).replace(microsecond=0)
    return datetime.fromtimestamp(head.time, UTC) + timedelta(seconds=1)
