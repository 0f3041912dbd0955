"""One command for schedulers: only what is new, in the right order, one run, whatever was loaded before."""

import json
import signal
import time
from datetime import UTC, datetime
from random import Random
from typing import Any

import pytest

from loaders.changes import REORG_BLOCKS
from loaders.standin.goldsky import FIRST_HEAD, Goldsky, Reply, Request, message
from loaders.standin.node import FIRST_BLOCK, FIRST_TIME, Log, Node, fill_log
from loaders.standin.world import World, simulate
from loaders.tests.conftest import Desk
from loaders.tests.test_changes import resolved, traded
from loaders.tests.test_command import CANARY, assert_one_sentence, call
from loaders.tests.test_loading import (
    ALICE,
    BOB,
    CAROL,
    DAY,
    NEW_YEAR,
    TIMED,
    asked,
    asked_ids,
    fill,
    hash_of,
    ids,
    landed,
    open_windows,
    payouts,
    raw,
    span,
    split,
    start,
    until_asked,
    windows,
)
from loaders.tests.test_positions import amounts, position

TABLES = (*TIMED, "conditions", "market_data", "neg_risk_events", "user_positions")
SUBGRAPH_OF = {
    "orderFilledEvents": "orderbook-subgraph",
    "feeRefundedEntities": "fee-module-subgraph",
    "splits": "activity-subgraph",
    "conditions": "pnl-subgraph",
}


class PartlyDead(Goldsky):
    """Some of its subgraphs are out of order."""

    dead: frozenset[str] = frozenset()

    def reply_noting(self, asked: Request, *question: Any) -> Reply:
        reply = super().reply_noting(asked, *question)
        return message(503, "Service Unavailable") if asked.subgraph in self.dead else reply


@pytest.fixture(scope="module")
def world() -> World:
    return simulate(3, steps=250)


@pytest.fixture(scope="module")
def calm(world: World, tmp_path_factory: pytest.TempPathFactory) -> Desk:
    """The world as the single commands land it."""
    with Goldsky(world.entities, head=world.until) as endpoint:
        desk = Desk(tmp_path_factory.mktemp("calm") / "warehouse", endpoint.base_url)
        for words in (["fills", "--since", "2024-12-01"], ["activity", "--since", "2024-12-01"], ["payouts"]):
            call(desk, "load", *words)
    return desk


def assert_landed_like(desk: Desk, calm: Desk) -> None:
    for table in TABLES:
        assert raw(desk, table) == raw(calm, table), table
    assert open_windows(desk) == []


def counts(desk: Desk) -> list[Any]:
    return [desk.rows(f"select count() from polyledger_raw.{table}") for table in TABLES]


# Where to begin


@pytest.mark.parametrize("words", [[], ["--json"], ["--dry-run"]])
def test_with_nothing_loaded_it_says_how_to_begin(desk: Desk, words: list[str]) -> None:
    said = call(desk, "sync", *words, code=None)
    assert_one_sentence(said, "nothing is loaded yet", "--since", "polyledger load fills")
    assert not desk.data.exists() and not desk.data.with_name("warehouse.lock").exists()


def test_tables_without_a_load_are_nothing_loaded(desk: Desk) -> None:
    with Goldsky({}) as endpoint:
        desk.base_url = endpoint.base_url
        call(desk, "load", "payouts")
        assert_one_sentence(call(desk, "sync", code=None), "nothing is loaded yet")


def test_since_loads_everything_from_there_as_the_single_commands_do(desk: Desk, world: World, calm: Desk) -> None:
    with Goldsky(world.entities, head=world.until) as endpoint:
        desk.base_url = endpoint.base_url
        assert (
            "OrderFilledEvent: 2024-12-01 00:00:00 to" in call(desk, "sync", "--since", "2024-12-01", "--dry-run").out
        )
        assert not desk.data.exists()
        report = json.loads(call(desk, "sync", "--since", "2024-12-01", "--json").out)
        order = [request.subgraph for request in endpoint.requests if request.fields != ["_meta"]]
        assert_landed_like(desk, calm)
        assert report["rows"]["OrderFilledEvent"] == len(world.entities["OrderFilledEvent"])
        assert report["exit_code"] == 0 and report["not_found"]["Condition"] > 0 and len(report["notes"]) == 2
        assert order.index("pnl-subgraph") > max(n for n, name in enumerate(order) if name == "activity-subgraph")
        ran = desk.rows("select distinct run_id from polyledger_raw.load_runs")
        assert desk.rows("select distinct _run_id from polyledger_raw.splits") == ran == [(report["run_id"],)]

        # --since may stay in the crontab: it is for the beginning only.
        before = counts(desk)
        endpoint.requests.clear()
        assert "landed nothing new" in call(desk, "sync", "--since", "2022-11-21").out
        assert len(endpoint.requests) <= 7
        assert counts(desk) == before
    runs = desk.rows("select command, asked, argMax(state, updated_at) from polyledger_raw.load_runs group by all")
    assert sorted(runs) == [
        ("sync", '["--since", "2022-11-21"]', "done"),
        ("sync", '["--since", "2024-12-01", "--json"]', "done"),
    ]


