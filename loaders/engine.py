"""Load windows of events side by side: a few workers, and work for each as long as there is any.

A window is read page by page from its beginning. When a worker is idle, the window with most rows ahead is split and
the worker takes the later half. Before its first split a window's last page is asked for, so that a crowd of rows in a
corner of a long range is found at once. How far each part is landed is remembered in load_windows, splits included.
"""

import asyncio
import math
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from loaders.loading import Landing, Series
from loaders.subgraph import PAGE_SIZE, SubgraphError, Subgraphs, event_page, position
from loaders.warehouse import WindowState

WORTH_SPLITTING = 4 * PAGE_SIZE  # rows ahead: a split costs half a page, at the end of the earlier part
GIVE_UP_AFTER = 8  # windows that failed in a row, with none loaded between

Tick = Callable[[int, float], None]  # rows of a page, and seconds of the range that are done with it


@dataclass(eq=False)
class Job:
    """A window, or a part of one: rows stamped since <= t < until (unix seconds)."""

    series: Series
    since: int
    until: int
    cursor: str = ""
    tick: Tick = lambda rows, seconds: None
    is_recorded: bool = True  # false for the last minutes before the head, which are read again next time
    is_end_known: bool = False  # there are rows shortly before until
    is_end_asked: bool = False  # a worker is finding out
    rows_per_second: float = 0.0  # of time, as dense as the last page was
    page_size: int = PAGE_SIZE

    @property
    def reached(self) -> int:
        """Second up to which rows are had."""
        return int(self.cursor.partition(":")[0]) if self.cursor else self.since

    @property
    def rows_ahead(self) -> float:
        """As many rows as there would be if it went on as densely."""
        return self.rows_per_second * (self.until - self.reached)

    def states(self, state: str) -> list[WindowState]:
        """What to remember of it; nothing for a job that is not recorded."""
        if not self.is_recorded:
            return []
        since, until = datetime.fromtimestamp(self.since, UTC), datetime.fromtimestamp(self.until, UTC)
        return [WindowState(self.series.entity.name, self.series.scope, since, until, self.cursor, state)]


class Engine:
    """Runs jobs over one endpoint into one landing."""

    def __init__(self, subgraphs: Subgraphs, landing: Landing) -> None:
        self._subgraphs = subgraphs
        self._landing = landing
        self._waiting: deque[Job] = deque()
        self._active: set[Job] = set()
        self._changed = asyncio.Event()
        self._failed_in_a_row = 0

    async def run(self, jobs: list[Job]) -> None:
        """Load all jobs. One that fails stays open and is reported; after a few in a row no other is begun."""
        self._waiting.extend(jobs)
        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(self._subgraphs.settings.concurrency):
                    group.create_task(self._work())
        except BaseExceptionGroup as failures:
            raise failures.exceptions[0] from None

    async def _work(self) -> None:
        while self._waiting or self._active:
            changed = self._changed  # taken first, so that no change is missed while looking for work
            job = await self._next_job()
            if job is None:
                await changed.wait()
                continue
            self._active.add(job)
            try:
                await self._load(job)
                self._failed_in_a_row = 0
            except SubgraphError as error:
                self._fail(job, error)
            finally:
                self._active.discard(job)
                self._pulse()

    def _pulse(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()

    def _fail(self, job: Job, error: SubgraphError) -> None:
        since, until = (f"{datetime.fromtimestamp(t, UTC):%Y-%m-%d %H:%M:%S}" for t in (job.since, job.until))
        name = f"{job.series.entity.name} {job.series.scope}".rstrip()
        self._landing.result.open_windows.append(f"{name} {since} to {until} is still open: {error}")
        self._failed_in_a_row += 1
        if self._failed_in_a_row >= GIVE_UP_AFTER and self._waiting:
            self._landing.result.open_windows.append(f"{len(self._waiting):,} more windows were not begun")
            self._waiting.clear()

    async def _next_job(self) -> Job | None:
        if self._waiting:
            return self._waiting.popleft()
        # As many as keep the allowed rate busy: more would only cut the work into smaller pieces.
        pace = self._subgraphs.pace
        useful = math.ceil(pace.rate * pace.seconds_per_answer * 1.5) + 1
        if len(self._active) >= useful:
            return None
        open_jobs = (job for job in self._active if not job.is_end_asked)
        widest = max(open_jobs, key=lambda job: job.rows_ahead, default=None)
        if widest is None or widest.rows_ahead < WORTH_SPLITTING:
            return None
        if not widest.is_end_known:
            widest.is_end_asked = True  # until the answer is here, nobody else changes this job's end
            try:
                await self._find_end(widest)
            finally:
                widest.is_end_asked = False
        return await self._split(widest)

    async def _find_end(self, job: Job) -> None:
        """Land the window's last page, and leave the job what lies before it."""
        entity, filters = job.series.entity, job.series.filters
        before = job.until
        job.is_end_known = True  # or not worth a second try
        try:
            page = await event_page(self._subgraphs, entity, job.reached, before, "", filters, newest=True)
        except SubgraphError:
            return
        found = page.positions
        if not found or job not in self._active:
            return
        tail = Job(job.series, min(found)[0] + 1, before, is_recorded=job.is_recorded)
        if not job.reached < tail.since <= before:
            return
        rows = [row for row in page.rows if not (p := position(row)) or p[0] >= tail.since]
        whole, job.until = job.states("split"), tail.since
        await self._landing.add(entity, rows, [*whole, *job.states("open"), *tail.states("complete")])
        job.tick(len(rows), before - tail.since)

    async def _split(self, job: Job) -> Job | None:
        middle = job.reached + (job.until - job.reached) // 2
        if job not in self._active or job.rows_ahead < WORTH_SPLITTING or not job.reached < middle < job.until:
            return None
        later = Job(job.series, middle, job.until, tick=job.tick, is_recorded=job.is_recorded, is_end_known=True)
        whole, job.until = job.states("split"), middle
        await self._landing.add(job.series.entity, [], [*whole, *job.states("open"), *later.states("open")])
        return later

    async def _load(self, job: Job) -> None:
        await self._landing.add(job.series.entity, [], job.states("open"))
        while True:
            entity, filters = job.series.entity, job.series.filters
            page = await event_page(self._subgraphs, entity, job.since, job.until, job.cursor, filters, job.page_size)
            rows, found, had = page.rows, page.positions, job.reached
            if found and found[-1][0] >= job.until:
                # Meanwhile a later part was split off: its rows are another worker's.
                rows = [row for row in rows if not (p := position(row)) or p[0] < job.until]
                found = [p for p in found if p[0] < job.until]
            if found:
                job.cursor = f"{found[-1][0]}:{found[-1][1]}"
                job.rows_per_second = len(found) / (found[-1][0] - found[0][0] + 1)
            job.page_size = min(page.size * 2, PAGE_SIZE)  # smaller after a time-out, and back again
            is_last = len(page.rows) < page.size or len(rows) < len(page.rows)
            if is_last:
                # Handing over may take long; split meanwhile, it would be open again and nobody's.
                self._active.discard(job)
            await self._landing.add(entity, rows, job.states("complete" if is_last else "open"))
            job.tick(len(rows), (job.until if is_last else job.reached) - had)
            if is_last:
                return
            self._pulse()
