"""loaders/standin/bulk.py: the order fills of a subgraph by the million, served with as little work as possible.

For the bench: a process of its own, so that its time and memory are not the loader's. It answers what the loaders ask
of order fills as goldsky.py would (a test compares the two), knows no other query and checks no GraphQL. A row is made
of its number, so that any number of rows needs no memory; or all are rendered beforehand, and a page is a slice.

    with BulkProcess([Span(since, seconds, rows)], latency=0.2) as endpoint:
        ...  # ask endpoint.base_url; endpoint.log() tells what was asked
"""

import json
import random
import re
import socketserver
import subprocess
import sys
import threading
import time
import urllib.request
from array import array
from bisect import bisect_left, bisect_right
from collections import deque
from dataclasses import asdict, dataclass
from itertools import accumulate, pairwise
from typing import Any

from loaders.standin.faults import ALLOWANCE

FIELDS = (
    "id transactionHash timestamp orderHash maker taker makerAssetId takerAssetId "
    "makerAmountFilled takerAmountFilled fee"
)
FROM_MOMENT = "timestamp_gte: $since, timestamp_lt: $until"
FROM_CURSOR = "or: [{timestamp_gt: $time, timestamp_lt: $until}, {timestamp: $time, id_gt: $id}]"
PATTERNS = 8192  # distinct rests of rows: more than ClickHouse's compression sees at once
HEAD, TAIL = b'{"data":{"rows":[', b"]}}"


@dataclass(frozen=True)
class Span:
    """So many rows, evenly over so many seconds from `since` (unix) on."""

    since: int
    seconds: int
    rows: int


@dataclass(frozen=True)
class Asked:
    """A request: when it came and was answered (unix), with what status, and which rows [first, end) it got."""

    came: float
    answered: float
    status: int
    first: int = 0
    end: int = 0