# What is new


def test_everything_new_comes_in_one_run(desk: Desk) -> None:
    known, late = hash_of("known"), hash_of("late")
    rows = traded(known) | {"OrderFilledEvent": [fill(1)], "UserPosition": [position(ALICE, 7), position(BOB, 7)]}
    with Goldsky(rows, head=NEW_YEAR + DAY) as endpoint:
        desk.base_url = endpoint.base_url
        call(desk, "sync", "--since", "2025-01-01")
        call(desk, "load", "positions", "--wallet", ALICE)

        endpoint.head = NEW_YEAR + 2 * DAY
        endpoint.put("OrderFilledEvent", [fill(2, NEW_YEAR + DAY + 5)])
        endpoint.put("Split", [split(5, NEW_YEAR + DAY + 5, late)])
        endpoint.put("Condition", [resolved(known, "1", "0"), *traded(late)["Condition"]])
        endpoint.put("UserPosition", [position(ALICE, 7, 1), position(BOB, 7, 1)])
        endpoint.requests.clear()
        said = json.loads(call(desk, "sync", "--json").out)
        assert said["rows"] == {"OrderFilledEvent": 1, "Split": 1, "Condition": 2, "UserPosition": 1}
        assert {
            request["since"] for field in SUBGRAPH_OF for request in asked(endpoint, field) if "since" in request
        } == {str(NEW_YEAR + DAY + 1)}
        assert asked_ids(endpoint, "conditions") == [late]
    assert payouts(desk) == {known: (["1", "0"], "1"), late: ([], "0")}
    assert amounts(desk) == {f"{ALICE}-7": 1}
    assert desk.rows("select count() from polyledger_raw.order_filled_events") == [(2,)]


def test_wallets_go_on_as_wallets_and_get_what_they_lack(desk: Desk) -> None:
    rows = {
        "OrderFilledEvent": [fill(n, NEW_YEAR + n * DAY, maker=(ALICE, BOB, CAROL)[n % 3]) for n in range(12)],
        "Split": [
            split(n, NEW_YEAR + n * DAY, hash_of("c")) | {"stakeholder": (ALICE, BOB, CAROL)[n % 3]} for n in range(12)
        ],
    }
    with Goldsky(rows, head=NEW_YEAR + 11 * DAY) as endpoint:
        desk.base_url = endpoint.base_url
        call(desk, "load", "fills", *span(3, 6), "--wallet", ALICE, "--wallet", BOB)
        call(desk, "load", "activity", *span(6, 7), "--wallet", BOB)
        call(desk, "sync")
        assert {request.get("maker") for request in asked(endpoint)} == {ALICE, BOB}
        before = counts(desk)
        call(desk, "sync")
        assert counts(desk) == before
    # Fills go on from the sixth day; Alice's splits begin where her fills did, Bob's go on from where they ended.
    fills, splits = rows["OrderFilledEvent"], rows["Split"]
    assert landed(desk) == ids([row for n, row in enumerate(fills) if n >= 3 and row["maker"] != CAROL])
    assert landed(desk, "splits") == ids([splits[n] for n in (3, 6, 9, 7, 10)])
    assert {scope for scope, *_ in windows(desk, "complete", "Split")} == {f"wallet:{ALICE}", f"wallet:{BOB}"}


def test_the_last_minutes_are_read_again_for_all_wallets_together(desk: Desk) -> None:
    now = int(time.time())
    rows = [fill(n, now - 60, maker=maker) for n, maker in enumerate((ALICE, BOB, CAROL))]
    with Goldsky({"OrderFilledEvent": rows}, head=now) as endpoint:
        desk.base_url = endpoint.base_url
        since = f"{datetime.fromtimestamp(now - 3600, UTC):%Y-%m-%dT%H:%M:%S}"
        call(desk, "load", "fills", "--since", since, "--wallet", ALICE, "--wallet", BOB)
        assert landed(desk) == ids(rows[:2])
        endpoint.requests.clear()
        endpoint.put("OrderFilledEvent", [late := fill(9, now - 61, maker=BOB)])  # a block was reorganised
        call(desk, "sync")
        assert [request["maker_in"] for request in asked(endpoint) if "maker_in" in request] == [[ALICE, BOB]]
    assert landed(desk) == ids([*rows[:2], late])
    ends = {scope: until for scope, _, until, _ in windows(desk, "complete")}
    assert ends.keys() == {f"wallet:{ALICE}", f"wallet:{BOB}"} and max(ends.values()) < now - 500


