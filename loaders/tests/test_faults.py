"""An endpoint that refuses, hangs, goes back, repeats itself or changes its schema; and damage in every field.

Plain faults (each status, broken and partial answers) are in test_loading.py. The end is always what an undisturbed run
leaves, or a sentence that says what is missing.
"""

import json
import signal
import threading
import time
from collections.abc import Callable, Iterator
from email.utils import formatdate
from itertools import pairwise
from typing import Any
from unittest import mock

import pytest

from loaders import pace, subgraph
from loaders.entities import ENTITIES, USER_POSITIONS, Entity, Row
from loaders.standin import goldsky
from loaders.standin.goldsky import Faults, Goldsky, Handler, Reply, Request, as_json, errors
from loaders.subgraph import PAGE_SIZE
from loaders.tests.conftest import Desk
from loaders.tests.processes import Processes, processes
from loaders.tests.test_command import call
from loaders.tests.test_kills import a_month
from loaders.tests.test_loading import (
    DAY,
    NEW_YEAR,
    asked,
    fill,
    hash_of,
    ids,
    landed,
    market,
    open_windows,
    raw,
    rejected,
    span,
    windows,
)

Twist = Callable[[Request, Reply], Reply | None]  # another answer instead, or None
HEAD = NEW_YEAR + DAY


class Twisted(Goldsky):
    """The endpoint, with other answers than it would give."""

    def __init__(self, entities: dict[str, list[Row]], twist: Twist | None = None, head: int = HEAD) -> None:
        super().__init__(entities, head=head)
        self.twist = twist
        self.thread = threading.local()  # query: the text that this thread answers

    def __enter__(self) -> "Twisted":
        self.start()
        return self

    def reply_noting(self, asked: Request, authorization: str | None, body: bytes) -> Reply:
        self.thread.query = json.loads(body)["query"]
        reply = super().reply_noting(asked, authorization, body)
        return (self.twist(asked, reply) if self.twist else None) or reply


def rows_in(reply: Reply) -> list[Row]:
    return list(json.loads(reply.body).get("data", {}).get("rows", []))


def with_rows(rows: list[Any]) -> Reply:
    return as_json({"data": {"rows": rows}})


