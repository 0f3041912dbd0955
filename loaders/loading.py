"""Load entities: which windows are missing, their pages into batches, the batches into the warehouse.

A window's progress is recorded only after its rows are acknowledged, so dying at any moment loses nothing: the same
command asks again for what is not recorded, and a row that is landed twice counts once in the models.
"""

import asyncio
import contextlib
import json
import os
import time
import uuid
from collections import Counter, defaultdict
from collections.abc import Callable, Coroutine, Iterable
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

from loaders import journal
from loaders.entities import Entity, Row
from loaders.subgraph import Filter, Head, SettingError
from loaders.warehouse import Rejected, Warehouse, WindowState

BATCH_SECONDS = 5.0  # a batch is landed after this time even if it is small
BEAT_SECONDS = 30.0  # between signs of life


@dataclass
class Result:
    """What a load did; the command prints it and takes its exit code from it."""

    rows: dict[str, int] = field(default_factory=lambda: defaultdict(int))  # landed, by entity
    rejected: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    not_found: dict[str, int] = field(default_factory=lambda: defaultdict(int))  # ids unknown to the subgraph
    open_windows: list[str] = field(default_factory=list)  # sentences
    notes: list[str] = field(default_factory=list)
    files: list[dict[str, Any]] = field(default_factory=list)  # what was in each file that was loaded


async def all_of(*work: Coroutine[Any, Any, None]) -> None:
    """Run all side by side; the first failure cancels the rest and is raised as it is."""
    try:
        async with asyncio.TaskGroup() as group:
            for one in work:
                group.create_task(one)
    except BaseExceptionGroup as failures:
        raise failures.exceptions[0] from None


# By entity, filter and beginning: the end of a window may change while it is loaded.
Window = tuple[str, str, datetime]


class Batch:
    """Pages of one entity that are landed together, and what to remember once they are."""

    def __init__(self, entity: Entity) -> None:
        self.entity = entity
        self.blocks: list[bytes] = []
        self.rows = 0
        self.rejected: list[Rejected] = []
        self.states: dict[tuple[str, str, datetime, datetime], WindowState] = {}
        self.by_window: Counter[Window] = Counter()  # rows
        self.due = time.monotonic() + BATCH_SECONDS
        self.taken = asyncio.Event()  # the writer has it, and the next one is being filled
        self.landed = asyncio.Event()  # or will never be: see Landing.failure

    def add(self, rows: list[Row], states: Iterable[WindowState], run_id: str) -> None:
        if rows:
            block = self.entity.block(rows, run_id)
            self.blocks.append(block.data)
            self.rows += block.rows
            for row, reason in block.damaged:
                row_id = str(row.get("id") or "") if isinstance(row, dict) else ""
                row_id = row_id.encode(errors="replace").decode()  # half of a surrogate pair cannot be stored
                raw = json.dumps(row, sort_keys=True)
                self.rejected.append(Rejected(self.entity.name, row_id, reason, raw))
        for state in states:
            self.states[state.entity, state.scope, state.since, state.until] = state