def test_a_token_goes_on_as_a_token(desk: Desk) -> None:
    rows = [fill(n, NEW_YEAR + n, token=(7, 8)[n % 2], buys=n % 4 < 2) for n in range(16)]
    with Goldsky({"OrderFilledEvent": rows[:8]}, head=NEW_YEAR + 7) as endpoint:
        desk.base_url = endpoint.base_url
        call(desk, "load", "fills", "--token", "7")
        endpoint.put("OrderFilledEvent", rows[8:])
        endpoint.head = NEW_YEAR + 20
        endpoint.requests.clear()
        call(desk, "sync")
        assert asked(endpoint, "splits") == []
    assert landed(desk) == ids(rows[::2])


def test_everything_beside_a_wallet_asks_for_the_wallet_no_more(desk: Desk) -> None:
    rows = [fill(n, NEW_YEAR + n * DAY, maker=(ALICE, BOB)[n % 2]) for n in range(6)]
    with Goldsky({"OrderFilledEvent": rows}, head=NEW_YEAR + 5 * DAY) as endpoint:
        desk.base_url = endpoint.base_url
        call(desk, "load", "fills", "--since", "2025-01-01", "--wallet", ALICE)
        call(desk, "load", "fills", "--since", "2025-01-01")
        endpoint.put("OrderFilledEvent", [more := fill(9, NEW_YEAR + 6 * DAY)])
        endpoint.head = NEW_YEAR + 6 * DAY
        call(desk, "sync")
        before = counts(desk)
        call(desk, "sync")
        assert counts(desk) == before
    assert landed(desk) == ids([*rows, more])


# Trouble


@pytest.mark.parametrize("field", SUBGRAPH_OF)
def test_a_dead_subgraph_lets_the_others_load(desk: Desk, world: World, calm: Desk, field: str) -> None:
    endpoint = PartlyDead(world.entities, head=world.until)
    with endpoint:
        desk.base_url = endpoint.base_url
        endpoint.dead = frozenset([SUBGRAPH_OF[field]])
        report = json.loads(call(desk, "sync", "--since", "2024-12-01", "--json", code=3).out)
        assert any(SUBGRAPH_OF[field] in sentence for sentence in report["open_windows"])
        alive = {"OrderFilledEvent": "orderbook-subgraph", "FeeRefundedEntity": "fee-module-subgraph"}
        alive |= {"Split": "activity-subgraph", "NegRiskEvent": "activity-subgraph"}
        assert report["rows"].keys() >= {name for name, subgraph in alive.items() if subgraph not in endpoint.dead}
        endpoint.dead = frozenset()
        call(desk, "sync")
    assert_landed_like(desk, calm)


def test_an_endpoint_that_is_dead_fails_soon(desk: Desk, world: World) -> None:
    endpoint = PartlyDead(world.entities, head=world.until)
    with endpoint:
        desk.base_url = endpoint.base_url
        endpoint.dead = frozenset({*SUBGRAPH_OF.values(), "fpmm-subgraph"})
        said = call(desk, "sync", "--since", "2024-12-01", code=1)
        assert "Safe to run the same command again" in said.err and "was asked 9 times" in said.err
        assert len(endpoint.requests) == 4 * 9  # one question to each of four subgraphs


def test_killed_or_stopped_at_any_moment_it_ends_like_an_undisturbed_run(desk: Desk, world: World, calm: Desk) -> None:
    random = Random(11)
    words = ("sync", "--since", "2024-12-01")
    with Goldsky(world.entities, head=world.until, latency=0.05) as endpoint:
        desk.base_url = endpoint.base_url
        for stop in (signal.SIGKILL, signal.SIGTERM, signal.SIGINT):
            process = start(desk, *words, POLYLEDGER_BATCH_ROWS="5")
            until_asked(endpoint, len(endpoint.requests) + 3 + random.randrange(8), process)
            process.send_signal(stop)
            _, err = process.communicate(timeout=60)
            assert process.returncode in ({-signal.SIGKILL} if stop == signal.SIGKILL else {0, 1}), err
        call(desk, *words)
    assert_landed_like(desk, calm)


def test_changes_are_followed_from_the_last_block_of_each(desk: Desk) -> None:
    condition = hash_of("condition")
    with Goldsky(traded(condition)) as endpoint:
        desk.base_url = endpoint.base_url
        call(desk, "sync", "--since", "2025-01-01")
        endpoint.head_number += 10 * REORG_BLOCKS
        call(desk, "sync")
        endpoint.requests.clear()
        call(desk, "sync")
        blocks = [
            r.variables["_change_block"]["number_gte"] for r in endpoint.requests if "_change_block" in r.variables
        ]
    assert blocks == [FIRST_HEAD + 9 * REORG_BLOCKS] * 2  # of neg-risk events and of conditions


