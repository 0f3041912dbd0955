"""The figures of the loaders. Each is measured on a load of its own against the stand-in endpoint on loopback."""

import random
import time
from collections.abc import Iterator

from loaders.bench.files import files
from loaders.bench.loads import DAY, SINCE, Desk, Load, check, embedded, server
from loaders.bench.report import Figure, Measurement
from loaders.loading import BATCH_SECONDS
from loaders.standin.bulk import Asked, BulkProcess, Fills, Span
from loaders.subgraph import PAGE_SIZE
from loaders.warehouse import opened

SMALL_INSERT = 10_000  # rows
SLACK = 1.0  # seconds: a batch is handed over some time before the warehouse stamps its rows
NO_LIMIT = "100000"  # requests a second
NO_SERVER = "no server: set CLICKHOUSE_HOST"


def crowd(quick: bool) -> Iterator[Figure]:
    """Rows crowded into a hundredth of the asked range, behind latency and a rate."""
    rows, per_second = (40_000, 40) if quick else (600_000, 20)
    spans = [Span(SINCE + 33 * DAY, DAY, rows)]
    with embedded() as desk, BulkProcess(spans, head=SINCE + 100 * DAY, latency=0.205, rendered=True) as endpoint:
        load = desk.load(endpoint, 100, rows, GOLDSKY_REQUESTS_PER_SECOND=str(per_second))
    ideal = rows / PAGE_SIZE / per_second
    yield Figure(
        "crowd",
        f"ideal time over time: {rows:,} fills crowded into a hundredth of the range, 205 ms latency, "
        f"{per_second} requests/s allowed",
        ideal / load.seconds,
        "",
        at_least=0.95,
        note=f"{load.seconds:.2f} s of ideally {ideal:.2f} s, {len(load.log):,} requests",
    )


def limit(quick: bool) -> Iterator[Figure]:
    """An endpoint that refuses above its limit, asked four times too fast at first."""
    rows, per_seconds, settled = (80_000, 1.0, 4.0) if quick else (400_000, 10.0, 20.0)
    allowance = 10 if quick else 50
    limit = allowance / per_seconds
    spans = [Span(SINCE, DAY, rows)]
    with (
        embedded() as desk,
        BulkProcess(
            spans, head=SINCE + DAY, latency=0.1, allowance=allowance, per_seconds=per_seconds, rendered=True
        ) as endpoint,
    ):
        load = desk.load(endpoint, 1, rows, GOLDSKY_REQUESTS_PER_SECOND=str(4 * limit))
    late = [page for page in load.pages if page.answered >= load.started + settled]
    per_second = len(late) / (late[-1].answered - load.started - settled) if late else 0.0
    refused = [asked for asked in load.log if asked.status == 429]
    yield Figure(
        "limit",
        f"pages/s over {limit:.0f}, after the first {settled:.0f} s: HTTP 429 above {allowance} requests in "
        f"{per_seconds:.0f} s, begun at four times that rate",
        per_second / limit,
        "",
        at_least=0.90,
        note=f"{per_second:.2f} pages/s",
    )
    yield Figure(
        "limit_refused",
        "of the requests for it, refused",
        100 * len(refused) / len(load.log),
        "%",
        at_most=5,
        note=f"{len(refused):,} of {len(load.log):,}",
    )


