"""Ask a Polygon node by JSON-RPC. Knows blocks and logs, and nothing of ClickHouse.

Nodes differ in how much they answer at once and in how they say so. Too much is an error that a smaller range cures,
and is raised as one; everything else that passes is asked again.
"""

import asyncio
import os
import random
import re
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import httpx

from loaders import __version__, journal, subgraph
from loaders.pace import Pace
from loaders.subgraph import (
    LONGEST_PAUSE,
    TRIES,
    WRONG_URL_TRIES,
    Counts,
    SettingError,
    SubgraphError,
    WrongEndpointError,
    decoded,
    is_address,
    positive,
    retry_after,
)

POLYGON = 137
HEADERS_AT_ONCE = 50  # in one request
# What nodes and those who rent them out say, in lower case.
TOO_OFTEN = re.compile(
    "too many requests|rate limit|rate.?exceeded|requests per second|per second capacity|request limit|daily|credits"
    "|throttl|quota"
)
NOT_THERE_YET = re.compile(
    "beyond (the )?current head|head block|cannot be found|not found|unknown block|invalid block range|not available"
)
TOO_MUCH = re.compile(
    r"more than [\d,]+ (results|logs|events)|exceed|too (wide|large|big|many|long)|limited to|bigger than"
    r"|greater than|range (limit|over)|ranges over|max(imum)?\b.*(range|block|result|log)|time.?out|timed out"
    "|range should work"
)
MATCHES = re.compile("result|logs|events|response|size|time.?out|timed out")  # and not blocks are too many
SUGGESTED = re.compile(r"\[?\b(0x[0-9a-f]+|\d+)\s*(?:,|-|to)\s*(0x[0-9a-f]+|\d+)\b\]?")
BLOCKS_ALLOWED = re.compile(
    r"(?:limit|max\w*|up to|limited to|exceed\w*|over|than)\D{0,40}?(?<!x)\b([\d,]+)(k?)\b(?! (?:result|log|event))"
)
NOT_SERVED = re.compile("method.*(not found|not exist|not support|not available|disabled)|unsupported method")
Call = tuple[str, list[Any]]  # method and its parameters
Check = Callable[[list[Any]], str | None]  # what is wrong with the answers, or None


class NodeError(SubgraphError):
    """No usable answer of a node after all tries; to those who run a load it is like that of a subgraph."""


class TooMuchError(Exception):
    """The node does not answer a range as wide as this.

    `blocks` is how many it allows, `last` the last block of a range that it suggests; None where it does not say.
    `by_matches`: it allows as many blocks where fewer logs match.
    """

    def __init__(self, message: str, blocks: int | None, last: int | None, by_matches: bool) -> None:
        super().__init__(message)
        self.blocks = blocks
        self.last = last
        self.by_matches = by_matches


@dataclass(frozen=True)
class Settings:
    """Which node, and how fast to ask; from the environment."""

    url: str = field(repr=False)  # holds a key, mostly
    requests_per_second: float
    concurrency: int
    timeout: float

    @property
    def host(self) -> str:
        """All of the address that may be shown."""
        return httpx.URL(self.url).host

    @classmethod
    def from_environment(cls) -> "Settings":
        """Read POLYGON_RPC_*. Raises SettingError."""
        url = os.environ.get("POLYGON_RPC_URL", "").strip()
        if not url:
            raise SettingError(
                "POLYGON_RPC_URL is not set: give the address of a Polygon node that serves JSON-RPC, your own or one "
                "of a provider's"
            )
        if not is_address(url):  # what was given is not repeated: it may hold a key
            raise SettingError("POLYGON_RPC_URL must be an address that begins with http:// or https://")
        return cls(
            url=url,
            requests_per_second=positive("POLYGON_RPC_REQUESTS_PER_SECOND", 10.0),
            concurrency=int(max(positive("POLYGON_RPC_CONCURRENCY", 4), 1)),
            timeout=positive("POLYGON_RPC_TIMEOUT_SECONDS", 30.0),
        )


@dataclass(frozen=True)
class Block:
    """A block's header, as far as it matters here; time is unix seconds."""

    number: int
    hash: str
    parent: str
    time: int


