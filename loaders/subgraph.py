"""Ask a subgraph, and turn its pages. Knows GraphQL and nothing of ClickHouse.

Source of the semantics: graph-node (`first` at most 1000, errors under HTTP 200, `or` never beside other filters).
"""

import asyncio
import json
import os
import random
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import httpx

from loaders import __version__
from loaders.entities import Entity, Row

PAGE_SIZE = 1000  # the most a subgraph returns at once
PUBLIC_URL = "https://api.goldsky.com/api/public/project_cl6mb8i9h0003e201j6li0diw/subgraphs"
VERSIONS = {
    "orderbook": "orderbook-subgraph/0.0.1",
    "pnl": "pnl-subgraph/0.0.14",
    "activity": "activity-subgraph/0.0.4",
    "fpmm": "fpmm-subgraph/0.0.1",
    "fee-module": "fee-module-subgraph/0.0.1",
}
FIRST_PAUSE, LONGEST_PAUSE = 0.25, 30.0  # seconds between tries; doubled each time
TRIES = 9  # about a minute and a half in all
WRONG_URL_TRIES = 4  # HTML or 404 this often before any answer: the address is wrong, not the moment


Check = Callable[[Row], str | None]  # what is wrong with an answer's data, or None


class SubgraphError(Exception):
    """No usable answer after all tries; the message says what was asked and what came back."""


class WrongEndpointError(Exception):
    """There is no subgraph at the address."""


class SettingError(Exception):
    """An environment variable cannot be used; the message names it."""


@dataclass(frozen=True)
class Settings:
    """Where and how fast to ask; from the environment."""

    base_url: str
    token: str | None = field(repr=False)
    requests_per_second: float
    concurrency: int
    timeout: float
    versions: dict[str, str]

    @classmethod
    def from_environment(cls) -> "Settings":
        """Read GOLDSKY_*. Raises SettingError."""
        base = os.environ.get("GOLDSKY_BASE_URL", PUBLIC_URL).rstrip("/")
        if not base.startswith(("http://", "https://")):
            raise SettingError(f"GOLDSKY_BASE_URL must begin with http:// or https://, not {base[:40]!r}")
        return cls(
            base_url=base,
            token=os.environ.get("GOLDSKY_API_TOKEN") or None,
            requests_per_second=_positive("GOLDSKY_REQUESTS_PER_SECOND", 5.0),
            concurrency=int(_positive("GOLDSKY_CONCURRENCY", 4)),
            timeout=_positive("GOLDSKY_TIMEOUT_SECONDS", 60.0),
            versions={
                name: os.environ.get(f"GOLDSKY_{name.upper().replace('-', '_')}_SUBGRAPH", version)
                for name, version in VERSIONS.items()
            },
        )


def _positive(name: str, default: float) -> float:
    given = os.environ.get(name, "")
    try:
        value = float(given) if given else default
    except ValueError:
        value = 0.0
    if not 0 < value < 1e6 or (value < 1 and name == "GOLDSKY_CONCURRENCY"):
        raise SettingError(f"{name} must be a positive number, not {given!r}")
    return value


@dataclass
class Counts:
    """What a run asked, for its report."""

    requests: int = 0
    retries: int = 0
    refused: int = 0  # HTTP 429


@dataclass(frozen=True)
class Head:
    """The last block a subgraph has indexed; `time` is unix seconds, None where it was not told."""

    number: int
    time: int | None
    has_indexing_errors: bool


