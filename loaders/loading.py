"""Load entities: which windows are missing, their pages into batches, the batches into the warehouse.

A window's progress is recorded only after its rows are acknowledged, so dying at any moment loses nothing: the same
command asks again for what is not recorded, and a row that is landed twice counts once in the models.
"""

import asyncio
import json
import os
import time
import uuid
from collections import defaultdict
from collections.abc import Callable, Coroutine, Iterable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from loaders.entities import Entity, Row, RowError
from loaders.subgraph import Filter, Head, SettingError, SubgraphError, Subgraphs, position, timed_pages
from loaders.warehouse import Rejected, Warehouse, WindowState

BATCH_SECONDS = 5.0  # a batch is landed after this time even if it is small


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


class Landing:
    """Collects parsed rows over pages and entities, and lands them in large batches."""

    def __init__(self, warehouse: Warehouse, result: Result, batch_size: int = 50_000) -> None:
        self.warehouse = warehouse
        self.result = result
        prefix = os.environ.get("POLYLEDGER_RUN_PREFIX", "")
        self.run_id = f"{prefix}{datetime.now(UTC):%Y%m%dT%H%M%S}-{uuid.uuid4().hex[:8]}"
        self._batch_rows = batch_size
        self._rows: dict[str, tuple[Entity, list[tuple[Any, ...]]]] = {}
        self._rejected: list[Rejected] = []
        self._windows: dict[tuple[str, str, datetime, datetime], WindowState] = {}
        self._since = time.monotonic()
        self._busy = asyncio.Lock()

    async def add(self, entity: Entity, rows: Iterable[Row], progress: WindowState | None = None) -> None:
        """Take a page, and the progress that it means once it is landed."""
        async with self._busy:
            good = self._rows.setdefault(entity.table, (entity, []))[1]
            for row in rows:
                try:
                    good.append(entity.parse(row))
                except RowError as error:
                    row_id = row.get("id") if isinstance(row, dict) else None
                    raw = json.dumps(row, sort_keys=True)
                    self._rejected.append(Rejected(entity.name, str(row_id or ""), str(error), raw))
            if progress is not None:
                self._windows[progress.entity, progress.scope, progress.since, progress.until] = progress
            held = sum(len(rows) for _, rows in self._rows.values()) + len(self._rejected)
            if held >= self._batch_rows or time.monotonic() - self._since > BATCH_SECONDS:
                await asyncio.to_thread(self._land)

    async def flush(self) -> None:
        """Land what is held."""
        async with self._busy:
            await asyncio.to_thread(self._land)

    def _land(self) -> None:
        for entity, rows in self._rows.values():
            self.warehouse.insert(entity, rows, self.run_id)
            self.result.rows[entity.name] += len(rows)
        self.warehouse.insert_rejected(self._rejected, self.run_id)
        for rejected in self._rejected:
            self.result.rejected[rejected.entity] += 1
        # Last, and only now: what is recorded is landed.
        self.warehouse.record(self._windows.values())
        self._rows, self._rejected, self._windows = {}, [], {}
        self._since = time.monotonic()


def batch_rows() -> int:
    """POLYLEDGER_BATCH_ROWS, by default 50,000. Raises SettingError."""
    given = os.environ.get("POLYLEDGER_BATCH_ROWS", "50000")
    if not given.isdigit() or not 0 < int(given) <= 10_000_000:
        raise SettingError(f"POLYLEDGER_BATCH_ROWS must be a number of rows from 1 to 10,000,000, not {given!r}")
    return int(given)


@dataclass(frozen=True)
class Series:
    """Events of one entity under one filter: what load_windows remembers separately."""

    entity: Entity
    scope: str = ""
    filters: tuple[Filter, ...] = ()


def plan(series: Series, since: datetime, until: datetime, known: list[WindowState]) -> list[WindowState]:
    """The windows to load so that [since, until) is complete, given what is remembered.

    An open window inside the range is continued at its cursor; what no window covers becomes new ones.
    """
    resumed = [w for w in known if w.state == "open" and since <= w.since and w.until <= until]
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
    """Where a load without a range begins: the first open window, else the last complete moment, else `first`."""
    still_open = [w.since for w in known if w.state == "open"]
    complete = [w.until for w in known if w.state == "complete"]
    return min(still_open) if still_open else max(complete, default=first)


def last_second(head: Head) -> datetime:
    """End (exclusive) of what a subgraph can be asked for: nothing after its head block is known."""
    if head.time is None:
        return datetime.now(UTC).replace(microsecond=0)
    return datetime.fromtimestamp(head.time, UTC) + timedelta(seconds=1)


async def load_window(
    subgraphs: Subgraphs,
    landing: Landing,
    series: Series,
    window: WindowState,
    progress: Callable[[int, datetime], None],
) -> None:
    """Load what is missing of one window. On SubgraphError the window stays open in load_windows."""
    await landing.add(series.entity, [], replace(window, state="open"))
    try:
        async for rows in timed_pages(
            subgraphs,
            series.entity,
            int(window.since.timestamp()),
            int(window.until.timestamp()),
            window.cursor,
            series.filters,
        ):
            last = max((p for p in map(position, rows) if p), default=None)
            if last is not None:
                window = replace(window, cursor=f"{last[0]}:{last[1]}")
            await landing.add(series.entity, rows, replace(window, state="open"))
            progress(len(rows), datetime.fromtimestamp(last[0], UTC) if last else window.until)
        await landing.add(series.entity, [], replace(window, state="complete"))
    except SubgraphError as error:
        landing.result.open_windows.append(
            f"{window.entity} {window.scope} {window.since:%Y-%m-%d %H:%M:%S} to {window.until:%Y-%m-%d %H:%M:%S} "
            f"is still open: {error}".replace("  ", " ")
        )