# Logs of the chain


def fills_on(blocks: range) -> list[Log]:
    """A V2 fill every hundredth block."""
    return [
        fill_log(fill(block, maker=ALICE, token=block, buys=True), block, 1) for block in blocks if block % 100 == 0
    ]


def node_of(node: Node) -> dict[str, Any]:
    return {"POLYGON_RPC_URL": f"{node.base_url}/v2/{CANARY}", "POLYGON_RPC_REQUESTS_PER_SECOND": "10000"}


def v2_blocks(desk: Desk) -> list[int]:
    landed_blocks = "select block_number from polyledger_raw.order_filled_events_v2 final order by block_number"
    return [block for (block,) in desk.rows(landed_blocks)]


FIRST_LOGS = fills_on(range(FIRST_BLOCK, FIRST_BLOCK + 1_000))
LATER_LOGS = fills_on(range(FIRST_BLOCK + 1_000, FIRST_BLOCK + 2_000))
AFTER_V1 = FIRST_TIME + 10_000


def test_logs_go_on_where_they_were_begun_and_only_those(desk: Desk) -> None:
    with Goldsky({}, head=AFTER_V1) as endpoint, Node(FIRST_LOGS, head=FIRST_BLOCK + 1_200) as node:
        desk.base_url = endpoint.base_url
        call(desk, "load", "logs", "--only", "fills", **node_of(node))
        node.put(LATER_LOGS)
        node.head += 1_000
        node.requests.clear()
        plan = call(desk, "sync", "--dry-run", **node_of(node)).out
        assert "OrderFilledV2: blocks" in plan and "ConditionResolution" not in plan
        said = call(desk, "sync", **node_of(node))
        assert v2_blocks(desk) == [log.block for log in (*FIRST_LOGS, *LATER_LOGS)]
        assert windows(desk, "complete", "ConditionResolution") == [] and CANARY not in said.out + said.err
        # What the fills name is asked for in the same run.
        assert {str(log.block) for log in (*FIRST_LOGS, *LATER_LOGS)} <= set(asked_ids(endpoint, "marketDatas"))
        # The last blocks are read once more: a node may have had not all of their logs.
        before, blocks = len(node.requests), v2_blocks(desk)
        call(desk, "sync", **node_of(node))
        assert len(node.requests) - before <= 6 and v2_blocks(desk) == blocks


def test_without_a_node_it_says_what_is_missing(desk: Desk) -> None:
    with Goldsky({}, head=AFTER_V1) as endpoint, Node(FIRST_LOGS, head=FIRST_BLOCK + 1_200) as node:
        desk.base_url = endpoint.base_url
        call(desk, "load", "logs", **node_of(node))
        said = call(desk, "sync")
        assert "POLYGON_RPC_URL is not set, so what is new of OrderFilledV2 and ConditionResolution" in said.out


def test_a_node_is_asked_for_nothing_where_no_log_was_ever_loaded(desk: Desk) -> None:
    with Goldsky({}, head=AFTER_V1) as endpoint, Node(FIRST_LOGS, head=FIRST_BLOCK + 1_200) as node:
        desk.base_url = endpoint.base_url
        call(desk, "load", "activity")
        call(desk, "sync", **node_of(node))
        assert node.requests == []


def test_a_node_that_is_no_use_lets_the_rest_load(desk: Desk, world: World) -> None:
    with Goldsky(world.entities, head=world.until) as endpoint, Node(FIRST_LOGS, head=FIRST_BLOCK + 1_200) as node:
        desk.base_url = endpoint.base_url
        call(desk, "load", "logs", "--only", "fills", **node_of(node))
        call(desk, "load", "fills", "--until", "2025-01-10")
        node.chain = 1
        said = call(desk, "sync", code=3, **node_of(node))
        assert "OrderFilledV2 is still open: 127.0.0.1 is a node of chain 1 and not of Polygon (137)" in said.out
        assert CANARY not in said.out + said.err
        assert len(raw(desk, "order_filled_events")) == len(world.entities["OrderFilledEvent"])


def test_since_begins_logs_too_where_a_node_is_given(desk: Desk, world: World) -> None:
    with Goldsky(world.entities, head=world.until) as endpoint, Node(FIRST_LOGS, head=FIRST_BLOCK + 1_200) as node:
        desk.base_url = endpoint.base_url
        since = datetime.fromtimestamp(FIRST_TIME + 2 * 500, UTC).strftime("%Y-%m-%dT%H:%M:%S")
        call(desk, "sync", "--since", since, **node_of(node))
        assert v2_blocks(desk) == [log.block for log in FIRST_LOGS if log.block >= FIRST_BLOCK + 500]