@pytest.fixture(scope="module")
def fills() -> list[Row]:
    return [fill(n, NEW_YEAR + n // 3) for n in range(4 * PAGE_SIZE + 300)]


def assert_landed_once(desk: Desk, fills: list[Row]) -> None:
    assert landed(desk) == ids(fills)
    assert desk.rows("select count() from polyledger_raw.order_filled_events") == [(len(fills),)]
    assert open_windows(desk) == []


# Refusals


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pauses after a refusal are as usual, only shorter."""
    monkeypatch.setattr(pace, "SHORTEST_PAUSE", 0.01)
    monkeypatch.setattr(pace, "LONGEST_PAUSE", 0.05)


def refused(retry_after: str | None) -> Reply:
    return Reply(429, goldsky.ALLOWANCE.encode(), "text/plain", retry_after)


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("retry_after", [None, "0", "soon", "-1", "nan", "Wed, 21 Oct 2015 07:28:00 GMT"])
def test_a_storm_of_refusals_passes(desk: Desk, fills: list[Row], retry_after: str | None) -> None:
    def twist(asked: Request, reply: Reply) -> Reply | None:
        return refused(retry_after) if len(endpoint.requests) % 12 > 4 else None

    with Twisted({"OrderFilledEvent": fills}, twist) as endpoint:
        desk.base_url = endpoint.base_url
        report = json.loads(call(desk, "load", "fills", "--json", GOLDSKY_CONCURRENCY="2").out)
    assert report["refused"] == sum(request.status == 429 for request in endpoint.requests) >= 3
    assert_landed_once(desk, fills)


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("is_moment", [False, True], ids=["seconds", "moment"])
def test_nobody_asks_before_the_time_that_a_refusal_names(desk: Desk, fills: list[Row], is_moment: bool) -> None:
    heard: list[float] = []

    def twist(asked: Request, reply: Reply) -> Reply | None:
        heard.append(time.monotonic())
        # A moment is told in whole seconds.
        told = formatdate(time.time() + 2, usegmt=True) if is_moment else "1"
        return refused(told) if len(heard) == 5 else None

    with Twisted({"OrderFilledEvent": fills}, twist) as endpoint:
        desk.base_url = endpoint.base_url
        call(desk, "load", "fills", GOLDSKY_CONCURRENCY="1")
    assert heard[5] - heard[4] > 0.99
    assert_landed_once(desk, fills)


@pytest.mark.usefixtures("impatient")
def test_refusals_without_end_leave_the_window_open(desk: Desk, fills: list[Row]) -> None:
    with Twisted({"OrderFilledEvent": fills}) as endpoint:
        desk.base_url = endpoint.base_url
        endpoint.twist = lambda asked, reply: refused(None) if len(endpoint.requests) > 4 else None
        said = call(desk, "load", "fills", code=3, GOLDSKY_CONCURRENCY="1")
        assert "open: OrderFilledEvent 2022-11-21 00:00:00 to" in said.out and "last came HTTP 429" in said.out
        assert 0 < len(landed(desk)) < len(fills)
        endpoint.twist = None
        call(desk, "load", "fills")
    assert_landed_once(desk, fills)


# Silence


def test_an_answer_that_trickles_in_without_end_is_asked_for_again_in_smaller_pages(
    desk: Desk, fills: list[Row]
) -> None:
    trickled: list[int] = []
    whole = Handler.send

    def send(handler: Handler, reply: Reply) -> None:
        if len(reply.body) < 100_000 or len(trickled) >= 2:
            return whole(handler, reply)
        trickled.append(len(reply.body))
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(reply.body)))
        handler.end_headers()
        for byte in reply.body[:600]:  # a minute
            handler.wfile.write(bytes([byte]))
            time.sleep(0.1)

    with Twisted({"OrderFilledEvent": fills}) as endpoint, mock.patch.object(Handler, "send", send):
        desk.base_url = endpoint.base_url
        call(desk, "load", "fills", GOLDSKY_TIMEOUT_SECONDS="1", GOLDSKY_CONCURRENCY="1")
    assert len(trickled) == 2
    assert {variables["first"] for variables in asked(endpoint)} >= {1000, 500, 250}
    assert_landed_once(desk, fills)


def test_an_endpoint_that_only_hangs_leaves_windows_open(
    desk: Desk, fills: list[Row], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(subgraph, "TRIES", 3)
    # The heads, the refunds and a page of fills are answered.
    with Goldsky({"OrderFilledEvent": fills}, head=HEAD) as endpoint:
        endpoint.faults = Faults(1.0, ("hang",), first=4, hang_seconds=600)
        desk.base_url = endpoint.base_url
        said = call(desk, "load", "fills", code=3, GOLDSKY_TIMEOUT_SECONDS="1", GOLDSKY_CONCURRENCY="1")
        assert "Timeout" in said.out and "Run the same command again to continue." in said.out
        assert 0 < len(landed(desk)) < len(fills)
        endpoint.faults = Faults(0.0)
        call(desk, "load", "fills")
    assert_landed_once(desk, fills)


@pytest.fixture(scope="module")
def start(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Processes]:
    with processes(tmp_path_factory.mktemp("said")) as start:
        yield start


@pytest.mark.parametrize(("kind", "stop"), [("hang", signal.SIGTERM), ("429", signal.SIGINT)])
def test_a_load_is_stopped_while_the_endpoint_says_nothing(
    desk: Desk, start: Processes, fills: list[Row], kind: str, stop: signal.Signals
) -> None:
    """Of what it had in hand nothing is lost."""
    answered = 4

    def twist(asked: Request, reply: Reply) -> Reply | None:
        if len(endpoint.requests) < answered:
            return None
        if kind == "hang":
            silent.append(asked)
            endpoint.stopping.wait(600)
            return Reply(0)
        silent.append(asked)
        return refused("60")

    silent: list[Request] = []
    with Twisted({"OrderFilledEvent": fills}, twist) as endpoint:
        desk.base_url = endpoint.base_url
        process = start.start(desk, "load", "fills", GOLDSKY_CONCURRENCY="1")
        while not silent:
            assert process.poll() is None, process.said()
            time.sleep(0.01)
        time.sleep(0.2)
        process.send(stop)
        assert process.wait(within=20.0) == 1  # it promises five, on a machine that has nothing else to do
        assert process.said().splitlines() == [
            "stopped; what had arrived is landed. Run the same command again to continue."
        ]
        assert len(landed(desk)) == 2 * PAGE_SIZE  # two heads, and two pages
        endpoint.twist = None
        endpoint.requests.clear()
        call(desk, "load", "fills")
        assert asked(endpoint)[0]["time"]  # it goes on after those pages
    assert_landed_once(desk, fills)


# Yesterday's answers


def test_a_head_that_went_back_is_told_and_what_is_beyond_is_read_anew(desk: Desk) -> None:
    fills = [fill(n, NEW_YEAR + n * DAY // 100) for n in range(500)]
    with Goldsky({"OrderFilledEvent": fills}, head=NEW_YEAR + 5 * DAY) as endpoint:
        desk.base_url = endpoint.base_url
        call(desk, "load", "fills", *span(0, 2))
        call(desk, "load", "fills")
        complete = {(since, until) for _, since, until, _ in windows(desk, "complete")}
        assert complete == {(NEW_YEAR, NEW_YEAR + 2 * DAY), (NEW_YEAR + 2 * DAY, NEW_YEAR + 5 * DAY + 1)}

        endpoint.head = NEW_YEAR + 4 * DAY
        endpoint.requests.clear()
        said = call(desk, "load", "fills")
        for entity in ("OrderFilledEvent", "FeeRefundedEntity"):
            assert f"went back to 2025-01-05 00:00:01 UTC; {entity} after that moment is read anew" in said.out
        assert asked(endpoint) == []  # nothing of it is there yet
        assert open_windows(desk) == []

        endpoint.head = NEW_YEAR + 5 * DAY
        assert "went back" not in call(desk, "load", "fills").out
        assert [(a["since"], a["until"]) for a in asked(endpoint)] == [
            (str(NEW_YEAR + 4 * DAY + 1), str(NEW_YEAR + 5 * DAY + 1))
        ]
    assert landed(desk) == ids(fills)
    spans = sorted((since, until) for _, since, until, _ in windows(desk, "complete"))
    assert spans[0][0] == NEW_YEAR and spans[-1][1] == NEW_YEAR + 5 * DAY + 1
    assert all(end >= begin for (_, end), (begin, _) in pairwise(spans))


def test_a_page_that_comes_twice_is_asked_for_again(desk: Desk, fills: list[Row]) -> None:
    """A cache may answer with the page before."""
    last: list[Reply] = []

    def twist(asked: Request, reply: Reply) -> Reply | None:
        if "orderFilledEvents" not in asked.fields or not rows_in(reply):
            return None
        last.append(reply)
        return last[-2] if len(last) % 2 == 0 else None

    with Twisted({"OrderFilledEvent": fills}, twist) as endpoint:
        desk.base_url = endpoint.base_url
        report = json.loads(call(desk, "load", "fills", "--json", GOLDSKY_CONCURRENCY="1").out)
    assert report["retries"] >= 3
    assert_landed_once(desk, fills)


def as_served(entity: Entity, row: Row) -> Row:
    """What refers to another entity is an object."""
    return row | {field.name: {"id": row[field.name]} for field in entity.fields if field.is_reference}


def test_a_row_that_comes_in_two_pages_counts_once(desk: Desk) -> None:
    """Each page begins with the last row of the one before, every time that it is asked for."""
    month = a_month(27_000)
    rows = {
        entity.many: {row["id"]: as_served(entity, row) for row in month.get(entity.name, [])} for entity in ENTITIES
    }
    again: set[str] = set()

    def twist(asked: Request, reply: Reply) -> Reply | None:
        field, had = asked.fields[0], asked.variables.get("id") or asked.variables.get("after")
        if not had or not rows_in(reply):
            return None
        again.add(field)
        return with_rows([rows[field][had], *rows_in(reply)][: asked.variables["first"]])

    with Twisted(month, twist, head=NEW_YEAR + 31 * DAY) as endpoint:
        desk.base_url = endpoint.base_url
        for words in (["fills"], ["activity"], ["amm"], ["payouts", "--all"]):
            call(desk, "load", *words)
    fpmm = {"fpmmTransactions", "fpmmFundingAdditions", "fpmmFundingRemovals"}
    assert again == fpmm | {"orderFilledEvents", "feeRefundedEntities", "splits", "merges", "redemptions"} | {
        "conditions",
        "marketDatas",
    }
    for entity in ENTITIES:
        if entity != USER_POSITIONS:
            assert len(raw(desk, entity.table)) == len(month[entity.name])
    assert open_windows(desk) == []


# Another schema


def test_a_field_that_is_gone_is_told_at_once_and_nothing_half_lands(desk: Desk, fills: list[Row]) -> None:
    def twist(asked: Request, reply: Reply) -> Reply | None:
        is_gone = "orderFilledEvents" in asked.fields and " fee " in endpoint.thread.query
        return as_json(errors(['Cannot query field "fee" on type "OrderFilledEvent".'])) if is_gone else None

    with Twisted({"OrderFilledEvent": fills}, twist) as endpoint:
        desk.base_url = endpoint.base_url
        report = json.loads(call(desk, "load", "fills", "--json", code=3).out)
        (sentence,) = report["open_windows"]
        assert sentence.startswith("OrderFilledEvent 2022-11-21 00:00:00 to ")
        assert "has another schema than this version of polyledger asks for" in sentence
        assert 'Cannot query field "fee"' in sentence and "polyledger doctor" in sentence
        assert report["retries"] == 0
        assert landed(desk) == set() and rejected(desk) == []
        assert windows(desk, "complete") == [] and len(windows(desk, "complete", "FeeRefundedEntity")) == 1
        endpoint.twist = None
        call(desk, "load", "fills")
    assert_landed_once(desk, fills)


def test_a_field_that_no_row_has_any_more_lands_nothing_either(desk: Desk, fills: list[Row]) -> None:
    def twist(asked: Request, reply: Reply) -> Reply | None:
        if "orderFilledEvents" not in asked.fields:
            return None
        return with_rows([{key: value for key, value in row.items() if key != "fee"} for row in rows_in(reply)])

    with Twisted({"OrderFilledEvent": fills}, twist) as endpoint:
        desk.base_url = endpoint.base_url
        assert "last came rows without fee" in call(desk, "load", "fills", code=3).out
        assert landed(desk) == set() and rejected(desk) == []
        endpoint.twist = None
        call(desk, "load", "fills")
    assert_landed_once(desk, fills)


def test_a_field_more_changes_nothing(desk: Desk, fills: list[Row]) -> None:
    def twist(asked: Request, reply: Reply) -> Reply | None:
        rows = rows_in(reply)
        return with_rows([row | {"builder": {"id": "0x"}, "_x": None} for row in rows]) if rows else None

    with Twisted({"OrderFilledEvent": fills}, twist) as endpoint:
        desk.base_url = endpoint.base_url
        call(desk, "load", "fills")
    assert_landed_once(desk, fills)
    assert rejected(desk) == []


# Damage


@pytest.mark.parametrize("damage", [None, {"a": 1}, "?", -1], ids=repr)
def test_a_row_damaged_in_each_field_in_turn_is_kept_aside_and_the_rest_lands(desk: Desk, damage: Any) -> None:
    """Of each entity as many rows as it has fields. What can be said in that field is no damage."""
    month = a_month(2000)
    entities = {entity.many: entity for entity in ENTITIES if entity != USER_POSITIONS}
    fields = {  # to be damaged, by entity and id
        entity.name: dict(zip((row["id"] for row in month[entity.name]), entity.field_names, strict=False))
        for entity in entities.values()
    }
    served: dict[str, dict[str, str]] = {entity.name: {} for entity in entities.values()}  # row to damaged field

    def twist(asked: Request, reply: Reply) -> Reply | None:
        if "_meta" in asked.fields:
            return None
        entity, rows = entities[asked.fields[0]], rows_in(reply)
        for number, row in enumerate(rows):
            if name := fields[entity.name].get(row["id"]):
                rows[number] = row | {name: damage}
                if not is_understood(entity.name, name, damage):
                    served[entity.name][json.dumps(rows[number], sort_keys=True)] = name
        return with_rows(rows)

    with Twisted(month, twist, head=NEW_YEAR + 31 * DAY) as endpoint:
        desk.base_url = endpoint.base_url
        for words in (["fills"], ["activity"], ["amm"], ["payouts", "--all"]):
            said = call(desk, "load", *words, code=3)
            assert "could not be understood" in said.out
    kept = rejected(desk)
    for entity in entities.values():
        reasons = {raw: reason for name, _, reason, raw in kept if name == entity.name}
        bad = served[entity.name]
        assert len(bad) >= len(entity.field_names) - 1
        assert reasons.keys() == bad.keys(), entity.name
        assert all(reason.startswith(f"{bad[raw]} ") for raw, reason in reasons.items()), reasons
        assert len(raw(desk, entity.table)) == len(month[entity.name]) - len(bad), entity.name
    assert open_windows(desk) == []


def is_understood(entity: str, field: str, value: Any) -> bool:
    """Whether it is a good value of that field, by the subgraphs' schemas."""
    return value is None and (entity, field) in (("MarketData", "outcomeIndex"), ("Condition", "payoutDenominator"))


def test_a_damaged_id_is_no_answer_to_the_id_that_was_asked_for(desk: Desk) -> None:
    conditions = [hash_of("condition", n) for n in range(3)]
    month: dict[str, list[Row]] = {"MarketData": [], "Condition": []}
    for condition in conditions:
        for entity, rows in market(condition, ["1", "0"]).items():
            month[entity] += rows
    month["OrderFilledEvent"] = [fill(n, token=int(row["id"])) for n, row in enumerate(month["MarketData"])]

    def twist(asked: Request, reply: Reply) -> Reply | None:
        if "conditions" not in asked.fields:
            return None
        first, *rest = rows_in(reply)
        return with_rows([first | {"id": {"of": first["id"]}}, *rest])

    with Twisted(month, twist) as endpoint:
        desk.base_url = endpoint.base_url
        call(desk, "load", "fills")
        said = call(desk, "load", "payouts", code=3)
        assert "kept aside: 1 rows of Condition could not be understood" in said.out
    assert desk.rows("select count() from polyledger_raw.conditions") == [(2,)]


@pytest.mark.parametrize("damage", ["zzz", ""])
def test_a_damaged_id_at_the_end_of_a_page_skips_nothing(desk: Desk, damage: str) -> None:
    """Pages are turned by ids: going on from this one would leave out whatever sorts before it."""
    month = a_month(27_000)

    def twist(asked: Request, reply: Reply) -> Reply | None:
        rows = rows_in(reply)
        if len(rows) < PAGE_SIZE:
            return None
        return with_rows([*rows[:-1], rows[-1] | {"id": damage}])

    with Twisted(month, twist, head=NEW_YEAR + 31 * DAY) as endpoint:
        desk.base_url = endpoint.base_url
        for words in (["fills"], ["activity"], ["amm"], ["payouts", "--all"]):
            call(desk, "load", *words, code=3)
    # The next page begins with the row that was damaged, which is a good one then.
    for entity in ENTITIES:
        if entity != USER_POSITIONS:
            assert len(raw(desk, entity.table)) == len(month[entity.name]), entity.name
    assert len(rejected(desk)) > 10 and open_windows(desk) == []