class Fills:
    """Rows by number, in the order of (timestamp, id)."""

    def __init__(self, spans: list[Span], rendered: bool) -> None:
        self.times = array("I")
        for span in spans:
            self.times.extend(span.since + span.seconds * n // span.rows for n in range(span.rows))
        if any(a.since + a.seconds > b.since for a, b in pairwise(spans)):
            raise ValueError("spans overlap or are not in order of time")
        chance = random.Random(1)
        self._patterns = [_pattern(chance) for _ in range(PATTERNS)]
        self._whole, self._starts = b"", array("Q")
        if rendered:
            rows = [self._row(n) for n in range(len(self.times))]
            self._starts = array("Q", [0, *accumulate(len(row) + 1 for row in rows)])
            self._whole = b",".join(rows)

    def between(self, since: int, until: int, time: int | None, row_id: str) -> tuple[int, int]:
        """Numbers [first, end) of the rows after (time, id) or from since on, and before until."""
        end = bisect_left(self.times, until)
        if time is None:
            return bisect_left(self.times, since), end
        first, last = bisect_left(self.times, time), bisect_right(self.times, time)
        return bisect_right(range(last), row_id, first, key=self._id), end

    def page(self, first: int, end: int, newest: bool) -> tuple[bytes | memoryview, ...]:
        """The parts of the answer that holds these rows."""
        if self._whole and not newest:
            stop = max(self._starts[end] - 1, self._starts[first])
            return HEAD, memoryview(self._whole)[self._starts[first] : stop], TAIL
        rows = [self._row(n) for n in range(first, end)]
        return HEAD, b",".join(reversed(rows) if newest else rows), TAIL

    def _id(self, n: int) -> str:
        transaction, order = self._patterns[n % PATTERNS][:2]
        return f"0x{n:016x}{transaction}_0x{order}"

    def _row(self, n: int) -> bytes:
        transaction, order, rest = self._patterns[n % PATTERNS]
        return (
            f'{{"id":"0x{n:016x}{transaction}_0x{order}","transactionHash":"0x{n:016x}{transaction}",'
            f'"timestamp":"{self.times[n]}","orderHash":"0x{order}",{rest}'
        ).encode()


def _pattern(chance: random.Random) -> tuple[str, str, str]:
    """The end of a transaction hash, an order hash, and the other fields as JSON."""
    token, usdc, shares = chance.randrange(10**76, 2**256), chance.randrange(1, 10**9), chance.randrange(1, 10**10)
    assets, amounts = ("0", str(token)), (usdc, shares)
    if chance.random() < 0.5:
        assets, amounts = assets[::-1], amounts[::-1]
    rest = (
        f'"maker":"0x{chance.randbytes(20).hex()}","taker":"0x{chance.randbytes(20).hex()}",'
        f'"makerAssetId":"{assets[0]}","takerAssetId":"{assets[1]}",'
        f'"makerAmountFilled":"{amounts[0]}","takerAmountFilled":"{amounts[1]}","fee":"0"}}'
    )
    return chance.randbytes(24).hex(), chance.randbytes(32).hex(), rest


class Bulk(socketserver.ThreadingTCPServer):
    """The server: answers take `latency` seconds; more than `allowance` requests in any `per_seconds` are refused."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, fills: Fills, head: int, latency: float, allowance: int | None, per_seconds: float) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.base_url = f"http://127.0.0.1:{self.server_address[1]}/subgraphs"
        self.fills = fills
        self.head = head
        self.latency = latency
        self.allowance = allowance
        self.per_seconds = per_seconds
        self.granted: deque[float] = deque()
        self.lock = threading.Lock()
        self.log: list[Asked] = []

    def is_granted(self) -> bool:
        now = time.monotonic()
        with self.lock:
            while self.granted and self.granted[0] < now - self.per_seconds:
                self.granted.popleft()
            if self.allowance is not None and len(self.granted) >= self.allowance:
                return False
            self.granted.append(now)
            return True

    def answer(self, body: bytes) -> tuple[int, tuple[bytes | memoryview, ...], int, int]:
        """Status, parts of the body, and the numbers of the first row and of the one after the last."""
        if not self.is_granted():
            return 429, (ALLOWANCE.encode(),), 0, 0
        posted = json.loads(body)
        query, given = posted["query"], posted["variables"]
        if "_meta" in query:
            block = {"number": 50_000_000, "timestamp": self.head}
            answer = {"data": {"_meta": {"block": block, "hasIndexingErrors": False}}}
            return 200, (json.dumps(answer).encode(),), 0, 0
        if "rows: orderFilledEvents(" not in query:
            return 200, (HEAD, TAIL), 0, 0
        asked = re.search(r"where: \{(.+)\}, first: .* orderDirection: (asc|desc)\) \{ (.+) \} \}$", query)
        if not asked or asked[1] not in (FROM_MOMENT, FROM_CURSOR) or asked[3] != FIELDS:
            return 400, (b"bulk.py does not know this query",), 0, 0
        moment = int(given["time"]) if asked[1] == FROM_CURSOR else None
        first, end = self.fills.between(int(given.get("since", 0)), int(given["until"]), moment, given.get("id", ""))
        newest = asked[2] == "desc"
        if newest:
            first = max(first, end - given["first"])
        else:
            end = min(end, first + given["first"])
        return 200, self.fills.page(first, end, newest), first, end

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Stay silent about clients that hang up: some are killed on purpose."""
        if not isinstance(sys.exc_info()[1], OSError):
            super().handle_error(request, client_address)


class Handler(socketserver.StreamRequestHandler):
    """A connection: POSTs are queries, a GET returns the log."""

    disable_nagle_algorithm = True
    server: Bulk

    def handle(self) -> None:
        while line := self.rfile.readline():
            came, length = time.time(), 0
            while (header := self.rfile.readline()).strip():
                if header.lower().startswith(b"content-length:"):
                    length = int(header.split(b":")[1])
            if line.startswith(b"GET"):
                parts: tuple[bytes | memoryview, ...] = (json.dumps([asdict(one) for one in self.server.log]).encode(),)
                self.send(200, parts)
                continue
            body = self.rfile.read(length)
            if len(body) < length:
                return  # who asked is dead
            time.sleep(self.server.latency)
            status, parts, first, end = self.server.answer(body)
            self.server.log.append(Asked(came, time.time(), status, first, end))
            self.send(status, parts)

    def send(self, status: int, parts: tuple[bytes | memoryview, ...]) -> None:
        length = sum(map(len, parts))
        head = f"HTTP/1.1 {status} .\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n"
        self.request.sendall(head.encode())
        for part in parts:
            self.request.sendall(part)


class BulkProcess:
    """The server in a process of its own; it ends with the context, or with this process."""

    def __init__(
        self,
        spans: list[Span],
        head: int,
        latency: float = 0.0,
        allowance: int | None = None,
        per_seconds: float = 10.0,
        rendered: bool = False,
    ) -> None:
        self._given = [[asdict(span) for span in spans], rendered, head, latency, allowance, per_seconds]
        self.base_url = ""

    def __enter__(self) -> "BulkProcess":
        words = [sys.executable, "-m", "loaders.standin.bulk", json.dumps(self._given)]
        self._process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        self.base_url = self._process.stdout.readline().strip()
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate()  # the end of its input is its end

    def log(self) -> list[Asked]:
        """What was asked until now."""
        with urllib.request.urlopen(self.base_url) as answer:
            return [Asked(**one) for one in json.load(answer)]


def main() -> None:
    spans, rendered, *rest = json.loads(sys.argv[1])
    server = Bulk(Fills([Span(**span) for span in spans], rendered), *rest)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    print(server.base_url, flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main()
