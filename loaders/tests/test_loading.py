"""Every row lands, and once: ranges, filters, faults, kills, damaged rows, payouts. The command against an endpoint."""

import hashlib
import json
import math
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import Any

import pytest

from loaders.changes import REORG_BLOCKS
from loaders.entities import V1_END, Row
from loaders.standin.chain import NEG_RISK_ADAPTER, condition_id, question_id
from loaders.standin.goldsky import FAULTS, FIRST_HEAD, Faults, Goldsky, Request
from loaders.standin.world import World, simulate
from loaders.subgraph import PAGE_SIZE
from loaders.tests.conftest import PROJECT, Desk
from loaders.tests.test_command import call

NEW_YEAR = 1_735_689_600  # 2025-01-01 00:00:00 UTC
DAY = 86_400
TOKEN = 7
ALICE, BOB, CAROL = (f"0x{letter * 40}" for letter in "abc")
TIMED = ("order_filled_events", "fee_refunds", "splits", "merges", "redemptions", "neg_risk_conversions")


def hash_of(*words: object) -> str:
    return "0x" + hashlib.sha256(repr(words).encode()).hexdigest()


def fill(number: int, second: int = NEW_YEAR, *, maker: str = ALICE, token: int = TOKEN, buys: bool = True) -> Row:
    """One of Alice's buys, unlike all others."""
    transaction, order = hash_of("transaction", number), hash_of("order", number)
    return {
        "id": f"{transaction}_{order}",
        "transactionHash": transaction,
        "timestamp": str(second),
        "orderHash": order,
        "maker": maker,
        "taker": CAROL,
        "makerAssetId": "0" if buys else str(token),
        "takerAssetId": str(token) if buys else "0",
        "makerAmountFilled": str(number + 1),
        "takerAmountFilled": "1000000",
        "fee": "0",
    }


def split(number: int, second: int, condition: str) -> Row:
    return {
        "id": f"{hash_of('split', number)}_0x1",
        "timestamp": str(second),
        "stakeholder": ALICE,
        "condition": condition,
        "amount": "1000000",
    }


def tokens_of(condition: str) -> list[str]:
    return [str(int(hash_of(condition, outcome), 16)) for outcome in (0, 1)]


def market(condition: str, numerators: list[Any] | None = None) -> dict[str, list[Row]]:
    """A condition and its two registered tokens."""
    resolved: Row = {"payoutNumerators": numerators or [], "payoutDenominator": "1" if numerators else "0"}
    return {
        "MarketData": [{"id": token, "condition": condition, "outcomeIndex": None} for token in tokens_of(condition)],
        "Condition": [{"id": condition, "positionIds": tokens_of(condition), **resolved}],
    }


def ids(rows: list[Row]) -> set[str]:
    return {row["id"] for row in rows}


def landed(desk: Desk, table: str = "order_filled_events") -> set[str]:
    return {row[0] for row in desk.rows(f"select id from polyledger_raw.{table}")}


def raw(desk: Desk, table: str) -> list[tuple[Any, ...]]:
    """Every row of a raw table once, as it was served."""
    return desk.rows(f"select distinct * except (_loaded_at, _run_id) from polyledger_raw.{table} order by all")


def windows(desk: Desk, state: str, entity: str = "OrderFilledEvent") -> list[tuple[Any, ...]]:
    """(scope, since, until, cursor) of what is remembered in a state."""
    return desk.rows(
        f"""
        select scope, toUnixTimestamp(since), toUnixTimestamp(until), argMax(cursor, updated_at)
        from polyledger_raw.load_windows where entity = '{entity}'
        group by scope, since, until having argMax(state, updated_at) = '{state}' order by all
        """
    )


def open_windows(desk: Desk) -> list[tuple[Any, ...]]:
    entities = desk.rows("select distinct entity from polyledger_raw.load_windows")
    return [window for (entity,) in entities for window in windows(desk, "open", entity)]


def asked(endpoint: Goldsky, field: str = "orderFilledEvents") -> list[dict[str, Any]]:
    """The variables of every request for a list."""
    return [request.variables for request in endpoint.requests if field in request.fields]


def span(first: int, end: int) -> list[str]:
    """--since and --until of days counted from the new year."""
    moments = (f"{datetime.fromtimestamp(NEW_YEAR + day * DAY, UTC):%Y-%m-%dT%H:%M:%S}" for day in (first, end))
    return [word for pair in zip(("--since", "--until"), moments, strict=True) for word in pair]


@pytest.fixture(scope="module")
def world() -> World:
    return simulate(3, steps=250)


# Turning pages


def test_a_second_may_hold_more_rows_than_a_page(desk: Desk) -> None:
    crowd = [fill(n, NEW_YEAR + 1) for n in range(2 * PAGE_SIZE + 500)]
    around = [fill(10_000 + n, NEW_YEAR + 2 * (n % 2)) for n in range(10)]
    with Goldsky({"OrderFilledEvent": [*crowd, *around]}) as endpoint:
        desk.base_url = endpoint.base_url
        call(desk, "load", "fills", "--since", "2025-01-01T00:00:01", "--until", "2025-01-01T00:00:02")
        assert landed(desk) == ids(crowd)
        call(desk, "load", "fills", "--since", "2025-01-01")
        assert landed(desk) == ids([*crowd, *around])
    assert desk.rows("select count() from polyledger_raw.order_filled_events") == [(2510,)]