@dataclass(frozen=True)
class Logs:
    """Logs of the blocks first to last as served, each with a blockTimestamp, and the headers of these two."""

    first: Block
    last: Block
    rows: list[dict[str, Any]]


class Node:
    """One client for a node: one budget of requests, retries, and a check of each answer."""

    def __init__(self, settings: Settings, counts: Counts, pace: Pace, tries: int = TRIES) -> None:
        self.settings = settings
        self._tries = tries
        self.counts = counts
        self.pace = pace
        self._client = httpx.AsyncClient(headers={"user-agent": f"polyledger/{__version__}"}, timeout=settings.timeout)
        self._places = asyncio.Semaphore(settings.concurrency)
        self._takes_batches = True
        self._answered = False
        url = httpx.URL(settings.url)
        parts = [url.userinfo.decode(), url.username, url.password, url.path.strip("/"), *url.path.split("/")]
        parts += [url.query.decode(), *url.params.values()]
        # Whatever of the address is no host may be a key, and a node may repeat what it was asked.
        self._secrets = sorted({settings.url, *(part for part in parts if len(part) > 4)}, key=len, reverse=True)

    async def __aenter__(self) -> "Node":
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._client.aclose()

    async def head(self) -> int:
        """Number of the newest block. Raises WrongEndpointError where the node is of another chain."""
        chain, number = await self._ask(
            [("eth_chainId", []), ("eth_blockNumber", [])],
            lambda answers: None if all(map(_is_quantity, answers)) else "no number",
        )
        if int(chain, 16) != POLYGON:
            raise WrongEndpointError(
                f"{self.settings.host} is a node of chain {int(chain, 16)} and not of Polygon ({POLYGON}); "
                "check POLYGON_RPC_URL"
            )
        journal.note("head", node=self.settings.host, block=int(number, 16))
        return int(number, 16)

    async def block(self, number: int) -> Block:
        """The header of a block."""
        return (await self.blocks([number]))[number]

    async def blocks(self, numbers: Iterable[int]) -> dict[int, Block]:
        """Headers by number."""
        found: dict[int, Block] = {}
        wanted = sorted(set(numbers))
        for start in range(0, len(wanted), HEADERS_AT_ONCE):
            some = wanted[start : start + HEADERS_AT_ONCE]
            answers = await self._ask([_header(number) for number in some], partial(_wrong_headers, numbers=some))
            found |= {block.number: block for block in map(_block, answers)}
        return found

    async def logs(self, first: int, last: int, addresses: tuple[str, ...], topic: str) -> Logs:
        """Logs of these contracts with this first topic in the blocks first to last, both included.

        The headers of both ends are asked for in the same request: a node that does not have the last block yet has
        no logs of it either, and would say so by an empty list. Raises TooMuchError.
        """
        asked = {"fromBlock": hex(first), "toBlock": hex(last), "address": list(addresses), "topics": [topic]}
        calls = [_header(first), _header(last), ("eth_getLogs", [asked])]
        for _ in range(TRIES):
            begin, end, rows = await self._ask(
                calls,
                lambda got: _wrong_headers(got[:2], [first, last]) or _wrong_logs(got[2], first, last, got[1], topic),
            )
            untimed = [row for row in rows if not _is_quantity(row.get("blockTimestamp"))]
            blocks = await self.blocks(int(row["blockNumber"], 16) for row in untimed)
            of = [(row, blocks[int(row["blockNumber"], 16)]) for row in untimed]
            for row, block in of:
                row["blockTimestamp"] = hex(block.time)
            if all(row["blockHash"].lower() == block.hash for row, block in of):
                return Logs(_block(begin), _block(end), rows)
        raise NodeError(f"{self.settings.host}: the blocks {first:,} to {last:,} change while they are read")

    async def _ask(self, calls: list[Call], check: Check) -> list[Any]:
        """Answers in the order of the calls, asked until `check` finds nothing wrong.

        Raises NodeError, WrongEndpointError and TooMuchError.
        """
        host, wrong_answers = self.settings.host, 0
        for attempt in range(self._tries):
            async with self._places:
                await self.pace.slot()
                started = time.monotonic()
                answers, problem, pause = await self._post(calls)
                seconds = time.monotonic() - started
                self.counts.seconds += seconds
            if answers is not None:
                self._answered = True
                self.pace.answered(seconds)
                problem = check(answers) or ""
                if not problem:
                    return answers
            if problem.startswith(("HTTP 401", "HTTP 403")):
                raise NodeError(f"{host} refuses access ({problem}); check the key in POLYGON_RPC_URL")
            said = problem.lower()
            if problem.startswith("HTTP 429") or TOO_OFTEN.search(said):
                self.counts.refused += not problem.startswith("HTTP 429")
                self.pace.refused(pause)
            elif _is_trouble(said):
                self.pace.troubled()
            if narrower := too_much(problem, calls):
                journal.note("retry", node=host, attempt=attempt + 1, problem=problem, rate=self.pace.rate)
                raise narrower
            if NOT_SERVED.search(said):
                raise WrongEndpointError(f"{host} does not serve {calls[-1][0]}: {problem}; use another node")
            wrong_answers += problem.startswith(("HTTP 404", "no JSON-RPC"))
            if not self._answered and wrong_answers >= WRONG_URL_TRIES:
                raise WrongEndpointError(f"there is no JSON-RPC node at {host}: {problem}; check POLYGON_RPC_URL")
            if attempt + 1 < self._tries:
                self.counts.retries += 1
                backoff = min(subgraph.FIRST_PAUSE * 2**attempt, LONGEST_PAUSE) * random.uniform(0.5, 1)
                journal.note("retry", node=host, attempt=attempt + 1, problem=problem, rate=self.pace.rate)
                await asyncio.sleep(max(pause, backoff))
        raise NodeError(f"{host} was asked {self._tries} times for {_short(calls)}; last came {problem}")

    async def _post(self, calls: list[Call]) -> tuple[list[Any] | None, str, float]:
        """One try: (answers, "", 0), or (None, what came back, seconds that the node asks to wait)."""
        if not self._takes_batches and len(calls) > 1:
            answers = []
            for call in calls:  # the logs last: whoever has the header of the last block has its logs
                one, problem, pause = await self._post([call])
                if one is None:
                    return None, problem, pause
                answers += one
            return answers, "", 0
        body = [
            {"jsonrpc": "2.0", "id": number, "method": method, "params": given}
            for number, (method, given) in enumerate(calls)
        ]
        self.counts.requests += 1
        try:
            # The client's own time-out is for silence: an answer that trickles in would never end.
            async with asyncio.timeout(self.settings.timeout):
                response = await self._client.post(self.settings.url, json=body if len(body) > 1 else body[0])
        except (httpx.HTTPError, TimeoutError) as error:
            return None, self._hidden(f"{type(error).__name__}: {error}".rstrip(": ")), 0
        self.counts.bytes += len(response.content)
        self.counts.refused += response.status_code == 429
        try:
            answer = decoded(response.content)
        except (ValueError, RecursionError):
            answer = None
        given = answer if isinstance(answer, list) else [answer]
        told = [one for one in given if isinstance(one, dict) and (one.get("error") or "result" in one)]
        wait = retry_after(response)
        if told and any(one.get("error") for one in told):
            message = self._hidden("; ".join(dict.fromkeys(_message(one["error"]) for one in told if one.get("error"))))
            if len(calls) > 1 and not isinstance(answer, list) and "batch" in message.lower():
                self._takes_batches = False
                return await self._post(calls)
            status = "" if response.status_code == 200 else f"HTTP {response.status_code}, "
            return None, f"{status}the error {message[:300]!r}", wait
        if response.status_code != 200:
            return None, f"HTTP {response.status_code}", wait
        if not told:
            return None, "no JSON-RPC answer", 0
        results = {one.get("id"): one.get("result") for one in told}
        if results.keys() != set(range(len(calls))):
            return None, "answers to something else than was asked", 0
        return [results[number] for number in range(len(calls))], "", 0

    def _hidden(self, text: str) -> str:
        for secret in self._secrets:
            text = text.replace(secret, "***")
        return text