class Landing:
    """One writer: pages become few large inserts, one batch is inserted while the next one is filled.

    Of the `batch_size` rows that may be in hand, half are inserted while the other half is filled: a death costs no
    more than that. Use it as an async context; leaving it lands what is in hand, also when the load failed or was
    stopped.
    """

    def __init__(self, warehouse: Warehouse, result: Result, batch_size: int = 50_000) -> None:
        self.warehouse = warehouse
        self.result = result
        prefix = os.environ.get("POLYLEDGER_RUN_PREFIX", "")
        self.run_id = f"{prefix}{datetime.now(UTC):%Y%m%dT%H%M%S}-{uuid.uuid4().hex[:8]}"
        self._batch_size = batch_size
        self._filling: dict[str, Batch] = {}  # by entity, the one that waits longest first
        self._inserting: Batch | None = None
        self._changed = asyncio.Event()
        self._is_closing = False
        self._next_beat = time.monotonic() + BEAT_SECONDS
        self.failure: Exception | None = None  # of the warehouse: nothing that came after it is landed
        self.beat: Callable[[], None] = lambda: None  # called now and then between inserts: a sign of life

    async def __aenter__(self) -> "Landing":
        self._writer = asyncio.create_task(self._write())
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, _: object) -> None:
        self._is_closing = True
        self._changed.set()
        await self._writer
        if self.failure and error is None:
            raise self.failure

    async def add(self, entity: Entity, rows: list[Row], states: Iterable[WindowState] = ()) -> None:
        """Hand over a page, and what to remember once it is landed. Raises WarehouseError of an earlier page.

        Returns when less than a batch of that window waits to be landed: no more is lost with the process.
        """
        self._check()
        states = tuple(states)
        batch = self._filling.get(entity.name)
        if batch is None:
            batch = self._filling[entity.name] = Batch(entity)
        batch.add(rows, states, self.run_id)
        window = (states[0].entity, states[0].scope, states[0].since) if states else None
        if window:
            batch.by_window[window] += len(rows)
        if self._is_due(batch):
            self._changed.set()
            await batch.taken.wait()
        if window:
            while self._in_hand(window) >= self._batch_size and self._inserting:
                await self._inserting.landed.wait()
        self._check()

    async def flush(self) -> None:
        """Wait until all that was handed over is landed. Raises WarehouseError."""
        batches = [*self._filling.values(), *filter(None, [self._inserting])]
        for batch in batches:
            batch.due = 0.0
        self._changed.set()
        for batch in batches:
            await batch.landed.wait()
        self._check()

    def _in_hand(self, window: Window) -> int:
        """Rows of a window that would be fetched again if the process died now."""
        batches = filter(None, [self._filling.get(window[0]), self._inserting])
        return sum(batch.by_window[window] for batch in batches)

    def _check(self) -> None:
        if self.failure:
            raise self.failure

    def _is_due(self, batch: Batch) -> bool:
        return self._is_closing or batch.rows >= self._batch_size / 2 or batch.due <= time.monotonic()

    async def _write(self) -> None:
        while True:
            self._changed.clear()
            if time.monotonic() >= self._next_beat:
                self._next_beat = time.monotonic() + BEAT_SECONDS
                await self._try(self.beat)
            batch = next(filter(self._is_due, self._filling.values()), None)
            if batch:
                self._inserting = self._filling.pop(batch.entity.name)
                batch.taken.set()
                await self._try(partial(self._insert, batch))
                self._inserting = None
                batch.landed.set()
            elif self._is_closing:
                return
            else:
                wake = min([self._next_beat, *(batch.due for batch in self._filling.values())])
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._changed.wait(), max(wake - time.monotonic(), 0))

    async def _try(self, work: Callable[[], None]) -> None:
        """Work in a thread, so that pages go on arriving. After a failure nothing more is landed or remembered."""
        if self.failure:
            return
        try:
            await asyncio.to_thread(work)
        except Exception as error:  # whatever it is: it is raised where pages come from, and stops the load
            self.failure = error

    def _insert(self, batch: Batch) -> None:
        name = batch.entity.name
        if batch.rows:
            started = time.monotonic()
            self.warehouse.insert(batch.entity, batch.blocks, batch.rows)
            self.result.rows[name] += batch.rows
            journal.note("insert", entity=name, rows=batch.rows, seconds=time.monotonic() - started)
        if batch.rejected:
            self.warehouse.insert_rejected(batch.rejected, self.run_id)
            self.result.rejected[name] += len(batch.rejected)
            for rejected in batch.rejected:
                journal.note("rejected", entity=name, id=rejected.row_id, reason=rejected.reason)
        # Last, and only now: what is remembered is landed.
        self.warehouse.record(batch.states.values())
        for window in batch.states.values():
            if window.state != "not_found":
                journal.note("window", **asdict(window))


def batch_rows() -> int:
    """POLYLEDGER_BATCH_ROWS: of one entity in hand at most, by default 50,000. Raises SettingError."""
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
