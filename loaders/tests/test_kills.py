"""Killed again and again at random moments, the same command ends in the state of a run that nothing disturbed."""

import json
import signal
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from random import Random
from typing import Any

import pytest

from loaders.entities import ENTITIES, Row
from loaders.standin.chain import NEG_RISK_ADAPTER, condition_id, question_id
from loaders.standin.goldsky import Faults, Goldsky, Reply, Request
from loaders.subgraph import PAGE_SIZE
from loaders.tests.conftest import ClickHouse, Desk, ServerDesk
from loaders.tests.processes import Processes, processes
from loaders.tests.test_command import call
from loaders.tests.test_loading import ALICE, BOB, CAROL, DAY, NEW_YEAR, fill, hash_of, market, open_windows, raw
from loaders.warehouse import declared_columns

COMMANDS = (
    ("load", "fills"),
    ("load", "activity"),
    ("load", "amm"),
    ("load", "payouts"),
    ("load", "payouts", "--all"),
)
TABLES = {entity.name: entity.table for entity in ENTITIES if entity.table != "user_positions"}
BATCH = 500  # rows of one insert, or of one page where that has more
runs = count(1)
KILLS, LONG_CAMPAIGNS = 4, 10  # kills of each command in one campaign; as many more campaigns in make test-long


class Watched(Goldsky):
    """The endpoint, and what it answered each run, by the token that the run bears."""

    def __init__(self, rows: dict[str, list[Row]]) -> None:
        super().__init__(rows, head=NEW_YEAR + 31 * DAY)
        self.answers: Counter[str] = Counter()
        self.served: dict[str, set[tuple[str, int, str]]] = defaultdict(set)  # field, timestamp, id

    def reply_noting(self, asked: Request, authorization: str | None, body: bytes) -> Reply:
        reply = super().reply_noting(asked, authorization, body)
        run = str(authorization).removeprefix("Bearer ")
        with self.lock:
            self.answers[run] += 1
            if asked.fault is None:
                rows = json.loads(reply.body).get("data", {}).get("rows", [])
                self.served[run].update((asked.fields[0], int(row.get("timestamp", 0)), row["id"]) for row in rows)
        return reply


def event(kind: str, number: int, second: int, **more: Any) -> Row:
    return {"id": f"{hash_of(kind, number)}_0x{number % 50:x}", "timestamp": str(second), **more}