def test_full_pages_only_end_with_an_empty_one(desk: Desk) -> None:
    rows = [fill(n, NEW_YEAR + n // 2) for n in range(2 * PAGE_SIZE)]
    with Goldsky({"OrderFilledEvent": rows}) as endpoint:
        desk.base_url = endpoint.base_url
        call(desk, "load", "fills", "--since", "2025-01-01")
        assert len(asked(endpoint)) == 3
    assert landed(desk) == ids(rows)


# Ranges


def test_a_load_without_a_range_goes_on_from_the_last_complete_moment(desk: Desk) -> None:
    rows = [fill(n, NEW_YEAR + n) for n in range(10)]
    with Goldsky({"OrderFilledEvent": rows}, head=NEW_YEAR + 9) as endpoint:
        desk.base_url = endpoint.base_url
        call(desk, "load", "fills")
        assert asked(endpoint)[0]["since"] == str(int(datetime(2022, 11, 21, tzinfo=UTC).timestamp()))
        endpoint.requests.clear()
        call(desk, "load", "fills")
        assert asked(endpoint) == asked(endpoint, "feeRefundedEntities") == []  # nothing is new

        endpoint.put("OrderFilledEvent", more := [fill(n, NEW_YEAR + n) for n in range(10, 15)])
        endpoint.head = NEW_YEAR + 20
        call(desk, "load", "fills")
        (request,) = asked(endpoint)
        assert (request["since"], request["until"]) == (str(NEW_YEAR + 10), str(NEW_YEAR + 21))
    assert landed(desk) == ids([*rows, *more])
    assert desk.rows("select count() from polyledger_raw.order_filled_events") == [(15,)]


def test_a_range_is_loaded_once_and_its_neighbours_fit(desk: Desk) -> None:
    rows = [fill(n, NEW_YEAR + n * DAY // 2) for n in range(20)]
    with Goldsky({"OrderFilledEvent": rows}) as endpoint:
        desk.base_url = endpoint.base_url
        call(desk, "load", "fills", *span(2, 4))
        assert landed(desk) == ids(rows[4:8])
        endpoint.requests.clear()
        call(desk, "load", "fills", *span(3, 4))
        assert asked(endpoint) == []
        call(desk, "load", "fills", *span(1, 6))
        assert sorted((int(a["since"]) - NEW_YEAR) // DAY for a in asked(endpoint)) == [1, 4]
    assert landed(desk) == ids(rows[2:12])
    assert desk.rows("select count() from polyledger_raw.order_filled_events") == [(10,)]


def test_an_old_range_that_failed_is_continued_without_the_years_between(desk: Desk) -> None:
    rows = [fill(n, NEW_YEAR + n * DAY) for n in range(100)]
    with Goldsky(
        {"OrderFilledEvent": rows}, faults=Faults(1.0, ("500",), first=2), head=NEW_YEAR + 99 * DAY
    ) as endpoint:
        desk.base_url = endpoint.base_url
        call(desk, "load", "fills", *span(1, 3), code=3)
        endpoint.faults = Faults(0.0)
        call(desk, "load", "fills", *span(90, 95))
        call(desk, "load", "fills")
    assert landed(desk) == ids([*rows[1:3], *rows[90:]])
    assert open_windows(desk) == []


def test_a_range_beyond_the_head_is_recorded_only_up_to_it(desk: Desk) -> None:
    rows = [fill(n, NEW_YEAR + n * DAY) for n in range(10)]
    with Goldsky({"OrderFilledEvent": rows[:5]}, head=NEW_YEAR + 4 * DAY) as endpoint:
        desk.base_url = endpoint.base_url
        said = call(desk, "load", "fills", *span(0, 8))
        assert "note: the orderbook subgraph is indexed up to 2025-01-05 00:00:01 UTC; the range ends there" in said.out
        assert windows(desk, "complete") == [
            ("", NEW_YEAR, NEW_YEAR + 4 * DAY + 1, f"{NEW_YEAR + 4 * DAY}:{rows[4]['id']}")
        ]

        endpoint.put("OrderFilledEvent", rows[5:])
        endpoint.head = NEW_YEAR + 9 * DAY
        endpoint.requests.clear()
        said = call(desk, "load", "fills", *span(0, 8))
        assert "note" not in said.out
        (request,) = asked(endpoint)
        assert request["since"] == str(NEW_YEAR + 4 * DAY + 1)
    assert landed(desk) == ids(rows[:8])


def test_a_range_that_begins_after_the_head_says_so(desk: Desk) -> None:
    with Goldsky({"OrderFilledEvent": [fill(0)]}, head=NEW_YEAR) as endpoint:
        desk.base_url = endpoint.base_url
        for words in (["--since", "2025-02-01"], span(31, 32)):
            said = call(desk, "load", "fills", *words)
            assert "note: the orderbook subgraph is indexed up to 2025-01-01 00:00:01 UTC, before the range" in said.out
        assert asked(endpoint) == []
    assert windows(desk, "complete") == windows(desk, "open") == []


@pytest.mark.parametrize(
    "words", [["--since", "2026-04-28T11:00:00"], ["--since", "2026-04-01", "--until", "2026-05-01"]]
)
def test_a_range_past_the_end_of_v1_says_that_it_is_incomplete(desk: Desk, words: list[str]) -> None:
    with Goldsky({}, head=int(V1_END.timestamp()) + 30 * DAY) as endpoint:
        desk.base_url = endpoint.base_url
        for command in ("fills", "activity"):
            said = call(desk, "load", command, *words)
            assert "note: the range passes 2026-04-28 11:00 UTC" in said.out
        said = call(desk, "load", "fills", "--since", "2026-04-28", "--until", "2026-04-28T11:00:00")
        assert "note" not in said.out


# Filters


def test_wallets_land_their_own_fills_under_windows_of_their_own(desk: Desk) -> None:
    rows = [fill(n, NEW_YEAR + n, maker=(ALICE, BOB, CAROL)[n % 3]) for n in range(30)]
    with Goldsky({"OrderFilledEvent": rows}) as endpoint:
        desk.base_url = endpoint.base_url
        call(desk, "load", "fills", "--wallet", ALICE.upper().replace("X", "x"), "--wallet", BOB, "--wallet", ALICE)
        assert landed(desk) == ids([row for row in rows if row["maker"] != CAROL])
        assert [window[0] for window in windows(desk, "complete")] == [f"wallet:{ALICE}", f"wallet:{BOB}"]
        call(desk, "load", "fills")  # everything is not complete yet
        assert landed(desk) == ids(rows)
        endpoint.requests.clear()
        call(desk, "load", "fills", "--wallet", CAROL)  # but what everything covers is complete for each wallet
        assert asked(endpoint) == []


def test_a_new_wallet_is_loaded_from_its_beginning(desk: Desk) -> None:
    """Not from where all wallets together are complete: its earlier fills would be missing."""
    rows = [fill(n, NEW_YEAR + n * DAY, maker=(ALICE, BOB)[n % 2]) for n in range(10)]
    with Goldsky({"OrderFilledEvent": rows}) as endpoint:
        desk.base_url = endpoint.base_url
        call(desk, "load", "fills", *span(6, 8))
        call(desk, "load", "fills", "--wallet", ALICE)
    assert landed(desk) == ids([*rows[::2], rows[7]])
    assert desk.rows("select count() from polyledger_raw.order_filled_events") == [(6,)]


@pytest.mark.parametrize(
    "content",
    [
        f"{ALICE}\n{BOB}\n",
        f"\n  {ALICE}  \r\n\r\n{BOB}\r\n{ALICE}",
        f"wallet\n{ALICE}\n{BOB}\n",
        f"name,wallet,pnl\nalice,{ALICE},1\n\nbob,{BOB}\n",
        f'"name" , "Wallet"\n"smith, alice","{ALICE}"\nbob,{BOB}\n',
        f"\ufeffwallet,name\n{ALICE},a\n{BOB},b\n",
        f"wallet\n{ALICE.upper().replace('X', 'x')}\n{BOB}\n{ALICE}\n",
    ],
)
def test_wallets_from_a_file(desk: Desk, tmp_path: Path, content: str) -> None:
    file = tmp_path / "wallets"
    file.write_text(content, "utf-8")
    rows = [fill(n, NEW_YEAR + n, maker=(ALICE, BOB, CAROL)[n % 3]) for n in range(6)]
    with Goldsky({"OrderFilledEvent": rows}) as endpoint:
        desk.base_url = endpoint.base_url
        call(desk, "load", "fills", "--wallets-from", str(file))
    assert [window[0] for window in windows(desk, "complete")] == [f"wallet:{ALICE}", f"wallet:{BOB}"]
    assert landed(desk) == ids([row for row in rows if row["maker"] != CAROL])


def test_a_token_is_loaded_on_both_sides_and_with_its_refunds(desk: Desk) -> None:
    rows = [
        fill(n, NEW_YEAR + n, token=(7, 8, 77)[n % 3], buys=n % 2 == 0, maker=(ALICE, BOB)[n // 6 % 2])
        for n in range(24)
    ]
    wanted = [row for row in rows if "7" in (row["makerAssetId"], row["takerAssetId"])]
    refunds = [
        {
            "id": f"{row['transactionHash']}_0x{n:x}",
            "orderHash": row["orderHash"],
            "tokenId": row["takerAssetId"],
            "timestamp": row["timestamp"],
            "refundee": row["maker"],
            "feeRefunded": "1",
            "feeCharged": "0",
            "negRisk": False,
        }
        for n, row in enumerate(rows)
    ]
    with Goldsky({"OrderFilledEvent": rows, "FeeRefundedEntity": refunds}) as endpoint:
        desk.base_url = endpoint.base_url
        call(desk, "load", "fills", "--token", "7", "--wallet", ALICE)
        assert landed(desk) == ids([row for row in wanted if row["maker"] == ALICE])
        call(desk, "load", "fills", "--token", "7")
        scopes = [window[0] for window in windows(desk, "complete")]
    assert scopes == [
        "makerAssetId:7",
        "takerAssetId:7",
        f"wallet:{ALICE},makerAssetId:7",
        f"wallet:{ALICE},takerAssetId:7",
    ]
    assert landed(desk) == ids(wanted)
    of_wanted = {row["orderHash"] for row in wanted}
    assert landed(desk, "fee_refunds") >= ids([row for row in refunds if row["orderHash"] in of_wanted])
    assert not {row[0] for row in desk.rows("select token_id from polyledger_raw.fee_refunds")} & {8, 77}


def test_activity_of_a_wallet_brings_the_events_it_converted_in(desk: Desk, world: World) -> None:
    conversion = world.entities["NegRiskConversion"][0]
    wallet = conversion["stakeholder"]
    with Goldsky(world.entities, head=world.until) as endpoint:
        desk.base_url = endpoint.base_url
        call(desk, "load", "activity", "--wallet", wallet)
        for table, entity in (("splits", "Split"), ("neg_risk_conversions", "NegRiskConversion")):
            assert landed(desk, table) == ids([r for r in world.entities[entity] if r["stakeholder"] == wallet])
        own = {r["negRiskMarketId"] for r in world.entities["NegRiskConversion"] if r["stakeholder"] == wallet}
        assert {
            r[0] for r in desk.rows("select concat('0x', lower(hex(id))) from polyledger_raw.neg_risk_events")
        } == own
        call(desk, "load", "activity")
    assert len(raw(desk, "neg_risk_events")) == len(world.entities["NegRiskEvent"]) > len(own)


# Faults


@pytest.fixture(scope="module")
def calm(world: World, tmp_path_factory: pytest.TempPathFactory) -> Desk:
    """The world as it is landed when nothing goes wrong."""
    with Goldsky(world.entities, head=world.until) as endpoint:
        desk = Desk(tmp_path_factory.mktemp("calm") / "warehouse", endpoint.base_url)
        for words in (["fills"], ["activity"], ["payouts"]):
            call(desk, "load", *words)
    return desk


def assert_landed_like(desk: Desk, calm: Desk, *more: str) -> None:
    for table in (*TIMED, *more):
        assert raw(desk, table) == raw(calm, table), table
    assert open_windows(desk) == []


@pytest.mark.parametrize("kind", FAULTS)
def test_each_fault_is_tried_again(desk: Desk, kind: str) -> None:
    rows = [fill(n, NEW_YEAR + n // 3) for n in range(PAGE_SIZE + 200)]
    with Goldsky({"OrderFilledEvent": rows}, faults=Faults(0.0, hang_seconds=0.6)) as endpoint:
        desk.base_url = endpoint.base_url
        endpoint.faults.queue.extend([kind, "ok", kind, "ok", kind, kind, "ok", "ok", kind])
        said = call(desk, "load", "fills", "--json", GOLDSKY_TIMEOUT_SECONDS="0.5" if kind == "hang" else "")
        report = json.loads(said.out)
        assert report["retries"] >= 5 and report["refused"] == (5 if kind == "429" else 0)
    assert landed(desk) == ids(rows)
    assert desk.rows("select count() from polyledger_raw.order_filled_events") == [(len(rows),)]


def test_many_faults_change_nothing(desk: Desk, world: World, calm: Desk) -> None:
    faults = Faults(0.25, seed=2, hang_seconds=0.6)
    with Goldsky(world.entities, head=world.until, faults=faults) as endpoint:
        desk.base_url = endpoint.base_url
        makers = sorted({row["maker"] for row in world.entities["OrderFilledEvent"]})[:20]
        only = [word for maker in makers for word in ("--wallet", maker)]
        for words in (["fills", *only], ["fills"], ["activity"], ["payouts"]):
            call(desk, "load", *words, GOLDSKY_TIMEOUT_SECONDS="0.5")
        assert len({request.fault for request in endpoint.requests} - {None}) > 3
    assert_landed_like(desk, calm, "conditions", "market_data", "neg_risk_events")


def test_a_partial_page_is_never_landed(desk: Desk) -> None:
    rows = sorted(
        (fill(n, NEW_YEAR + n // 3) for n in range(2 * PAGE_SIZE + 500)), key=lambda r: (r["timestamp"], r["id"])
    )
    # Both heads and a page of fills are answered, and then the only page of refunds or one more of fills.
    with Goldsky({"OrderFilledEvent": rows}, faults=Faults(1.0, ("partial",), first=4)) as endpoint:
        desk.base_url = endpoint.base_url
        said = call(desk, "load", "fills", *span(0, 2), code=3)
        assert "open: OrderFilledEvent 2025-01-01 00:00:00 to 2025-01-0" in said.out
        assert "Query timed out" in said.out and "Run the same command again to continue" in said.out
        had = len(landed(desk))
        assert had in (PAGE_SIZE, 2 * PAGE_SIZE) and landed(desk) == ids(rows[:had])
        ((_, _, _, cursor),) = windows(desk, "open")
        assert cursor == f"{rows[had - 1]['timestamp']}:{rows[had - 1]['id']}"

        endpoint.faults = Faults(0.0)
        endpoint.requests.clear()
        call(desk, "load", "fills", *span(0, 2))
        assert asked(endpoint)[0]["id"] == rows[had - 1]["id"]  # goes on where it stopped
    assert landed(desk) == ids(rows)
    assert desk.rows("select count() from polyledger_raw.order_filled_events") == [(len(rows),)]
    assert open_windows(desk) == []


def test_an_endpoint_that_goes_away_leaves_windows_open(desk: Desk, world: World, calm: Desk) -> None:
    with Goldsky(world.entities, head=world.until, faults=Faults(1.0, ("502",), first=2)) as endpoint:
        desk.base_url = endpoint.base_url
        said = call(desk, "load", "fills", "--json", code=3)
        report = json.loads(said.out)
        assert report["exit_code"] == 3 and len(report["open_windows"]) == 2
        assert any("FeeRefundedEntity 2022-11-21 00:00:00 to" in sentence for sentence in report["open_windows"])
        assert landed(desk) == set()
        endpoint.faults = Faults(1.0, ("502",), first=1)
        call(desk, "load", "activity", code=3)
        endpoint.faults = Faults(0.0)
        call(desk, "load", "fills")
        call(desk, "load", "activity")
    assert_landed_like(desk, calm, "neg_risk_events")


# Dying


def start(desk: Desk, *words: str, **env: str) -> subprocess.Popen[str]:
    """The command in a process of its own, to be stopped."""

    def hear_interrupts() -> None:  # a shell's background jobs do not
        signal.signal(signal.SIGINT, signal.SIG_DFL)

    return subprocess.Popen(
        [sys.executable, "-m", "loaders.cli", *words],
        env=desk.environment(**env),
        cwd=PROJECT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=hear_interrupts,
    )


def until_asked(endpoint: Goldsky, requests: int, process: subprocess.Popen[str]) -> None:
    while process.poll() is None and len(endpoint.requests) < requests:
        time.sleep(0.001)


def test_killed_at_any_moment_it_ends_like_an_undisturbed_run(desk: Desk, world: World, calm: Desk) -> None:
    random = Random(5)
    makers = sorted({row["maker"] for row in world.entities["OrderFilledEvent"]})[:20]
    only = [word for maker in makers for word in ("--wallet", maker)]
    killed = 0
    with Goldsky(world.entities, head=world.until, latency=0.01) as endpoint:
        desk.base_url = endpoint.base_url
        for _ in range(6):
            process = start(desk, "load", "fills", *only, POLYLEDGER_BATCH_ROWS="5")
            until_asked(endpoint, len(endpoint.requests) + 2 + random.randrange(12), process)
            process.kill()
            process.communicate()
            killed += process.returncode == -signal.SIGKILL
        assert killed >= 4
        call(desk, "load", "fills", *only)
        assert landed(desk) == ids([row for row in world.entities["OrderFilledEvent"] if row["maker"] in makers])
        assert open_windows(desk) == []
        call(desk, "load", "fills")
        call(desk, "load", "activity")
    assert_landed_like(desk, calm)


@pytest.mark.parametrize("stop", [signal.SIGTERM, signal.SIGINT])
def test_stopped_it_lands_what_is_in_hand(desk: Desk, stop: signal.Signals) -> None:
    rows = [fill(n, NEW_YEAR + n // 3) for n in range(6 * PAGE_SIZE)]
    with Goldsky({"OrderFilledEvent": rows}, latency=0.1) as endpoint:
        desk.base_url = endpoint.base_url
        process = start(desk, "load", "fills", "--since", "2025-01-01")
        until_asked(endpoint, 5, process)  # two heads, an empty page of refunds, two pages of fills
        process.send_signal(stop)
        out, err = process.communicate(timeout=60)
        assert (process.returncode, out) == (1, ""), err
        assert err.splitlines() == ["stopped; what had arrived is landed. Run the same command again to continue."]
        had = landed(desk)
        assert PAGE_SIZE <= len(had) < len(rows)
        assert len(windows(desk, "open")) == 1

        endpoint.latency = 0
        endpoint.requests.clear()
        call(desk, "load", "fills", "--since", "2025-01-01")
        # A page starts with the last row of the one before, so two pages landed are a row short of 2,000.
        assert len(asked(endpoint)) == 7 - math.ceil(len(had) / PAGE_SIZE)  # no page twice
    assert landed(desk) == ids(rows)
    assert desk.rows("select count() from polyledger_raw.order_filled_events") == [(len(rows),)]


# Damaged rows


def rejected(desk: Desk) -> list[tuple[Any, ...]]:
    return desk.rows("select entity, row_id, reason, raw from polyledger_raw.rejected_rows final order by all")


def test_damaged_rows_are_kept_aside_and_the_others_land(desk: Desk) -> None:
    # Two to a second, so that pages end inside seconds too.
    rows = sorted((fill(n, NEW_YEAR + n // 2) for n in range(PAGE_SIZE + 7)), key=lambda r: (r["timestamp"], r["id"]))
    damage: dict[int, Row] = {
        3: {"fee": "1.5"},
        500: {"maker": None},
        PAGE_SIZE - 1: {"takerAmountFilled": -1},  # the last one of a full page
        len(rows) - 1: {"orderHash": "0xbb"},  # the last one of all
    }
    served = [row | damage.get(n, {}) for n, row in enumerate(rows)]
    good = ids([row for n, row in enumerate(rows) if n not in damage])
    with Goldsky({"OrderFilledEvent": served}) as endpoint:
        desk.base_url = endpoint.base_url
        said = call(desk, "load", "fills", "--since", "2025-01-01", code=3)
        assert "kept aside: 4 rows of OrderFilledEvent could not be understood" in said.out
        assert "polyledger_raw.rejected_rows" in said.out
        assert landed(desk) == good
        found = rejected(desk)
        assert {row_id: json.loads(raw) for _, row_id, _, raw in found} == {served[n]["id"]: served[n] for n in damage}
        fields = ["fee is not", "maker is not", "takerAmountFilled does not fit", "orderHash is not"]
        assert all(any(reason.startswith(field) for _, _, reason, _ in found) for field in fields)

        # The window is complete, so they are not asked for again; where they are, they are kept once.
        assert "landed nothing new" in call(desk, "load", "fills").out
        desk.rows("truncate table polyledger_raw.load_windows")
        report = json.loads(call(desk, "load", "fills", "--since", "2025-01-01", "--json", code=3).out)
        assert report["rejected"] == {"OrderFilledEvent": 4} and report["exit_code"] == 3
    assert rejected(desk) == found
    assert landed(desk) == good


def test_a_page_that_ends_with_a_row_without_an_id_loses_none(desk: Desk) -> None:
    rows = sorted((fill(n, NEW_YEAR + n) for n in range(PAGE_SIZE + 10)), key=lambda r: r["timestamp"])
    rows[PAGE_SIZE - 1]["id"] = None
    with Goldsky({"OrderFilledEvent": rows}) as endpoint:
        desk.base_url = endpoint.base_url
        call(desk, "load", "fills", "--since", "2025-01-01", code=3)
    assert landed(desk) == ids(rows) - {None}
    assert [(row_id, reason) for _, row_id, reason, _ in rejected(desk)] == [("", "id is missing or no text")]


def test_what_hardly_is_json_damages_rows_and_no_page(desk: Desk) -> None:
    rows = [fill(n, NEW_YEAR) for n in range(10)]
    damage: list[Row] = [{"id": 7}, {"id": "\ud800"}, {"maker": "\ud800"}, {"fee": float("nan")}, {"fee": 10**30}]
    served = [row | damage[n] if n < len(damage) else row for n, row in enumerate(rows)]
    with Goldsky({"OrderFilledEvent": served}) as endpoint:
        desk.base_url = endpoint.base_url
        call(desk, "load", "fills", "--since", "2025-01-01", code=3)
    assert landed(desk) == ids(rows[len(damage) :])
    assert sorted(reason.split(":")[0] for _, _, reason, _ in rejected(desk)) == [
        "fee does not fit 64 bits",
        "fee is not a whole number",
        "id is missing or no text",
        "id is not transactionHash_orderHash",
        "maker is not 0x and 40 hex digits",
    ]


def test_a_page_of_damaged_rows_only_is_turned_too(desk: Desk) -> None:
    rows = [fill(n, NEW_YEAR + n // 5) | {"maker": "nobody"} for n in range(PAGE_SIZE + 10)]
    with Goldsky({"OrderFilledEvent": rows}) as endpoint:
        desk.base_url = endpoint.base_url
        call(desk, "load", "fills", "--since", "2025-01-01", code=3)
    assert {row_id for _, row_id, _, _ in rejected(desk)} == ids(rows)
    assert open_windows(desk) == [] and landed(desk) == set()


def test_damage_in_activity_and_payouts_is_kept_aside_too(desk: Desk) -> None:
    good, bad, odd = (hash_of("condition", n) for n in range(3))
    world: dict[str, list[Row]] = {"MarketData": [], "Condition": []}
    for condition in (good, bad, odd):
        for entity, rows in market(condition, ["1", "0"]).items():
            world[entity] += rows
    world["Condition"][1]["payoutNumerators"] = ["1e-5", "0"]
    world["MarketData"][-1]["condition"] = "unknown"
    world["Split"] = [split(n, NEW_YEAR + n, condition) for n, condition in enumerate((good, bad, odd))]
    world["Split"][2] |= {"amount": "much"}
    world["NegRiskConversion"] = [
        {
            "id": f"{hash_of('conversion')}_0x2",
            "timestamp": str(NEW_YEAR),
            "stakeholder": ALICE,
            "negRiskMarketId": hash_of("event"),
            "amount": "1",
            "indexSet": "8",
            "questionCount": 3,
        }
    ]
    with Goldsky(world) as endpoint:
        desk.base_url = endpoint.base_url
        call(desk, "load", "activity", code=3)
        assert landed(desk, "splits") == ids(world["Split"][:2])
        for _ in range(2):  # what was rejected is asked for again: it may be served better then
            said = call(desk, "load", "payouts", code=3)
            assert "kept aside: 1 rows of Condition" in said.out
            assert raw(desk, "conditions") != []
        call(desk, "load", "payouts", "--all", code=3)
    assert [(entity, reason.split(":")[0]) for entity, _, reason, _ in rejected(desk)] == [
        ("Condition", "payoutNumerators is not a decimal number"),
        ("MarketData", "condition is not 0x and 64 hex digits"),
        ("NegRiskConversion", "indexSet names no question, or one beyond questionCount"),
        ("Split", "amount is not a whole number"),
    ]


# Payouts


def payouts(desk: Desk) -> dict[str, tuple[list[str], str]]:
    """Numerators and denominator by condition, the newest copy."""
    found = desk.rows(
        """
        select
            concat('0x', lower(hex(id))),
            argMax(payout_numerators, _loaded_at),
            argMax(payout_denominator, _loaded_at)
        from polyledger_raw.conditions group by id
        """
    )
    return {condition: (list(numerators), denominator) for condition, numerators, denominator in found}


def asked_ids(endpoint: Goldsky, field: str) -> list[str]:
    batches = [variables["ids"] for variables in asked(endpoint, field) if "ids" in variables]
    assert all(len(batch) <= PAGE_SIZE for batch in batches)
    assert all(variables["first"] == PAGE_SIZE for variables in asked(endpoint, field))  # the default is 100
    return [each for batch in batches for each in batch]


def changes_asked(endpoint: Goldsky, field: str) -> list[int]:
    """From which blocks on changes were asked for."""
    return [v["_change_block"]["number_gte"] for v in asked(endpoint, field) if "_change_block" in v]


class WithoutChanges(Goldsky):
    """An endpoint that does not tell what changed."""

    def answer_noting(self, asked: Request, *question: Any) -> dict[str, Any]:
        if "_change_block" in asked.variables:
            return {"errors": [{"message": "Unknown argument `_change_block`"}]}
        return super().answer_noting(asked, *question)


@pytest.mark.parametrize("kind", [Goldsky, WithoutChanges])
def test_payouts_of_thousands_of_tokens_come_in_batches_and_only_open_ones_again(
    desk: Desk, kind: type[Goldsky]
) -> None:
    conditions = [hash_of("condition", n) for n in range(1100)]
    resolved = conditions[:700]
    world: dict[str, list[Row]] = {"MarketData": [], "Condition": []}
    for condition in conditions:
        for entity, rows in market(condition, ["0", "1"] if condition in resolved else None).items():
            world[entity] += rows
    tokens = [row["id"] for row in world["MarketData"]]
    world["OrderFilledEvent"] = [
        fill(n, NEW_YEAR + n // 9, token=int(token), buys=n % 2 == 0) for n, token in enumerate(tokens)
    ]
    with kind(world) as endpoint:
        desk.base_url = endpoint.base_url
        call(desk, "load", "fills")
        call(desk, "load", "payouts")
        assert sorted(asked_ids(endpoint, "marketDatas")) == sorted(tokens)
        assert sorted(asked_ids(endpoint, "conditions")) == sorted(conditions)
        assert payouts(desk).keys() == set(conditions)
        assert {c for c, (numerators, _) in payouts(desk).items() if numerators} == set(resolved)

        endpoint.requests.clear()
        call(desk, "load", "payouts")
        assert asked_ids(endpoint, "marketDatas") == []
        if kind is Goldsky:
            assert changes_asked(endpoint, "conditions") == [FIRST_HEAD - REORG_BLOCKS]
            assert asked_ids(endpoint, "conditions") == []
        else:
            assert set(asked_ids(endpoint, "conditions")) == set(conditions) - set(resolved)

        # One resolves later.
        late = conditions[-1]
        endpoint.put("Condition", market(late, ["1", "1"])["Condition"])
        call(desk, "load", "payouts")
        assert payouts(desk)[late] == (["1", "1"], "1")
        endpoint.requests.clear()
        call(desk, "load", "payouts")
        assert late not in asked_ids(endpoint, "conditions")


def test_what_the_subgraph_does_not_know_is_not_asked_for_again_within_a_day(desk: Desk) -> None:
    known, foreign = hash_of("known"), hash_of("foreign")
    rows = market(known, ["1", "0"]) | {
        "Split": [split(1, NEW_YEAR, known), split(2, NEW_YEAR, foreign)],
        "OrderFilledEvent": [fill(1, token=99)],
    }
    with Goldsky(rows) as endpoint:
        desk.base_url = endpoint.base_url
        assert "note" not in call(desk, "load", "activity", "--until", "2025-02-01").out.replace(
            "note: the activity", ""
        )
        call(desk, "load", "fills", "--until", "2025-02-01")
        said = call(desk, "load", "payouts")
        assert "note: 1 conditions are unknown to the pnl subgraph" in said.out
        assert "note: 1 tokens are registered on no exchange" in said.out
        assert set(asked_ids(endpoint, "conditions")) == {known, foreign}

        endpoint.requests.clear()
        said = call(desk, "load", "payouts")
        assert "note" not in said.out
        assert asked_ids(endpoint, "conditions") == asked_ids(endpoint, "marketDatas") == []

        # A day later both are asked for again, and may be known by then.
        desk.rows(
            "insert into polyledger_raw.load_windows select * replace (updated_at - interval 25 hour as updated_at) "
            "from polyledger_raw.load_windows where state = 'not_found'"
        )
        desk.rows(
            "alter table polyledger_raw.load_windows delete where updated_at > now() - interval 1 day "
            "and state = 'not_found' settings mutations_sync = 1"
        )
        for entity, late in market(foreign, ["0", "1"]).items():
            endpoint.put(entity, late)
        call(desk, "load", "payouts")
        assert set(asked_ids(endpoint, "conditions")) == {foreign}
        assert "99" in asked_ids(endpoint, "marketDatas")
    assert payouts(desk).keys() == {known, foreign}


def test_activity_tells_listed_conditions_from_other_projects(desk: Desk) -> None:
    """Without any fill: by whether their tokens are registered."""
    listed, unlisted = hash_of("listed"), hash_of("unlisted")
    rows = market(listed, ["1", "0"])
    rows["Condition"] += market(unlisted, ["1", "0"])["Condition"]
    rows["Split"] = [split(1, NEW_YEAR, listed), split(2, NEW_YEAR, unlisted)]
    with Goldsky(rows) as endpoint:
        desk.base_url = endpoint.base_url
        call(desk, "load", "activity")
        said = call(desk, "load", "payouts")
        assert "note: 2 tokens are registered on no exchange" in said.out
        endpoint.requests.clear()
        call(desk, "load", "payouts")
        assert asked_ids(endpoint, "conditions") == asked_ids(endpoint, "marketDatas") == []
    tokens = desk.rows("select toString(id) from polyledger_raw.market_data")
    assert {token for (token,) in tokens} == set(tokens_of(listed))


def test_foreign_activity_is_landed_and_noted(desk: Desk, world: World) -> None:
    with Goldsky(world.entities, head=world.until) as endpoint:
        desk.base_url = endpoint.base_url
        assert "landed" in call(desk, "load", "activity").out
        said = call(desk, "load", "payouts")
    assert "conditions are unknown to the pnl subgraph (another project's, most likely)" in said.out
    assert landed(desk, "splits") == ids(world.entities["Split"])


def test_conditions_can_be_named(desk: Desk, tmp_path: Path) -> None:
    named, other, unknown = (hash_of("condition", n) for n in range(3))
    rows = {e: a + b for (e, a), b in zip(market(named).items(), market(other, ["1", "0"]).values(), strict=True)}
    file = tmp_path / "conditions.csv"
    file.write_text(f"title,condition_id\nx,{other.upper().replace('X', 'x')}\n")
    with Goldsky(rows) as endpoint:
        desk.base_url = endpoint.base_url
        call(desk, "load", "payouts", "--condition", named)
        assert payouts(desk) == {named: ([], "0")}
        said = call(desk, "load", "payouts", "--conditions-from", str(file), "--condition", unknown)
        assert "1 conditions are unknown" in said.out
    assert payouts(desk) == {named: ([], "0"), other: (["1", "0"], "1")}


def test_questions_of_converted_events_are_asked_for(desk: Desk) -> None:
    event = hash_of("event")[:-2] + "00"
    questions = [condition_id(NEG_RISK_ADAPTER, question_id(event, n)) for n in range(4)]
    conversions = [
        {
            "id": f"{hash_of('conversion', n)}_0x{n}",
            "timestamp": str(NEW_YEAR + n),
            "stakeholder": ALICE,
            "negRiskMarketId": event,
            "amount": "1000000",
            "indexSet": "3",
            "questionCount": n,
        }
        for n in (3, 4)
    ]
    rows = {"NegRiskConversion": conversions, "NegRiskEvent": [{"id": event, "questionCount": 4}]}
    rows["Condition"] = [row for question in questions for row in market(question, ["0", "1"])["Condition"]]
    with Goldsky(rows) as endpoint:
        desk.base_url = endpoint.base_url
        call(desk, "load", "activity")
        call(desk, "load", "payouts")
        assert sorted(asked_ids(endpoint, "conditions")) == sorted(questions)
    assert payouts(desk).keys() == set(questions)


def test_payouts_survive_as_they_were_served(desk: Desk) -> None:
    served: dict[str, list[Any]] = {
        hash_of("numbers"): [0.54, 0.46],
        hash_of("text"): ["0.54", "0.46"],
        hash_of("tenths"): [0.1, 0.9],
        hash_of("large"): [333333333333333333, "666666666666666667"],
        hash_of("whole"): ["1", "0"],
    }
    rows = [row for condition, numerators in served.items() for row in market(condition, numerators)["Condition"]]
    with Goldsky({"Condition": rows}) as endpoint:
        desk.base_url = endpoint.base_url
        call(desk, "load", "payouts", "--all")
    assert {condition: numerators for condition, (numerators, _) in payouts(desk).items()} == {
        condition: [str(numerator) for numerator in numerators] for condition, numerators in served.items()
    }


@pytest.fixture(scope="module")
def everything() -> dict[str, list[Row]]:
    """More conditions and tokens than a page holds."""
    world: dict[str, list[Row]] = {"MarketData": [], "Condition": []}
    for n in range(2300):
        for entity, rows in market(hash_of("condition", n), ["1", "0"] if n % 3 else None).items():
            world[entity] += rows
    return world


def test_all_payouts_in_shares_are_all_payouts(desk: Desk, tmp_path: Path, everything: dict[str, list[Row]]) -> None:
    alone = Desk(tmp_path / "alone")
    with Goldsky(everything) as endpoint:
        alone.base_url = desk.base_url = endpoint.base_url
        call(alone, "load", "payouts", "--all")
        for worker in ("1", "2", "3"):
            call(desk, "load", "payouts", "--all", "--worker", worker, "--of", "3")
        assert len(payouts(alone)) == len(everything["Condition"])
        assert desk.rows("select count(), uniqExact(id) from polyledger_raw.conditions") == [(2300, 2300)]
        assert desk.rows("select count(), uniqExact(id) from polyledger_raw.market_data") == [(4600, 4600)]
        for table in ("conditions", "market_data"):
            assert raw(desk, table) == raw(alone, table)


def test_named_payouts_in_shares_are_all_of_them(desk: Desk) -> None:
    conditions = [hash_of("condition", n) for n in range(30)]
    rows: dict[str, list[Row]] = {"MarketData": [], "Condition": []}
    for condition in conditions:
        for entity, more in market(condition, ["1", "0"]).items():
            rows[entity] += more
    rows["Split"] = [split(n, NEW_YEAR + n, condition) for n, condition in enumerate(conditions)]
    with Goldsky(rows) as endpoint:
        desk.base_url = endpoint.base_url
        call(desk, "load", "activity")
        shares = []
        for worker in ("1", "2", "3"):
            endpoint.requests.clear()
            call(desk, "load", "payouts", "--worker", worker, "--of", "3")
            shares.append(asked_ids(endpoint, "conditions"))
        assert all(shares)
    assert sorted(each for share in shares for each in share) == sorted(conditions)
    assert payouts(desk).keys() == set(conditions)


def test_all_payouts_go_on_where_they_stopped_and_then_begin_anew(desk: Desk, everything: dict[str, list[Row]]) -> None:
    # Two pages of each are answered.
    with Goldsky(everything, faults=Faults(1.0, ("errors",), first=4)) as endpoint:
        desk.base_url = endpoint.base_url
        said = call(desk, "load", "payouts", "--all", code=3, GOLDSKY_CONCURRENCY="1")
        assert "open: Condition all:1/1 is still open" in said.out
        cursors = {entity: windows(desk, "open", entity)[0][3] for entity in ("Condition", "MarketData")}
        had = len(payouts(desk))
        assert 0 < had < 2300

        endpoint.faults = Faults(0.0)
        endpoint.requests.clear()
        call(desk, "load", "payouts", "--all")
        assert asked(endpoint, "conditions")[0]["after"] == cursors["Condition"]
        assert asked(endpoint, "marketDatas")[0]["after"] == cursors["MarketData"]
        assert len(payouts(desk)) == 2300
        assert open_windows(desk) == []

        endpoint.requests.clear()
        call(desk, "load", "payouts", "--all")
        assert asked(endpoint, "conditions")[0]["after"] == ""  # payouts change, so a complete pass is begun anew
    assert len(payouts(desk)) == 2300


def test_batches_without_an_answer_are_reported_and_asked_for_again(desk: Desk) -> None:
    condition = hash_of("condition")
    rows = market(condition, ["1", "0"]) | {"Split": [split(1, NEW_YEAR, condition)]}
    with Goldsky(rows) as endpoint:
        desk.base_url = endpoint.base_url
        call(desk, "load", "activity")
        endpoint.faults = Faults(1.0, ("null",), first=1)  # the head is answered
        said = call(desk, "load", "payouts", code=3)
        assert "open: 1 conditions were not answered" in said.out and "an answer without data" in said.out
        assert payouts(desk) == {}
        endpoint.faults = Faults(0.0)
        call(desk, "load", "payouts")
    assert payouts(desk) == {condition: (["1", "0"], "1")}
