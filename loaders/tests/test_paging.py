"""The parts that decide what is asked for and when it counts as landed: pages, plans, batches."""

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import count

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loaders import embedded
from loaders.entities import ORDER_FILLS, Row
from loaders.loading import Landing, Result, Series, default_since, plan
from loaders.standin.goldsky import Goldsky
from loaders.subgraph import Filter, Settings, Subgraphs, timed_pages
from loaders.target import Target
from loaders.tests.conftest import Desk
from loaders.tests.test_command import call
from loaders.tests.test_loading import NEW_YEAR, fill, open_windows
from loaders.warehouse import EPOCH, Warehouse, WindowState

PROPERTY = settings(max_examples=60, deadline=None, derandomize=True, database=None)


# Pages


@pytest.fixture(scope="module")
def many_pages() -> Iterator[Goldsky]:
    with Goldsky({}, head=NEW_YEAR + 100) as endpoint:
        yield endpoint


wallets = count(1)


def client(endpoint: Goldsky) -> Subgraphs:
    versions = {"orderbook": "orderbook-subgraph/0.0.1"}
    return Subgraphs(Settings(endpoint.base_url, None, 1e5, 4, 10.0, versions))


def pages(endpoint: Goldsky, wallet: str, since: int, until: int, size: int, cursor: str = "") -> list[list[Row]]:
    async def turn() -> list[list[Row]]:
        async with client(endpoint) as subgraphs:
            only = (Filter("maker", "String!", wallet),)
            return [page async for page in timed_pages(subgraphs, ORDER_FILLS, since, until, cursor, only, size)]

    return asyncio.run(turn())


@PROPERTY
@given(
    seconds=st.lists(st.integers(0, 6) | st.just(3), max_size=40),
    since=st.integers(0, 5),
    length=st.integers(1, 7),
    size=st.integers(1, 7),
    stop_after=st.integers(1, 10),
)
def test_pages_hold_every_row_of_the_range_once_and_in_order(
    many_pages: Goldsky, seconds: list[int], since: int, length: int, size: int, stop_after: int
) -> None:
    wallet = f"0x{next(wallets):040x}"  # each example has its own rows on the one server
    rows = [fill(int(wallet, 16) * 1000 + n, NEW_YEAR + s, maker=wallet) for n, s in enumerate(seconds)]
    many_pages.put("OrderFilledEvent", rows)
    start, end = NEW_YEAR + since, NEW_YEAR + since + length
    expected = sorted((int(row["timestamp"]), row["id"]) for row in rows if start <= int(row["timestamp"]) < end)

    turned = pages(many_pages, wallet, start, end, size)
    assert [(int(row["timestamp"]), row["id"]) for page in turned for row in page] == expected
    assert all(len(page) == size for page in turned[:-1]) and len(turned[-1]) < size

    # Stopped after any page, and continued from its last row.
    had = [row for page in turned[:stop_after] for row in page]
    if had:
        cursor = f"{had[-1]['timestamp']}:{had[-1]['id']}"
        had += [row for page in pages(many_pages, wallet, start, end, size, cursor) for row in page]
        assert [(int(row["timestamp"]), row["id"]) for row in had] == expected


@settings(PROPERTY, max_examples=12)
@given(
    clusters=st.lists(st.tuples(st.integers(0, 40), st.integers(1, 2600)), min_size=1, max_size=7),
    since=st.integers(0, 20),
    length=st.integers(1, 40),
    batch_rows=st.sampled_from([1, 700, 50_000]),
)
def test_however_a_range_is_split_each_row_of_it_lands_once(
    many_pages: Goldsky,
    module_desk: Desk,
    clusters: list[tuple[int, int]],
    since: int,
    length: int,
    batch_rows: int,
) -> None:
    """Crowded seconds, idle workers that take halves, and pages that wait for the warehouse."""
    wallet, module_desk.base_url = f"0x{next(wallets):040x}", many_pages.base_url
    seconds = [second for second, rows in clusters for _ in range(rows)]
    rows = [fill(int(wallet, 16) * 10**6 + n, NEW_YEAR + s, maker=wallet) for n, s in enumerate(seconds)]
    many_pages.put("OrderFilledEvent", rows)
    start, end = (datetime.fromtimestamp(NEW_YEAR + since + later, UTC) for later in (0, length))
    moments = [f"{moment:%Y-%m-%dT%H:%M:%S}" for moment in (start, end)]
    words = ["--wallet", wallet, "--since", moments[0], "--until", moments[1]]
    call(module_desk, "load", "fills", *words, POLYLEDGER_BATCH_ROWS=str(batch_rows))

    inside = sorted(row["id"] for row in rows if since <= int(row["timestamp"]) - NEW_YEAR < since + length)
    of_wallet = f"polyledger_raw.order_filled_events where maker = unhex('{wallet[2:]}')"
    assert [row[0] for row in module_desk.rows(f"select id from {of_wallet} order by id")] == inside
    assert open_windows(module_desk) == []