class Subgraphs:
    """One client for all subgraphs of an endpoint: one budget of requests, retries, and a check of each answer."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.counts = Counts()
        headers = {"user-agent": f"polyledger/{__version__}"}
        if settings.token:
            headers["authorization"] = f"Bearer {settings.token}"
        self._client = httpx.AsyncClient(headers=headers, timeout=settings.timeout)
        self._places = asyncio.Semaphore(settings.concurrency)
        self._next_slot = 0.0
        self._answered = False

    async def __aenter__(self) -> "Subgraphs":
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._client.aclose()

    async def head(self, subgraph: str) -> Head:
        """How far a subgraph is indexed."""
        query = "{ _meta { block { number timestamp } hasIndexingErrors } }"
        data = await self.ask(
            subgraph, query, {}, lambda data: None if isinstance(data.get("_meta"), dict) else "an answer without _meta"
        )
        meta = data["_meta"]
        block = meta.get("block") or {}
        return Head(
            number=int(block.get("number") or 0),
            time=int(block["timestamp"]) if block.get("timestamp") else None,
            has_indexing_errors=bool(meta.get("hasIndexingErrors")),
        )

    async def ask(self, subgraph: str, query: str, variables: Row, check: Check) -> Row:
        """Post a query until `check` finds nothing wrong with its data. Raises SubgraphError and WrongEndpointError."""
        url = f"{self.settings.base_url}/{self.settings.versions[subgraph]}/gn"
        wrong_answers = 0
        for attempt in range(TRIES):
            async with self._places:
                await self._wait_for_slot()
                self.counts.requests += 1
                data, problem, pause = await self._post(url, query, variables)
            if data is not None:
                self._answered = True
                problem = check(data) or ""
                if not problem:
                    return data
            if problem.startswith(("HTTP 401", "HTTP 403")):
                raise SubgraphError(f"{url} refuses access ({problem}); check GOLDSKY_API_TOKEN")
            wrong_answers += problem.startswith(("HTTP 404", "HTML"))
            if not self._answered and wrong_answers >= WRONG_URL_TRIES:
                raise WrongEndpointError(f"there is no subgraph at {url}: {problem}; check GOLDSKY_BASE_URL")
            if attempt + 1 < TRIES:
                self.counts.retries += 1
                # Half of the pause is chance, so that parallel requests do not come back all at once.
                backoff = min(FIRST_PAUSE * 2**attempt, LONGEST_PAUSE) * random.uniform(0.5, 1)
                await asyncio.sleep(max(pause, backoff))
        raise SubgraphError(f"{url} was asked {TRIES} times for {_short(variables)}; last came {problem}")

    async def _post(self, url: str, query: str, variables: Row) -> tuple[Row | None, str, float]:
        """One try: (data, "", 0), or (None, what came back, seconds that the endpoint asks to wait)."""
        try:
            response = await self._client.post(url, json={"query": query, "variables": variables})
        except httpx.HTTPError as error:
            return None, f"{type(error).__name__}: {error}".rstrip(": "), 0
        if response.status_code == 429:
            self.counts.refused += 1
        if response.status_code != 200:
            return None, f"HTTP {response.status_code}", _retry_after(response)
        try:
            # Fractions stay text: a float would round a payout.
            answer = json.loads(response.content, parse_float=str)
        except ValueError:
            is_page = response.content.lstrip()[:1] == b"<"
            return None, "HTML instead of JSON" if is_page else "broken JSON", 0
        if not isinstance(answer, dict):
            return None, "JSON that is no GraphQL answer", 0
        if errors := answer.get("errors"):
            # With errors even the rows that came may be a part of the page: never landed.
            first = errors[0] if isinstance(errors, list) and errors else errors
            message = first.get("message") if isinstance(first, dict) else first
            return None, f"the error {str(message)[:200]!r}", 0
        if not isinstance(answer.get("data"), dict):
            return None, "an answer without data", 0
        return answer["data"], "", 0

    async def _wait_for_slot(self) -> None:
        now = time.monotonic()
        slot = max(now, self._next_slot)
        self._next_slot = slot + 1 / self.settings.requests_per_second
        await asyncio.sleep(slot - now)


def _retry_after(response: httpx.Response) -> float:
    try:
        return min(float(response.headers.get("retry-after", "0")), 60.0)
    except ValueError:
        return 0.0


def _short(variables: Row) -> str:
    text = json.dumps({key: value for key, value in variables.items() if key != "first"})
    return text if len(text) <= 200 else f"{text[:200]}..."


@dataclass(frozen=True)
class Filter:
    """A filter on one field, its value bound as a variable of the given GraphQL type."""

    field: str
    type: str
    value: Any


async def timed_pages(
    subgraphs: Subgraphs, entity: Entity, since: int, until: int, cursor: str, filters: tuple[Filter, ...] = ()
) -> AsyncIterator[list[Row]]:
    """Yield pages of events stamped from since up to, not including, until (unix seconds), by (timestamp, id).

    `cursor` is `timestamp:id` of the last row already had, or empty. A page may end inside a second, and a second may
    hold many pages: both are followed by the id.
    """
    fields = " ".join(entity.field_names)
    declared = "".join(f", ${f.field}: {f.type}" for f in filters)
    also = "".join(f", {f.field}: ${f.field}" for f in filters)
    page = f"first: $first, orderBy: timestamp, orderDirection: asc) {{ {fields} }} }}"
    first_query = (
        f"query($first: Int!, $since: BigInt!, $until: BigInt!{declared}) {{ rows: {entity.many}("
        f"where: {{timestamp_gte: $since, timestamp_lt: $until{also}}}, {page}"
    )
    # `or` may not stand beside other filters, so each branch repeats them.
    next_query = (
        f"query($first: Int!, $time: BigInt!, $id: ID!, $until: BigInt!{declared}) {{ rows: {entity.many}("
        f"where: {{or: [{{timestamp_gt: $time, timestamp_lt: $until{also}}}, "
        f"{{timestamp: $time, id_gt: $id{also}}}]}}, {page}"
    )
    bound: Row = {"first": PAGE_SIZE, "until": str(until), **{f.field: f.value for f in filters}}
    had = (since - 1, "")
    if cursor:
        stamp, _, row_id = cursor.partition(":")
        had = (int(stamp), row_id)
    while True:
        where = {"time": str(had[0]), "id": had[1]} if had[1] else {"since": str(since)}
        rows = await _page(
            subgraphs, entity, next_query if had[1] else first_query, {**bound, **where}, _events(had, until)
        )
        yield rows
        if len(rows) < PAGE_SIZE:
            return
        had = max(filter(None, map(position, rows)))


def position(row: Row) -> tuple[int, str] | None:
    """(timestamp, id) of an event, by which pages are turned; None for a damaged row."""
    try:
        return int(row["timestamp"]), str(row["id"])
    except (KeyError, TypeError, ValueError):
        return None


def _events(had: tuple[int, str], until: int) -> Callable[[list[Row]], str | None]:
    """A check: the rows follow what was had, and stay below until. A stale or repeated page does not."""

    def check(rows: list[Row]) -> str | None:
        positions = [p for p in map(position, rows) if p]
        if any(not had < p < (until, "") for p in positions) or any(b < a for a, b in pairwise(positions)):
            return "rows outside of what was asked, or out of order"
        if len(rows) == PAGE_SIZE and not positions:
            return "a full page without a row to go on from"
        return None

    return check


async def pages_by_id(
    subgraphs: Subgraphs, entity: Entity, after: str = "", below: str | None = None
) -> AsyncIterator[list[Row]]:
    """Yield pages of state by id, above `after` and, where given, below `below` (both texts)."""
    fields = " ".join(entity.field_names)
    limit, declared = (", id_lt: $below", ", $below: ID!") if below is not None else ("", "")
    query = (
        f"query($first: Int!, $after: ID!{declared}) {{ rows: {entity.many}("
        f"where: {{id_gt: $after{limit}}}, first: $first, orderBy: id, orderDirection: asc) {{ {fields} }} }}"
    )
    while True:
        variables: Row = {"first": PAGE_SIZE, "after": after}
        if below is not None:
            variables["below"] = below
        rows = await _page(subgraphs, entity, query, variables, _ids_above(after))
        yield rows
        if len(rows) < PAGE_SIZE:
            return
        after = max(filter(None, map(_id, rows)))


def _id(row: Row) -> str | None:
    return row["id"] if isinstance(row, dict) and isinstance(row.get("id"), str) else None


def _ids_above(after: str) -> Callable[[list[Row]], str | None]:
    def check(rows: list[Row]) -> str | None:
        ids = [i for i in map(_id, rows) if i is not None]
        if any(i <= after for i in ids):
            return "rows before what was asked"
        return "a full page without an id to go on from" if len(rows) == PAGE_SIZE and not ids else None

    return check


async def rows_by_id(subgraphs: Subgraphs, entity: Entity, ids: list[str]) -> list[Row]:
    """The rows of up to 1000 ids; those that the subgraph does not know are absent."""
    fields = " ".join(entity.field_names)
    # Without `first` a subgraph returns 100 rows and says nothing.
    query = (
        f"query($first: Int!, $ids: [ID!]!) {{ rows: {entity.many}("
        f"where: {{id_in: $ids}}, first: $first) {{ {fields} }} }}"
    )
    return await _page(subgraphs, entity, query, {"first": PAGE_SIZE, "ids": ids}, lambda rows: None)


async def _page(
    subgraphs: Subgraphs, entity: Entity, query: str, variables: Row, check_rows: Callable[[list[Row]], str | None]
) -> list[Row]:
    def check(data: Row) -> str | None:
        rows = data.get("rows")
        return check_rows(rows) if isinstance(rows, list) else "an answer without rows"

    return list((await subgraphs.ask(entity.subgraph, query, variables, check))["rows"])