def mixed(quick: bool) -> Iterator[Figure]:
    """Days that differ by a factor of a thousand."""
    chance, days = random.Random(7), 4 if quick else 120
    spans = [Span(SINCE + day * DAY, DAY, round(10 ** chance.uniform(1.3, 4.6))) for day in range(days)]
    rows = sum(span.rows for span in spans)
    with embedded() as desk, BulkProcess(spans, head=SINCE + days * DAY, latency=0.1, rendered=True) as endpoint:
        load = desk.load(endpoint, days, rows, GOLDSKY_REQUESTS_PER_SECOND="50")
    needed = -(-rows // PAGE_SIZE)
    yield Figure(
        "mixed",
        f"requests per needed page: {rows:,} fills in {days} days of 20 to 40,000 each",
        len(load.log) / needed,
        "",
        at_most=1.10,
        note=f"{len(load.log):,} requests for {needed:,} pages",
    )


def speed(quick: bool) -> Iterator[Figure]:
    """As fast as the machine allows."""
    rows = 40_000 if quick else 1_000_000
    with embedded() as desk:
        yield _speed("speed", "embedded", _at_full_speed(desk, rows, rendered=True), rows)
    with server() as desk:
        load = _at_full_speed(desk, rows, rendered=True) if desk else None
        yield _speed("speed_server", "against a server", load, rows)


def _speed(name: str, where: str, load: Load | None, rows: int) -> Figure:
    what = f"fetched, checked and landed: {rows:,} fills without latency, pages rendered beforehand, {where}"
    if load is None:
        return Figure(name, what, None, "rows/s", at_least=50_000, note=NO_SERVER)
    note = f"{load.seconds:.2f} s, of which the loader worked {load.cpu_seconds:.2f}"
    return Figure(name, what, rows / load.seconds, "rows/s", at_least=50_000, note=note)


def memory(quick: bool) -> Iterator[Figure]:
    """Does the loader's memory grow with what it loads?"""
    sizes = (20_000, 60_000) if quick else (1_000_000, 10_000_000)
    peaks = []
    with server() as desk:
        for name, rows in zip(("memory_few", "memory_many"), sizes, strict=True):
            peak = None
            if desk:
                peak = _at_full_speed(desk, rows, rendered=False).peak_mb
                desk.clear()
            note = "" if peak else NO_SERVER if desk is None else "this system does not tell it"
            what = f"peak memory of the loader against a server, {rows:,} fills"
            yield Figure(name, what, peak, "MB", at_most=400, note=note)
            peaks.append(peak)
    few, many = peaks
    ratio = many / few if few and many else None
    note = "" if ratio else "needs both"
    yield Figure("memory_growth", "the larger load over the smaller one", ratio, "", at_most=1.10, note=note)


def _at_full_speed(desk: Desk, rows: int, rendered: bool) -> Load:
    with BulkProcess([Span(SINCE, 30 * DAY, rows)], head=SINCE + 30 * DAY, rendered=rendered) as endpoint:
        return desk.load(endpoint, 30, rows, GOLDSKY_REQUESTS_PER_SECOND=NO_LIMIT)


def inserts(quick: bool) -> Iterator[Figure]:
    """How large inserts are, at full speed and so slowly that the time limit decides."""
    found = []
    for rows, per_second in ((60_000, NO_LIMIT), (7_000, "1")) if quick else ((400_000, NO_LIMIT), (30_000, "1.5")):
        with embedded() as desk, BulkProcess([Span(SINCE, DAY, rows)], head=SINCE + DAY, rendered=True) as endpoint:
            found.append(desk.load(endpoint, 1, rows, GOLDSKY_REQUESTS_PER_SECOND=per_second))
    small = sum(map(inserts_too_small, found))
    yield Figure(
        "inserts",
        f"inserts below {SMALL_INSERT:,} rows, but for the last one and those after the time limit "
        f"of {BATCH_SECONDS:.0f} s",
        small,
        "",
        at_most=0,
        note="rows of each: " + "; ".join(" ".join(f"{insert.rows:,}" for insert in load.inserts) for load in found),
    )


def inserts_too_small(load: Load) -> int:
    """Inserts that are small without a reason."""
    before = [load.started, *(insert.at for insert in load.inserts)]
    return sum(
        insert.rows < SMALL_INSERT and insert.at - earlier < BATCH_SECONDS - SLACK
        for insert, earlier in zip(load.inserts[:-1], before, strict=False)
    )


def restart(quick: bool) -> Iterator[Figure]:
    """Killed at random moments, and begun again until it ends."""
    kills, rows, batch = (1, 60_000, 10_000) if quick else (5, 900_000, 50_000)
    chance, most, again = random.Random(time.time_ns()), 0, 0
    spans = [Span(SINCE, DAY, rows)]
    fills = Fills(spans, rendered=False)
    settings = {"GOLDSKY_REQUESTS_PER_SECOND": "150", "POLYLEDGER_BATCH_ROWS": str(batch)}
    with embedded() as desk, BulkProcess(spans, head=SINCE + DAY, latency=0.05, rendered=True) as endpoint:
        for _ in range(kills):
            before = endpoint.log()
            with desk.loading(endpoint, 1, **settings) as process:
                while len(endpoint.log()) < len(before) + 10 and process.poll() is None:
                    time.sleep(0.02)
                time.sleep(chance.uniform(0.0, 0.5 if quick else 1.0))
            windows = desk.windows_to_load(1)
            fetched = endpoint.log()
            with desk.loading(endpoint, 1, **settings) as process:
                while len(endpoint.log()) < len(fetched) + (30 if quick else 120) and process.poll() is None:
                    time.sleep(0.02)
            twice = _numbers(fetched) & _numbers(endpoint.log()[len(fetched) :])
            again += len(twice)
            for window in windows:
                since, until = (int(moment.timestamp()) for moment in (window.since, window.until))
                most = max(most, len(twice.intersection(range(*fills.between(since, until, None, "")))))
        with desk.loading(endpoint, 1, **settings) as process:
            process.wait()
        with opened(desk.target) as warehouse:
            check(warehouse, rows)
    yield Figure(
        "restart",
        f"fetched again of one open window after kill -9, the most of {kills} times",
        most,
        "rows",
        at_most=batch,
        note=f"POLYLEDGER_BATCH_ROWS is {batch:,}; {again:,} rows in all windows and all times together",
    )


def _numbers(log: list[Asked]) -> set[int]:
    """Of the rows that were served."""
    return {number for asked in log for number in range(asked.first, asked.end)}


MEASUREMENTS = [
    Measurement("crowd", 40, crowd),
    Measurement("limit", 100, limit),
    Measurement("mixed", 20, mixed),
    Measurement("speed", 60, speed),
    Measurement("memory", 300, memory),
    Measurement("inserts", 50, inserts),
    Measurement("restart", 60, restart),
    Measurement("files", 120, files),
]
