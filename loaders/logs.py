"""Which logs of the chain to ask for: those of the blocks that are missing, up to where blocks do not change any more.

A window is a range of blocks. load_windows has its times, and its blocks in `cursor`: the first, the last one landed
and the last of the range, then the hash of the last one landed. By that hash the next run sees whether the chain is
still the one that was read; what is landed of blocks that have left it is marked as deleted, and read anew.
"""

import asyncio
import re
from collections import deque
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

from loaders.events import Event
from loaders.loading import Landing
from loaders.progress import Progress
from loaders.rpc import Logs, Node, NodeError, TooMuchError
from loaders.warehouse import Warehouse, WindowState

CONFIRMATIONS = 200  # blocks on top of one that is not expected to change: some seven minutes
WANTED_LOGS = 4_000  # of one answer
FIRST_BLOCKS, MOST_BLOCKS = 500, 100_000  # of one question
TIP_BLOCKS = 10_000  # in a window of their own: what is read anew when the chain is reorganised
ANEW = 3  # readings of a window while the chain is being reorganised


@dataclass(frozen=True)
class Asked:
    """What was asked for: moments or blocks, both ends optional; `last` is included, `until` is not."""

    events: tuple[Event, ...]
    since: datetime | None = None
    until: datetime | None = None
    first: int | None = None
    last: int | None = None
    confirmations: int = CONFIRMATIONS


@dataclass(frozen=True)
class Span:
    """A window in blocks: first to last are wanted, first to landed are had; `hash` is that of block `landed`."""

    state: WindowState
    first: int
    landed: int
    last: int
    hash: str

    def remembered(self) -> WindowState:
        """What to record of it."""
        cursor = f"{self.first}-{self.landed}-{self.last}:{self.hash}"
        return replace(self.state, cursor=cursor, state="complete" if self.landed == self.last else "open")


class ReorganisedError(Exception):
    """What was just read does not follow on what was read before it."""