def _header(number: int) -> Call:
    return ("eth_getBlockByNumber", [hex(number), False])


def _block(answer: dict[str, Any]) -> Block:
    return Block(
        number=int(answer["number"], 16),
        hash=answer["hash"].lower(),
        parent=answer["parentHash"].lower(),
        time=int(answer["timestamp"], 16),
    )


def _is_quantity(value: Any) -> bool:
    return isinstance(value, str) and bool(re.fullmatch("0x[0-9a-fA-F]{1,15}", value))


def _is_hash(value: Any) -> bool:
    return isinstance(value, str) and bool(re.fullmatch("0x[0-9a-fA-F]{64}", value))


def _wrong_headers(answers: list[Any], numbers: list[int]) -> str | None:
    for answer, number in zip(answers, numbers, strict=True):
        if answer is None:
            return f"nothing about block {number:,}: the node that answered does not have it"
        if not isinstance(answer, dict) or not all(map(_is_quantity, map(answer.get, ("number", "timestamp")))):
            return "a block without number or timestamp"
        if int(answer["number"], 16) != number or not all(map(_is_hash, map(answer.get, ("hash", "parentHash")))):
            return f"another block than {number:,}, or one without hashes"
    return None


def _wrong_logs(rows: Any, first: int, last: int, end: dict[str, Any], topic: str) -> str | None:
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        return "something else than a list of logs"
    for row in rows:
        number = row.get("blockNumber")
        if not _is_quantity(number) or not first <= int(number, 16) <= last or not _is_hash(row.get("blockHash")):
            return "a log that names no block of the range"
        if row.get("removed"):
            return "a log of a block that has left the chain"
        if int(number, 16) == last and row["blockHash"].lower() != end["hash"].lower():
            return f"logs of another block {last:,} than its header: the chain was reorganised meanwhile"
        if not isinstance(row.get("topics"), list) or row["topics"][:1] != [topic]:
            return "a log of another event than was asked for"
    return None


