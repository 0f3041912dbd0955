"""Ask a subgraph, and turn its pages. Knows GraphQL and nothing of ClickHouse.

Source of the semantics: graph-node (`first` at most 1000, errors under HTTP 200, `or` never beside other filters).
"""

import asyncio
import json
import os
import random
import re
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

import httpx
import msgspec

from loaders import answers, journal
from loaders.entities import Entity, Row
from loaders.pace import Pace

PAGE_SIZE = 1000  # the most a subgraph returns at once
SMALLEST_PAGE = 50  # after time-outs
PUBLIC_URL = "https://api.goldsky.com/api/public/project_cl6mb8i9h0003e201j6li0diw/subgraphs"
VERSIONS = {
    "orderbook": "orderbook-subgraph/0.0.1",
    "pnl": "pnl-subgraph/0.0.14",
    "activity": "activity-subgraph/0.0.4",
    "fpmm": "fpmm-subgraph/0.0.1",
    "fee-module": "fee-module-subgraph/0.0.1",
}
FIRST_PAUSE, LONGEST_PAUSE = 0.25, 30.0  # seconds between tries; doubled each time
LONGEST_WAIT = 60.0  # seconds, whatever a Retry-After asks for
TRIES = 9  # about a minute and a half in all
# What graph-node says of a field, argument or type that is not in its schema: asking again does not help.
UNKNOWN_IN_SCHEMA = re.compile("^the error .*(Cannot query field|has no field|Unknown (argument|type)|not defined by)")
# Ids by which pages are turned: hashes and addresses, with a log index, another hash or a token; or a token.
ID = re.compile("0x[0-9a-fA-F]{40,64}([_-][0-9a-fA-Fx]{1,78})?|[0-9]{1,78}")
MOMENT = re.compile("[0-9]{1,10}")  # unix seconds
WRONG_URL_TRIES = 4  # HTML or 404 this often before any answer: the address is wrong, not the moment


Check = Callable[[Row], str | None]  # what is wrong with an answer's data, or None


class SubgraphError(Exception):
    """No usable answer after all tries; the message says what was asked and what came back."""


class QuestionRefusedError(SubgraphError):
    """The subgraph answers, but with an error of its own: another question may be answered."""


class SchemaError(QuestionRefusedError):
    """The subgraph does not have what is asked for: another version of it is served."""


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
        base = (os.environ.get("GOLDSKY_BASE_URL") or PUBLIC_URL).rstrip("/")
        if "@" in base:
            # It is shown wherever something is said about the endpoint.
            raise SettingError("GOLDSKY_BASE_URL must not hold a name or password: a token goes into GOLDSKY_API_TOKEN")
        if not is_address(base):
            raise SettingError(
                f"GOLDSKY_BASE_URL must be an address that begins with http:// or https://, not {base[:40]!r}"
            )
        token = os.environ.get("GOLDSKY_API_TOKEN", "").strip()
        if not re.fullmatch(r"[!-~]*", token):
            # The client would refuse it too, and its message would show the token.
            raise SettingError("GOLDSKY_API_TOKEN holds a space or a character that no token has")
        return cls(
            base_url=base,
            token=token or None,
            requests_per_second=positive("GOLDSKY_REQUESTS_PER_SECOND", 5.0),
            concurrency=int(positive("GOLDSKY_CONCURRENCY", 8)),
            timeout=positive("GOLDSKY_TIMEOUT_SECONDS", 60.0),
            versions={name: _version(name, version) for name, version in VERSIONS.items()},
        )


def _version(subgraph: str, default: str) -> str:
    variable = f"GOLDSKY_{subgraph.upper().replace('-', '_')}_SUBGRAPH"
    given = os.environ.get(variable) or default
    if len(given) > 100 or not re.fullmatch(r"\w[\w.-]*(/\w[\w.-]*)*", given, re.ASCII):
        raise SettingError(f"{variable} must be a name and a version, as {default}, not {given[:40]!r}")
    return given


def is_address(text: str) -> bool:
    try:
        url = httpx.URL(text)
    except httpx.InvalidURL:
        return False
    return url.scheme in ("http", "https") and bool(url.host)