class Width:
    """How many blocks to ask for at once: as many as bring about the wanted number of logs, and the node allows."""

    def __init__(self) -> None:
        self.blocks = FIRST_BLOCKS
        self._most = MOST_BLOCKS
        self._wanted = WANTED_LOGS

    def answered(self, blocks: int, logs: int) -> None:
        fitting = min(max(self._wanted * blocks // max(logs, 1), 1), self._most)
        # A short question at the end of a range says nothing of longer ones.
        self.blocks = fitting if fitting < self.blocks else min(fitting, max(self.blocks, 2 * blocks))

    def refused(self, first: int, last: int, error: TooMuchError) -> int:
        """How many of the blocks first to last to ask for instead."""
        asked = last - first + 1
        fitting = error.blocks or (error.last - first + 1 if error.last else asked // 2)
        if not error.by_matches:
            self._most = min(self._most, fitting)
        elif asked <= self.blocks:  # of several that were under way at once, the first has said it
            self._wanted = max(self._wanted // 2, 1)
        self.blocks = min(self.blocks, fitting)
        return fitting


def is_begun(warehouse: Warehouse, event: Event) -> bool:
    """Whether logs of the event were ever loaded."""
    return bool(_spans(warehouse.windows(event.name).get("", [])))


async def load(node: Node, warehouse: Warehouse, landing: Landing, asked: Asked, progress: Progress) -> None:
    """Land what is missing of each event. A range that the node does not serve stays open and is reported."""
    head = await node.head()
    for event in asked.events:
        try:
            await _load_event(node, warehouse, landing, asked, event, head, progress)
        except NodeError as error:
            landing.result.open_windows.append(f"{event.name} is still open: {error}")


async def _load_event(
    node: Node, warehouse: Warehouse, landing: Landing, asked: Asked, event: Event, head: int, progress: Progress
) -> None:
    await landing.flush()
    spans = await _of_this_chain(node, warehouse, landing, event)
    first, last, notes = await _range(node, asked, event, spans, head)
    landing.result.notes += notes
    # Without a range, whatever an earlier load left open is continued.
    begin = 0 if asked.first is None and asked.since is None else first
    resumed = [span for span in spans if span.landed < span.last and begin <= span.first and span.last <= last]
    done = [span for span in spans if span.landed == span.last]
    width = Width()
    for start, end in _read_again([*resumed, *done], first, asked.confirmations, event):
        async with aclosing(_read(node, event, start, end, width)) as answers:
            async for logs in answers:
                await landing.add(event, logs.rows)
    missing = _cut(_missing([*resumed, *done], first, last), head - asked.confirmations - TIP_BLOCKS)
    new = [await _new_span(node, event, start, end) for start, end in missing]
    for span in [*resumed, *new]:
        await _load_span(node, warehouse, landing, event, span, width, progress)


async def _of_this_chain(node: Node, warehouse: Warehouse, landing: Landing, event: Event) -> list[Span]:
    """The windows that are remembered, without what was read of blocks that have left the chain since."""
    spans = _spans(warehouse.windows(event.name).get("", []))
    kept = sorted(spans, key=lambda span: span.landed)
    gone = []
    # A block's hash vouches for all blocks before it.
    while kept and (await node.block(kept[-1].landed)).hash != kept[-1].hash:
        gone.append(kept.pop())
    for span in gone:
        fresh, count = await _begun_anew(node, warehouse, landing, event, span)
        kept.append(fresh)
        landing.result.notes.append(
            f"the chain was reorganised: the blocks {span.first:,} to {span.landed:,} are not those that were read; "
            f"{count:,} {event.name} of them do not count any more, and the range is read anew"
        )
    return kept


async def _begun_anew(node: Node, warehouse: Warehouse, landing: Landing, event: Event, span: Span) -> tuple[Span, int]:
    """The window with nothing landed, and how many logs of it do not count any more."""
    await landing.flush()
    count = warehouse.withdraw(event, span.first, span.landed, landing.run_id)
    before = await node.block(span.first - 1)
    fresh = replace(span, landed=before.number, hash=before.hash)
    await landing.add(event, [], [fresh.remembered()])
    return fresh, count


def _spans(windows: list[WindowState]) -> list[Span]:
    spans = []
    for window in windows:
        found = re.fullmatch(r"(\d+)-(\d+)-(\d+):(0x[0-9a-f]{64})", window.cursor)
        if found and window.state in ("open", "complete"):
            spans.append(Span(window, int(found[1]), int(found[2]), int(found[3]), found[4]))
    return spans


async def _new_span(node: Node, event: Event, first: int, last: int) -> Span:
    before = first - 1  # no event is of block 0
    ends = await node.blocks({before, last})
    since, until = (datetime.fromtimestamp(ends[number].time + 1, UTC) for number in (before, last))
    return Span(WindowState(event.name, "", since, until), first, before, last, ends[before].hash)


async def _range(node: Node, asked: Asked, event: Event, spans: list[Span], head: int) -> tuple[int, int, list[str]]:
    """First and last block to load, and what to say about it."""
    final, notes = head - asked.confirmations, []
    first, last = asked.first, asked.last
    if asked.since:
        first = await _block_at(node, asked.since, head)
    if asked.until:
        last = await _block_at(node, asked.until, head) - 1
    if first is None:
        first = max((span.last + 1 for span in spans), default=event.first_block)
    if (last is not None and last > final) or (asked.since and first > final):
        notes.append(
            f"{event.name} is loaded up to block {final:,}: the {asked.confirmations:,} blocks up to the newest one "
            f"({head:,}) may still change, and are loaded by the same command later"
        )
    return max(first, event.first_block), final if last is None else min(last, final), notes


async def _block_at(node: Node, moment: datetime, head: int) -> int:
    """The first block that is not older than the moment; one after the newest where all are."""
    low, high, wanted = 0, head + 1, moment.timestamp()
    while low < high:
        middle = (low + high) // 2
        if (await node.block(middle)).time < wanted:
            low = middle + 1
        else:
            high = middle
    return low


def _missing(spans: list[Span], first: int, last: int) -> list[tuple[int, int]]:
    """Ranges of blocks inside first to last that no span covers."""
    missing, start = [], first
    for span in sorted(spans, key=lambda span: span.first):
        if span.first > start:
            missing.append((start, min(span.first - 1, last)))
        start = max(start, span.last + 1)
    missing.append((start, last))
    return [(begin, end) for begin, end in missing if begin <= end]


def _cut(ranges: list[tuple[int, int]], block: int) -> list[tuple[int, int]]:
    """The ranges, where one goes on beyond the block as two."""
    cut = []
    for begin, end in ranges:
        cut += [(begin, block), (block + 1, end)] if begin <= block < end else [(begin, end)]
    return cut


def _read_again(spans: list[Span], first: int, blocks: int, event: Event) -> list[tuple[int, int]]:
    """The last landed blocks before what is loaded now: a node that had not all of their logs may have them by now."""
    ends = {span.landed for span in spans if span.landed >= span.first}
    begun = {first, *(span.landed + 1 for span in spans if span.landed < span.last)}
    return [(max(begin - blocks, event.first_block), begin - 1) for begin in sorted(begun) if begin - 1 in ends]


async def _load_span(
    node: Node,
    warehouse: Warehouse,
    landing: Landing,
    event: Event,
    span: Span,
    width: Width,
    progress: Progress,
) -> None:
    """Load what is missing of a range of blocks. Raises NodeError; what is landed by then is remembered."""
    seconds_per_block = (span.state.until - span.state.since).total_seconds() / (span.last - span.first + 1)
    tick = progress.window(event.name, seconds_per_block * (span.last - span.landed))
    for _ in range(ANEW):
        await landing.add(event, [], [span.remembered()])
        try:
            async with aclosing(_read(node, event, span.landed + 1, span.last, width, span.hash)) as answers:
                async for logs in answers:
                    done = logs.last.number - span.landed
                    span = replace(span, landed=logs.last.number, hash=logs.last.hash)
                    await landing.add(event, logs.rows, [span.remembered()])
                    tick(len(logs.rows), seconds_per_block * done)
            return
        except ReorganisedError:
            # What came before is of blocks that are gone: nothing of it counts.
            tick(0, seconds_per_block * (span.first - 1 - span.landed))
            span, _ = await _begun_anew(node, warehouse, landing, event, span)
    raise NodeError(f"the blocks {span.first:,} to {span.last:,} changed while they were read, {ANEW} times")


async def _read(
    node: Node, event: Event, first: int, last: int, width: Width, parent: str | None = None
) -> AsyncGenerator[Logs, None]:
    """Logs of a range of blocks, piece by piece in order; several are asked for at once.

    Raises ReorganisedError where a piece does not follow on the one before it, or the first one not on `parent`.
    """
    start = first
    ahead: deque[asyncio.Task[Logs]] = deque()
    try:
        while start <= last or ahead:
            while start <= last and len(ahead) < node.settings.concurrency:
                end = min(start + width.blocks - 1, last)
                ahead.append(asyncio.create_task(_piece(node, event, start, end, width)))
                start = end + 1
            logs = await ahead.popleft()
            if parent and logs.first.parent != parent:
                raise ReorganisedError
            parent = logs.last.hash
            yield logs
    finally:
        for task in ahead:
            task.cancel()
        await asyncio.gather(*ahead, return_exceptions=True)


async def _piece(node: Node, event: Event, first: int, last: int, width: Width) -> Logs:
    """Logs of the blocks first to last, in as many questions as the node wants."""
    try:
        logs = await node.logs(first, last, event.addresses, event.topic)
    except TooMuchError as error:
        size = width.refused(first, last, error)
        pieces: list[Logs] = []
        while not pieces or pieces[-1].last.number < last:
            start = pieces[-1].last.number + 1 if pieces else first
            pieces.append(await _piece(node, event, start, min(start + min(size, width.blocks) - 1, last), width))
        if any(late.first.parent != early.last.hash for early, late in pairwise(pieces)):
            raise ReorganisedError from None
        return Logs(pieces[0].first, pieces[-1].last, [row for piece in pieces for row in piece.rows])
    width.answered(last - first + 1, len(logs.rows))
    return logs


async def estimate(node: Node, warehouse: Warehouse | None, asked: Asked) -> list[dict[str, Any]]:
    """What a load would ask: a few blocks of each range are looked at, and taken for the whole."""
    head, plans = await node.head(), []
    for event in asked.events:
        spans = _spans(warehouse.windows(event.name).get("", [])) if warehouse else []
        first, last, _ = await _range(node, asked, event, spans, head)
        begin = 0 if asked.first is None and asked.since is None else first
        had = [replace(span, last=span.landed) for span in spans]
        left = [(span.landed + 1, span.last) for span in spans if span.landed < span.last and begin <= span.first]
        for begin, end in sorted({*_missing(had, first, last), *(one for one in left if one[0] < first)}):
            width = Width()
            await _piece(node, event, begin, min(begin + FIRST_BLOCKS - 1, end), width)
            requests = -(-(end - begin + 1) // width.blocks)
            plans.append(
                {
                    "entity": event.name,
                    "scope": "",
                    "first_block": begin,
                    "last_block": end,
                    "what": f"blocks {begin:,} to {end:,}",
                    "requests": requests,
                    "seconds": requests / node.settings.requests_per_second,
                }
            )
    return plans