def _message(error: Any) -> str:
    """What an error says: its message, and what some put beside it."""
    if not isinstance(error, dict):
        return str(error)
    more = error.get("data")
    return str(error.get("message")) + (f" ({more})" if isinstance(more, str) and not more.startswith("0x") else "")


def _is_trouble(said: str) -> bool:
    return said.startswith("http 5") or any(word in said for word in ("timeout", "timed out", "overload"))


def too_much(problem: str, calls: list[Call]) -> TooMuchError | None:
    """Whether a smaller range of logs would be answered, and how much smaller; None where it is another problem."""
    said = problem.lower().replace("eth_getlogs", "").replace("eth_newfilter", "")
    if calls[-1][0] != "eth_getLogs" or said.startswith(("http 429", "http 5", "connect")) or TOO_OFTEN.search(said):
        return None
    if not (said.startswith("http 413") or TOO_MUCH.search(said)) or NOT_THERE_YET.search(said):
        return None
    asked = calls[-1][1][0]
    first, last = int(asked["fromBlock"], 16), int(asked["toBlock"], 16)
    if first == last:
        return None  # it can only be asked again
    suggested = [(int(low, 0), int(high, 0)) for low, high in SUGGESTED.findall(said)]
    ends = [high for low, high in suggested if low == first <= high < last]  # some suggest what was refused
    by_matches = bool(MATCHES.search(said))
    allowed = [int(digits.replace(",", "")) * (1000 if k else 1) for digits, k in BLOCKS_ALLOWED.findall(said)]
    fitting = [count for count in allowed if 0 < count <= last - first]
    blocks = min(fitting) if fitting and not by_matches else None
    return TooMuchError(problem, blocks, min(ends, default=None), by_matches)


def _short(calls: list[Call]) -> str:
    method, given = calls[-1]
    if method == "eth_getLogs":
        return f"logs of the blocks {int(given[0]['fromBlock'], 16):,} to {int(given[0]['toBlock'], 16):,}"
    return f"block {int(given[0], 16):,}" if method == "eth_getBlockByNumber" else method
