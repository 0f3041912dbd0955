"""Ask an endpoint a few plain questions and keep what came back, trouble included. Knows HTTP and GraphQL only.

The loaders ask through subgraph.py, which tries again until an answer can be used; here the trouble is the answer.
"""

import asyncio
import email.utils
import json
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeVar

import httpx

from loaders import answers
from loaders.entities import ENTITIES, Entity
from loaders.subgraph import Settings

META = "{ _meta { block { number timestamp } hasIndexingErrors } }"
LONGEST_TIMEOUT = 15.0  # seconds; whoever asks before a run wants to know soon
TRIES = 5  # of a question, where the endpoint was only busy
PAUSE = 1.0  # seconds between them
BURST = 10  # requests at most
BURST_SECONDS = 2.0  # as many requests as the configured rate has in this time
LONGEST_GAP = 2.0  # seconds between requests, however low the configured rate is
T = TypeVar("T")


@dataclass(frozen=True)
class Answer:
    """What came back for one request; `data` is None when it is no use, and `problem` says why."""

    status: int  # of HTTP; 0 when nothing came
    data: dict[str, Any] | None
    problem: str
    seconds: float
    clock_ahead: float | None  # seconds that the local clock is ahead of the endpoint, by its Date header


@dataclass
class Probe:
    """Everything that was asked: by subgraph its `_meta` and what its schema lacks, and the answers to the burst."""

    heads: dict[str, Answer] = field(default_factory=dict)
    missing: dict[str, list[str] | str] = field(default_factory=dict)  # a text says why it could not be compared
    burst: list[Answer] = field(default_factory=list)
    answers: list[Answer] = field(default_factory=list)  # to every single request, refused ones too


async def look(settings: Settings) -> Probe:
    """Ask each subgraph for its head and its schema, then send the burst. Never raises for what the endpoint does."""
    probe = Probe()
    wanted: dict[str, list[Entity]] = {}
    for entity in ENTITIES:
        wanted.setdefault(entity.subgraph, []).append(entity)
    gap = min(1 / settings.requests_per_second, LONGEST_GAP)
    timeout = min(settings.timeout, LONGEST_TIMEOUT)
    async with answers.client(settings.token, timeout) as client:

        async def ask(subgraph: str, query: str, tries: int = TRIES) -> Answer:
            url = f"{settings.base_url}/{settings.versions[subgraph]}/gn"
            for left in reversed(range(tries)):
                answer = await _post(client, url, query)
                probe.answers.append(answer)
                is_busy = answer.status == 429 or answer.status >= 500 or (answer.status == 200 and not answer.data)
                if not is_busy or not left:
                    return answer
                await asyncio.sleep(PAUSE)
            raise AssertionError("there is at least one try")

        heads = await _spread(gap, [partial(ask, name, META) for name in wanted])
        probe.heads = dict(zip(wanted, heads, strict=True))
        asked = [name for name, head in probe.heads.items() if head.data]
        schemas = await _spread(gap, [partial(ask, name, introspection(wanted[name])) for name in asked])
        for name, schema in zip(asked, schemas, strict=True):
            probe.missing[name] = lacks(wanted[name], schema.data) if schema.data else schema.problem
        if asked:
            count = max(2, min(BURST, round(settings.requests_per_second * BURST_SECONDS)))
            probe.burst = await _spread(gap, [partial(ask, asked[0], META, tries=1)] * count)
    return probe


async def _spread(gap: float, requests: Iterable[Callable[[], Awaitable[T]]]) -> list[T]:
    """Start the requests `gap` seconds apart, whether or not the earlier ones are answered."""

    async def later(place: int, request: Callable[[], Awaitable[T]]) -> T:
        await asyncio.sleep(place * gap)
        return await request()

    return await asyncio.gather(*(later(place, request) for place, request in enumerate(requests)))


async def _post(client: httpx.AsyncClient, url: str, query: str) -> Answer:
    began, at = time.monotonic(), time.time()
    try:
        async with asyncio.timeout(LONGEST_TIMEOUT):
            response = await answers.post(client, url, {"query": query})
    except (httpx.HTTPError, TimeoutError) as error:
        problem = f"{type(error).__name__}: {error}".rstrip(": ")
        return Answer(0, None, problem, time.monotonic() - began, None)
    seconds = time.monotonic() - began
    ahead = _clock_ahead(response, at + seconds / 2)
    if response.status != 200:
        return Answer(response.status, None, f"HTTP {response.status}", seconds, ahead)
    data, problem = _read(response.content)
    return Answer(200, data, problem, seconds, ahead)


def _read(content: bytes) -> tuple[dict[str, Any] | None, str]:
    try:
        answer = json.loads(content)
    except (ValueError, RecursionError):
        is_page = content.lstrip()[:1] == b"<"
        return None, "HTML instead of JSON" if is_page else "broken JSON"
    if isinstance(answer, dict) and isinstance(answer.get("data"), dict) and not answer.get("errors"):
        return answer["data"], ""
    errors = answer.get("errors") if isinstance(answer, dict) else None
    first = errors[0] if isinstance(errors, list) and errors else errors
    message = first.get("message") if isinstance(first, dict) else first
    return None, f"the error {str(message)[:200]!r}" if message else "an answer without data"


def _clock_ahead(response: answers.Reply, at: float) -> float | None:
    try:
        return at - email.utils.parsedate_to_datetime(response.headers["date"]).timestamp()
    except (KeyError, ValueError):
        return None


def introspection(wanted: list[Entity]) -> str:
    """A query for the fields of these entities, and for the names of the lists."""
    types = [f'e{place}: __type(name: "{entity.name}") {{ fields {{ name }} }}' for place, entity in enumerate(wanted)]
    return f"{{ lists: __schema {{ queryType {{ fields {{ name }} }} }} {' '.join(types)} }}"


def lacks(wanted: list[Entity], data: dict[str, Any]) -> list[str]:
    """What the loaders ask for and the schema does not have: sentences, none when all is there."""
    lists = _names((data.get("lists") or {}).get("queryType"))
    found = []
    for place, entity in enumerate(wanted):
        fields = _names(data.get(f"e{place}"))
        if not fields:
            found.append(f"there is no {entity.name}")
            continue
        found += [f"{entity.name} has no {name}" for name in entity.field_names if name not in fields]
        if entity.many not in lists:
            found.append(f"{entity.name} has no list {entity.many}")
    return found


def _names(of: Any) -> set[str]:
    fields = of.get("fields") if isinstance(of, dict) else None
    return {field["name"] for field in fields or [] if isinstance(field, dict) and "name" in field}


def problems(answers: Iterable[Answer]) -> str:
    """What went wrong and how often, as `2 x HTTP 503`; empty when nothing did."""
    counted = Counter(answer.problem for answer in answers if answer.problem)
    return ", ".join(f"{count} x {problem}" for problem, count in counted.most_common(3))