def a_month(rows: int) -> dict[str, list[Row]]:
    """About so many rows of everything: crowded seconds, quiet days, tokens and conditions unknown or unresolved."""
    random = Random(11)
    conditions = [hash_of("condition", n) for n in range(rows // 12)]
    world: dict[str, list[Row]] = {"MarketData": [], "Condition": []}
    for n, condition in enumerate(conditions):
        for entity, more in market(condition, ["1", "0"] if n % 4 else None).items():
            world[entity] += more if n % 13 else []  # some are unknown to the subgraph

    def second() -> int:
        return NEW_YEAR + random.choice((7 * DAY + 5, random.randrange(30 * DAY), 20 * DAY + random.randrange(900)))

    def set_event(kind: str, number: int) -> Row:
        wallet, condition = random.choice((ALICE, BOB, CAROL)), random.choice(conditions)
        return event(kind, number, second(), stakeholder=wallet, condition=condition, amount=str(number))

    def refund(number: int, of: Row) -> Row:
        given = {"orderHash": of["orderHash"], "tokenId": "0", "refundee": of["maker"], "negRisk": number % 2 == 0}
        return event("refund", number, int(of["timestamp"]), feeRefunded=str(number), feeCharged="1", **given)

    def redemption(number: int) -> Row:
        given = {"redeemer": ALICE, "condition": random.choice(conditions), "indexSets": ["1", "2"]}
        return event("redemption", number, second(), payout=str(number), **given)

    def conversion(number: int) -> Row:
        given = {"stakeholder": BOB, "negRiskMarketId": events[number], "indexSet": "3", "questionCount": 3}
        return event("conversion", number, second(), amount="5", **given)

    tokens = [int(hash_of(condition, outcome), 16) for condition in conditions for outcome in (0, 1)]
    events = [hash_of("event", n)[:-2] + "00" for n in range(rows // 27)]
    world["OrderFilledEvent"] = [
        fill(n, second(), maker=random.choice((ALICE, BOB)), token=random.choice(tokens), buys=n % 3 > 0)
        for n in range(rows * 2 // 3)
    ]
    world["FeeRefundedEntity"] = [refund(n, of) for n, of in enumerate(world["OrderFilledEvent"][: rows // 25])]
    world["Split"] = [set_event("split", n) for n in range(rows // 10)]
    world["Merge"] = [set_event("merge", n) for n in range(rows // 22)]
    world["Redemption"] = [redemption(n) for n in range(rows // 20)]
    world["NegRiskEvent"] = [{"id": one, "questionCount": 3} for one in events]
    world["NegRiskConversion"] = [conversion(n) for n in range(rows // 150)]
    for n in range(rows // 200):
        question = condition_id(NEG_RISK_ADAPTER, question_id(events[n], n % 3))
        world["Condition"] += market(question, ["0", "1"])["Condition"]
    pools = [hash_of("pool", n)[:42] for n in range(rows // 200)]
    world["FixedProductMarketMaker"] = [
        {
            "id": pool,
            "creator": CAROL,
            "creationTimestamp": str(NEW_YEAR),
            "collateralToken": hash_of("collateral", 0)[:42],
            "conditions": [random.choice(conditions)],
            "fee": "20000000000000000",
        }
        for pool in pools
    ]

    def trade(number: int) -> Row:
        amounts = {"tradeAmount": "50", "feeAmount": "1", "outcomeIndex": str(number % 2), "outcomeTokensAmount": "98"}
        given = {"type": ("Buy", "Sell")[number % 2], "market": pools[number % len(pools)], "user": ALICE}
        return event("trade", number, second(), **given, **amounts)

    def funding(kind: str, number: int, **amounts: Any) -> Row:
        given = {"fpmm": pools[number % len(pools)], "funder": BOB}
        return {"id": hash_of(kind, number), "timestamp": str(second()), **given, **amounts}

    added = {"amountsAdded": ["9", "4"], "amountsRefunded": ["0", "5"], "sharesMinted": "6"}
    removed = {"amountsRemoved": ["3", "2"], "collateralRemoved": "1", "sharesBurnt": "2"}
    world["FpmmTransaction"] = [trade(n) for n in range(rows // 20)]
    world["FpmmFundingAddition"] = [funding("addition", n, **added) for n in range(rows // 20)]
    world["FpmmFundingRemoval"] = [funding("removal", n, **removed) for n in range(rows // 25)]
    return world


@pytest.fixture(scope="module")
def endpoint() -> Iterator[Watched]:
    endpoint = Watched(a_month(30_000))
    with endpoint:
        yield endpoint


@pytest.fixture(scope="module")
def start(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Processes]:
    with processes(tmp_path_factory.mktemp("said")) as start:
        yield start


State = dict[str, Any]


@pytest.fixture(scope="module")
def calm(endpoint: Watched, start: Processes, tmp_path_factory: pytest.TempPathFactory) -> State:
    """What an undisturbed run of all commands leaves: everything that is served."""
    desk = Desk(tmp_path_factory.mktemp("calm") / "warehouse", endpoint.base_url)
    for words in COMMANDS:
        process = start.start(desk, *words, GOLDSKY_API_TOKEN="-".join(words), POLYLEDGER_BATCH_ROWS="3000")
        assert process.wait() == 0, process.said()
    state = state_of(desk)
    assert {name: len(state[table]) for name, table in TABLES.items()} == {
        name: len(endpoint.tables[name].versions) for name in TABLES
    }
    return state


def state_of(desk: Desk) -> State:
    """Every row of every entity, and what is remembered: what is complete from where to where, and unknown ids."""
    windows = desk.rows(
        """
        select entity, scope, toUnixTimestamp(since) as first, toUnixTimestamp(until) as end
        from polyledger_raw.load_windows group by entity, scope, since, until
        having argMax(state, updated_at) = 'complete' order by all
        """
    )
    complete: list[list[Any]] = []
    for entity, scope, first, end in windows:
        if complete and complete[-1][:2] == [entity, scope] and first <= complete[-1][3]:
            complete[-1][3] = max(complete[-1][3], end)
        else:
            complete.append([entity, scope, first, end])
    unknown = desk.rows(
        "select distinct entity, scope from polyledger_raw.load_windows where state = 'not_found' order by all"
    )
    tables: State = {table: raw(desk, table) for table in TABLES.values()}
    return tables | {"open": open_windows(desk), "complete": complete, "unknown": unknown}


def lost(desk: Desk, served: set[tuple[str, int, str]]) -> Counter[Any]:
    """Events that were served and are not recorded as landed, by open window: they have to be fetched again."""
    fields = {entity.many: entity.name for entity in ENTITIES if entity.is_timed}
    windows = desk.rows(
        """
        select entity, toUnixTimestamp(since), toUnixTimestamp(until),
            argMax(cursor, updated_at), argMax(state, updated_at) as last
        from polyledger_raw.load_windows where scope = ''
        group by entity, since, until having last in ('open', 'complete')
        """
    )
    found: Counter[Any] = Counter()
    for field, second, row_id in served:
        if field in fields:
            inside = [w for w in windows if w[0] == fields[field] and w[1] <= second < w[2]]
            if not any(w[4] == "complete" or (second, row_id) <= position(w[3]) for w in inside):
                found[inside[0][:3] if inside else fields[field]] += 1
    return found


def position(cursor: str) -> tuple[int, str]:
    second, _, row_id = cursor.partition(":")
    return (int(second or 0), row_id)


def campaign(seed: int, kills: int, make: Callable[[], Desk], endpoint: Watched, start: Processes, calm: State) -> None:
    """Load everything, again and again into a new warehouse, until each command was killed so many times.

    Each kill comes after a few answers, more or less, and some milliseconds. What a kill may cost is checked too.
    """
    random, toll, left = Random(seed), Counter[str](), dict.fromkeys(COMMANDS, kills)
    endpoint.faults = Faults(0.15, seed=seed, hang_seconds=1.2)
    endpoint.latency = 0.02
    while any(left.values()):
        desk = make()
        desk.base_url = endpoint.base_url
        for words in COMMANDS:
            is_killed = True
            while is_killed:
                run, workers = f"run-{next(runs)}", random.choice((1, 4))
                process = start.start(
                    desk,
                    *words,
                    GOLDSKY_API_TOKEN=run,
                    POLYLEDGER_BATCH_ROWS=str(BATCH),
                    GOLDSKY_CONCURRENCY=str(workers),
                    GOLDSKY_TIMEOUT_SECONDS="1",
                )
                if left[words]:
                    answers = random.randint(1, 2 + endpoint.answers["-".join(words)] // 2)
                    while process.poll() is None and endpoint.answers[run] < answers:
                        time.sleep(0.002)
                    time.sleep(random.uniform(0, 0.05))
                    process.kill()
                is_killed = process.wait() == -signal.SIGKILL
                if not is_killed:
                    assert process.code == 0, process.said()
                    continue
                left[words] -= 1
                toll["kills"] += 1
                toll["under way"] += bool(endpoint.served[run])
                again = lost(desk, endpoint.served[run]) if desk.has_tables() else Counter()
                if workers == 1:
                    assert max(again.values(), default=0) <= BATCH + 2 * PAGE_SIZE
                else:  # parts of windows too, which are not recorded yet: twice what is likely
                    assert again.total() <= 2 * workers * (BATCH + PAGE_SIZE)
        assert state_of(desk) == calm
    print(f"seed {seed}: {dict(toll)}")  # make test-long shows it
    assert toll["under way"] >= kills * len(COMMANDS) / 2  # nearly all, in fact: rows were served, and it had not ended


@pytest.mark.parametrize(
    "seed", [1, *(pytest.param(seed, marks=pytest.mark.long) for seed in range(2, 2 + LONG_CAMPAIGNS))]
)
def test_killed_loads_end_like_an_undisturbed_run(
    seed: int, tmp_path: Path, endpoint: Watched, start: Processes, calm: State
) -> None:
    numbers = count(1)
    campaign(seed, KILLS, lambda: Desk(tmp_path / f"warehouse{next(numbers)}"), endpoint, start, calm)


@pytest.mark.parametrize("kills", [1, pytest.param(8, marks=pytest.mark.long)])
def test_killed_loads_into_a_server_end_like_an_undisturbed_run(
    kills: int, tmp_path: Path, clickhouse: ClickHouse, endpoint: Watched, start: Processes, calm: State
) -> None:
    desks: list[ServerDesk] = []

    def make() -> ServerDesk:
        desks.append(ServerDesk(tmp_path / "warehouse", server=clickhouse))
        return desks[-1]

    try:
        campaign(kills, kills, make, endpoint, start, calm)
    finally:
        for desk in desks:
            desk.drop()


def test_killed_after_any_insert_it_goes_on(tmp_path: Path, endpoint: Watched, start: Processes, calm: State) -> None:
    """Between the rows of a batch and its record, between the record and the next batch, between two tables."""
    endpoint.faults, endpoint.latency = Faults(0.0), 0.0
    desk = Desk(tmp_path / "warehouse", endpoint.base_url)
    for words in COMMANDS:
        for inserts in count(1):
            process = start.start(desk, *words, dies_after=inserts, POLYLEDGER_BATCH_ROWS="3000")
            if process.wait() == 0:
                break
            assert process.code == -signal.SIGKILL, process.said()
    assert state_of(desk) == calm


def test_what_is_acknowledged_is_on_the_disk(desk: Desk) -> None:
    """A power cut cannot be had in a test; that inserts wait for the disk can be seen."""
    call(desk, "load", "activity", code=None, GOLDSKY_TIMEOUT_SECONDS="0.1")
    engines = desk.rows("select name, engine_full from system.tables where database || '.' = 'polyledger_raw.'")
    assert len(engines) == len(declared_columns())
    for name, engine in engines:
        assert "fsync_after_insert = 1" in engine and "fsync_part_directory = 1" in engine, name