# Plans

SERIES = Series(ORDER_FILLS)
HOURS = st.integers(0, 24)


def hour(number: int) -> datetime:
    return datetime(2025, 1, 1, tzinfo=UTC) + timedelta(hours=number)


def hours_of(window: WindowState) -> set[datetime]:
    return {hour(n) for n in range(-50, 100) if window.since <= hour(n) < window.until}


@st.composite
def remembered(draw: st.DrawFn) -> list[WindowState]:
    """Windows in any state, each range once, as load_windows can hold them after any sequence of requests."""
    ranges = draw(st.sets(st.tuples(HOURS, HOURS).filter(lambda pair: pair[0] < pair[1]), max_size=7))
    states = st.sampled_from(["open", "complete"])
    return [WindowState("OrderFilledEvent", "", hour(a), hour(b), "x", draw(states)) for a, b in sorted(ranges)]


@settings(PROPERTY, max_examples=400)
@given(known=remembered(), first=HOURS, length=st.integers(1, 24))
def test_a_plan_covers_the_range_and_asks_for_nothing_twice(known: list[WindowState], first: int, length: int) -> None:
    since, until = hour(first), hour(first + length)
    wanted = {hour(n) for n in range(first, first + length)}
    planned = plan(SERIES, since, until, known)
    complete = set().union(*(hours_of(w) for w in known if w.state == "complete"))
    resumed = [w for w in planned if w in known]
    new = [w for w in planned if w not in known]

    assert complete | set().union(*map(hours_of, planned)) >= wanted
    assert all(since <= w.since < w.until <= until for w in planned)
    assert all(w.state == "open" for w in planned)
    covered = complete | set().union(*map(hours_of, resumed))
    for window in new:
        assert window.cursor == ""
        assert not hours_of(window) & covered  # also tells new windows from each other
        covered |= hours_of(window)
    assert [w for w in known if w.state == "open" and since <= w.since and w.until <= until] == resumed


@settings(PROPERTY, max_examples=200)
@given(data=st.data())
def test_loads_without_a_range_leave_no_gap_and_end(data: st.DataObject) -> None:
    """Some runs fail in some windows while the head moves on; one good run then finishes what was asked for."""
    known: dict[tuple[datetime, datetime], WindowState] = {}
    head = 1
    for last in [False] * data.draw(st.integers(0, 6)) + [True]:
        head += data.draw(st.integers(0, 5))
        since = default_since(list(known.values()), hour(0))
        for window in plan(SERIES, since, hour(head), list(known.values()), EPOCH):
            done = last or data.draw(st.booleans())
            state = "complete" if done else "open"
            known[window.since, window.until] = WindowState("", "", window.since, window.until, "", state)
    assert all(w.state == "complete" for w in known.values())
    assert set().union(*map(hours_of, known.values())) == {hour(n) for n in range(head)}
    assert plan(SERIES, default_since(list(known.values()), hour(0)), hour(head), list(known.values()), EPOCH) == []


# Batches


def test_stopped_while_a_batch_is_landing_it_lands_once(desk: Desk) -> None:
    """The batch goes on in its thread, and what is in hand is flushed after it, not beside it."""
    rows = [fill(n) for n in range(20_000)]
    warehouse = Warehouse(Target("embedded", f"chdb:{desk.data}", None, "", "", False, 300, "models", "polyledger_raw"))
    landing = Landing(warehouse, Result(), batch_size=1)

    async def load() -> None:
        async with landing:
            await landing.add(ORDER_FILLS, rows)
            await asyncio.Event().wait()  # until stopped

    async def stop_in_the_middle() -> None:
        task = asyncio.create_task(load())
        await asyncio.sleep(0.01)  # the rows are parsed, and the thread has them
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    try:
        warehouse.create_tables()
        asyncio.run(stop_in_the_middle())
    finally:
        warehouse.close()
        embedded.release(desk.data)
    assert landing.result.rows == {"OrderFilledEvent": len(rows)}
    assert desk.rows("select count() from polyledger_raw.order_filled_events") == [(len(rows),)]