def positive(name: str, default: float) -> float:
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
    bytes: int = 0  # of answers, after decompression
    seconds: float = 0.0  # from question to answer, requests side by side counted each
    decoding: float = 0.0  # of these, seconds that reading JSON took


@dataclass(frozen=True)
class Head:
    """The last block a subgraph has indexed; `time` is unix seconds, None where it was not told."""

    number: int
    time: int | None
    has_indexing_errors: bool
    deployment: str = ""  # changes when a subgraph is deployed anew; empty where it was not told


class Subgraphs:
    """One client for all subgraphs of an endpoint: one budget of requests, retries, and a check of each answer."""

    def __init__(self, settings: Settings, counts: Counts | None = None) -> None:
        self.settings = settings
        self.counts = counts or Counts()
        self._client = answers.client(settings.token, settings.timeout)
        self.pace = Pace(settings.requests_per_second)
        self.heads: dict[str, Head] = {}  # by subgraph, the latest that was heard of
        self._places = asyncio.Semaphore(settings.concurrency)
        self._answered = False

    async def __aenter__(self) -> "Subgraphs":
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._client.aclose()

    async def head(self, subgraph: str) -> Head:
        """How far a subgraph is indexed."""
        query = "{ _meta { block { number timestamp } deployment hasIndexingErrors } }"
        data = await self.ask(
            subgraph, query, {}, lambda data: None if isinstance(data.get("_meta"), dict) else "an answer without _meta"
        )
        meta = data["_meta"]
        block = meta["block"] if isinstance(meta.get("block"), dict) else {}
        head = Head(
            number=_whole(block.get("number")) or 0,
            time=_whole(block.get("timestamp")),
            has_indexing_errors=bool(meta.get("hasIndexingErrors")),
            deployment=str(meta.get("deployment") or ""),
        )
        if subgraph not in self.heads or head.number >= self.heads[subgraph].number:
            self.heads[subgraph] = head
        journal.note("head", subgraph=subgraph, block=head.number, time=head.time, errors=head.has_indexing_errors)
        return head

    async def ask(self, subgraph: str, query: str, variables: Row, check: Check, may_shrink: bool = False) -> Row:
        """Post a query until `check` finds nothing wrong with its data. Raises SubgraphError and WrongEndpointError.

        Where `may_shrink`, the variable `first` is halved after each time-out: smaller pages are sooner done.
        """
        url = f"{self.settings.base_url}/{self.settings.versions[subgraph]}/gn"
        wrong_answers = 0
        for attempt in range(TRIES):
            async with self._places:
                await self.pace.slot()
                self.counts.requests += 1
                started = time.monotonic()
                data, problem, pause = await self._post(url, query, variables)
                seconds = time.monotonic() - started
                self.counts.seconds += seconds
            if data is not None:
                self._answered = True
                self.pace.answered(seconds)
                problem = check(data) or ""
                if not problem:
                    return data
            if problem.startswith(("HTTP 401", "HTTP 403")):
                raise SubgraphError(f"{url} refuses access ({problem}); check GOLDSKY_API_TOKEN")
            if UNKNOWN_IN_SCHEMA.search(problem):
                raise SchemaError(
                    f"{url} has another schema than this version of polyledger asks for: it answers {problem}; "
                    "polyledger doctor compares the two"
                )
            wrong_answers += problem.startswith(("HTTP 404", "HTTP 30", "HTML"))
            if problem.startswith("HTTP 429"):
                self.pace.refused(pause)
            elif _is_overload(problem):
                self.pace.troubled()
                if may_shrink and "time" in problem.lower():
                    variables["first"] = max(variables["first"] // 2, SMALLEST_PAGE)
            if not self._answered and wrong_answers >= WRONG_URL_TRIES:
                raise WrongEndpointError(f"there is no subgraph at {url}: {problem}; check GOLDSKY_BASE_URL")
            if attempt + 1 < TRIES:
                self.counts.retries += 1
                # Half of the pause is chance, so that parallel requests do not come back all at once.
                backoff = min(FIRST_PAUSE * 2**attempt, LONGEST_PAUSE) * random.uniform(0.5, 1)
                journal.note("retry", subgraph=subgraph, attempt=attempt + 1, problem=problem, rate=self.pace.rate)
                await asyncio.sleep(max(pause, backoff))
        failure = QuestionRefusedError if problem.startswith("the error") else SubgraphError
        raise failure(f"{url} was asked {TRIES} times{_short(variables)}; last came {problem}")

    async def _post(self, url: str, query: str, variables: Row) -> tuple[Row | None, str, float]:
        """One try: (data, "", 0), or (None, what came back, seconds that the endpoint asks to wait)."""
        try:
            # The client's own time-out is for silence: an answer that trickles in would never end.
            async with asyncio.timeout(self.settings.timeout):
                response = await answers.post(self._client, url, {"query": query, "variables": variables})
        except (httpx.HTTPError, TimeoutError) as error:
            return None, f"{type(error).__name__}: {error}".rstrip(": "), 0
        self.counts.bytes += len(response.content)
        if response.status == 429:
            self.counts.refused += 1
        if response.status in (301, 302, 303, 307, 308):
            return None, f"HTTP {response.status}, a redirect, and none is followed", 0
        if response.status != 200:
            return None, f"HTTP {response.status}", retry_after(response)
        try:
            started = time.monotonic()
            answer = decoded(response.content)
            self.counts.decoding += time.monotonic() - started
        except (ValueError, RecursionError):
            is_page = response.content.lstrip()[:1] == b"<"
            return None, "HTML instead of JSON" if is_page else "broken JSON", 0
        if not isinstance(answer, dict):
            return None, "JSON that is no GraphQL answer", 0
        if errors := answer.get("errors"):
            # With errors even the rows that came may be a part of the page: never landed.
            first = errors[0] if isinstance(errors, list) and errors else errors
            message = str(first.get("message") if isinstance(first, dict) else first)
            if self.settings.token:  # an endpoint may repeat what it was sent
                message = message.replace(self.settings.token, "***")
            return None, f"the error {message[:200]!r}", 0
        if not isinstance(answer.get("data"), dict):
            return None, "an answer without data", 0
        return answer["data"], "", 0


_decoder = msgspec.json.Decoder(float_hook=str)  # fractions stay text: a float would round a payout


def decoded(content: bytes) -> Any:
    """What an answer says. Raises ValueError and RecursionError."""
    try:
        return _decoder.decode(content)
    except (msgspec.DecodeError, UnicodeDecodeError):
        # The standard library also reads NaN and half of a surrogate pair: damage of a row, not of the page.
        return json.loads(content, parse_float=str)


def _whole(value: Any) -> int | None:
    """A positive number of 32 bits (a block, unix seconds), else None: told wrongly is as good as not told."""
    text = str(value)
    return int(text) if text.isdecimal() and 0 < int(text) < 2**32 else None


def _is_overload(problem: str) -> bool:
    """Whether an answer (or none) says that less should be asked."""
    return problem.startswith("HTTP 5") or any(word in problem.lower() for word in ("timeout", "timed out", "overload"))


def retry_after(response: answers.Reply | httpx.Response) -> float:
    """Seconds that the answer asks to wait, as a number or as a moment; a minute at most."""
    told = response.headers.get("retry-after", "").strip()
    if re.fullmatch(r"[0-9]+(\.[0-9]*)?", told):
        return min(float(told), LONGEST_WAIT)
    try:
        left: float = (parsedate_to_datetime(told) - datetime.now(UTC)).total_seconds()
    except (TypeError, ValueError):  # a moment without a zone cannot be compared
        return 0.0
    return min(max(left, 0.0), LONGEST_WAIT)


def _short(variables: Row) -> str:
    text = json.dumps({key: value for key, value in variables.items() if key != "first"})
    return "" if not variables else f" for {text}" if len(text) <= 200 else f" for {text[:200]}..."


@dataclass(frozen=True)
class Filter:
    """A filter on one field, its value bound as a variable of the given GraphQL type."""

    field: str
    type: str
    value: Any


@dataclass(frozen=True)
class Page:
    """Rows of an answer, and how many were asked for: fewer rows than that are the last ones."""

    rows: list[Row]
    size: int
    positions: list[tuple[int, str]]  # of events; see positions()


async def event_page(
    subgraphs: Subgraphs,
    entity: Entity,
    since: int,
    until: int,
    cursor: str = "",
    filters: tuple[Filter, ...] = (),
    size: int = PAGE_SIZE,
    newest: bool = False,
) -> Page:
    """One page of events stamped from since up to, not including, until (unix seconds), by (timestamp, id).

    `cursor` is `timestamp:id` of the last row already had, or empty. A page may end inside a second, and a second may
    hold many pages: both are followed by the id. `newest` asks for the last page instead, from the end backwards.
    """
    declared = "".join(f", ${f.field}: {f.type}" for f in filters)
    also = "".join(f", {f.field}: ${f.field}" for f in filters)
    order = "desc" if newest else "asc"
    variables: Row = {"first": size, "until": str(until), **{f.field: f.value for f in filters}}
    had = (since - 1, "")
    if cursor:
        stamp, _, row_id = cursor.partition(":")
        had = (int(stamp), row_id)
        variables |= {"time": stamp, "id": row_id}
        declared = f", $time: BigInt!, $id: ID!{declared}"
        # `or` may not stand beside other filters, so each branch repeats them.
        where = f"{{or: [{{timestamp_gt: $time, timestamp_lt: $until{also}}}, {{timestamp: $time, id_gt: $id{also}}}]}}"
    else:
        variables["since"] = str(since)
        declared = f", $since: BigInt!{declared}"
        where = f"{{timestamp_gte: $since, timestamp_lt: $until{also}}}"
    query = (
        f"query($first: Int!, $block: Block_height, $until: BigInt!{declared}) {{ rows: {entity.many}(where: {where}, "
        f"first: $first, block: $block, orderBy: timestamp, orderDirection: {order}) "
        f"{{ {entity.selection} }} }}"
    )
    found: list[tuple[int, str]] = []

    def check(rows: list[Row], size: int) -> str | None:
        """The rows go on from what was had, and stay below until. A stale or repeated page does not.

        A row that was had already may come before new ones, and counts once in the models.
        """
        found[:] = positions(rows)
        if found != sorted(found, reverse=newest):
            return "rows out of order"
        if found:
            first, last = min(found[0], found[-1]), max(found[0], found[-1])
            if not (since <= first[0] and had < last < (until, "")):
                return "rows outside of what was asked"
        if len(rows) == size and not found:
            return "a full page without a row to go on from"
        return None

    return replace(await _page(subgraphs, entity, query, variables, check), positions=found)


async def timed_pages(
    subgraphs: Subgraphs,
    entity: Entity,
    since: int,
    until: int,
    cursor: str = "",
    filters: tuple[Filter, ...] = (),
    page_size: int = PAGE_SIZE,
) -> AsyncIterator[list[Row]]:
    """Yield all pages of a range, one after the other; see event_page."""
    while True:
        page = await event_page(subgraphs, entity, since, until, cursor, filters, page_size)
        yield page.rows
        if len(page.rows) < page.size:
            return
        last = page.positions[-1]
        cursor = f"{last[0]}:{last[1]}"


def position(row: Row) -> tuple[int, str] | None:
    """(timestamp, id) of an event, by which pages are turned; None for a damaged row."""
    known = id_of(row)
    if known is None or type(row.get("timestamp")) not in (str, int):
        return None
    stamp = str(row["timestamp"])
    return (int(stamp), known) if MOMENT.fullmatch(stamp) else None


def positions(rows: list[Row]) -> list[tuple[int, str]]:
    """(timestamp, id) of each event, by which pages are turned; damaged rows have none."""
    try:
        found = [(int(row["timestamp"]), row["id"]) for row in rows]
        is_in_order = found == sorted(found) or found[::-1] == sorted(found)
        # Pages go on from an end: between two good ones in order, damage does no harm.
        if is_in_order and all(map(position, (rows[0], rows[-1]))):
            return found
    except (IndexError, KeyError, TypeError, ValueError):
        pass
    return [p for p in map(position, rows) if p]


async def pages_by_id(
    subgraphs: Subgraphs,
    entity: Entity,
    after: str = "",
    below: str | None = None,
    filters: tuple[Filter, ...] = (),
    pin: int | None = None,
) -> AsyncIterator[list[Row]]:
    """Yield pages of state by id, above `after` and, where given, below `below` (both texts).

    `pin` is the number of a block: what is served is the state as of that block.
    """
    fields = entity.selection
    limit, declared = (", id_lt: $below", ", $below: ID!") if below is not None else ("", "")
    limit += "".join(f", {f.field}: ${f.field}" for f in filters)
    declared += "".join(f", ${f.field}: {f.type}" for f in filters)
    query = (
        f"query($first: Int!, $block: Block_height, $after: ID!{declared}) {{ rows: {entity.many}("
        f"where: {{id_gt: $after{limit}}}, first: $first, block: $block, orderBy: id, orderDirection: asc) "
        f"{{ {fields} }} }}"
    )
    while True:
        variables: Row = {"first": PAGE_SIZE, "after": after, **{f.field: f.value for f in filters}}
        if below is not None:
            variables["below"] = below
        if pin is not None:
            variables["block"] = {"number": pin}
        page = await _page(subgraphs, entity, query, variables, _ids_above(after))
        yield page.rows
        if len(page.rows) < page.size:
            return
        after = max(filter(None, map(id_of, page.rows)))


def id_of(row: Any) -> str | None:
    """A row's id; None where it is damaged: going on from it would skip rows."""
    given = row.get("id") if isinstance(row, dict) else None
    return given if isinstance(given, str) and ID.fullmatch(given) else None


def _ids_above(after: str) -> Callable[[list[Row], int], str | None]:
    def check(rows: list[Row], size: int) -> str | None:
        ids = [i for i in map(id_of, rows) if i is not None]
        if ids and max(ids) <= after:
            return "rows before what was asked"
        return "a full page without an id to go on from" if len(rows) == size and not ids else None

    return check


async def rows_by_id(subgraphs: Subgraphs, entity: Entity, ids: list[str]) -> list[Row]:
    """The rows of up to 1000 ids; those that the subgraph does not know are absent."""
    fields = entity.selection
    # Without `first` a subgraph returns 100 rows and says nothing.
    query = (
        f"query($first: Int!, $block: Block_height, $ids: [ID!]!) {{ rows: {entity.many}("
        f"where: {{id_in: $ids}}, first: $first, block: $block) {{ {fields} }} }}"
    )
    page = await _page(
        subgraphs, entity, query, {"first": PAGE_SIZE, "ids": ids}, lambda rows, size: None, may_shrink=False
    )
    return page.rows


async def _page(
    subgraphs: Subgraphs,
    entity: Entity,
    query: str,
    variables: Row,
    check_rows: Callable[[list[Row], int], str | None],
    may_shrink: bool = True,
) -> Page:
    def check(data: Row) -> str | None:
        rows = data.get("rows")
        if not isinstance(rows, list):
            return "an answer without rows"
        if len(rows) > variables["first"]:
            return f"{len(rows):,} rows where {variables['first']:,} were asked for"
        for name in entity.field_names if rows else ():
            if not any(isinstance(row, dict) and name in row for row in rows):
                return f"rows without {name}"
        return check_rows(rows, variables["first"])

    if (head := subgraphs.heads.get(entity.subgraph)) and head.number:
        # Ranges end at the head: a replica that is behind it refuses to answer, and the question is put again.
        variables.setdefault("block", {"number_gte": head.number})
    # After a time-out `first` is smaller than it was.
    rows = (await subgraphs.ask(entity.subgraph, query, variables, check, may_shrink))["rows"]
    return Page(rows, variables["first"], [])
