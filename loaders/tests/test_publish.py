"""What people read is exchanged only when the next version has passed its tests, and is whole whenever it is read."""

import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from loaders import embedded
from loaders.publish import EXCHANGING, JOURNAL, Step, _empty_shadow, exchange, finish, plan
from loaders.standin.goldsky import Goldsky
from loaders.standin.world import World, simulate
from loaders.target import Target
from loaders.tests.conftest import PROJECT, Desk, ServerDesk
from loaders.tests.test_command import call
from loaders.warehouse import Warehouse

Rows = list[tuple[Any, ...]]


class Dying(Warehouse):
    """A connection of a process that is killed before one of its statements."""

    left = 10**6

    def command(self, statement: str, parameters: dict[str, Any] | None = None) -> None:
        if self.left == 0:
            raise KeyboardInterrupt
        self.left -= 1
        super().command(statement, parameters)


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Dying]:
    path = tmp_path / "warehouse"
    warehouse = Dying(Target("embedded", f"chdb:{path}", None, "", "", False, 300, "live", "raw"))
    yield warehouse
    warehouse.close()
    embedded.release(path)


def make(warehouse: Warehouse, database: str, generation: str) -> None:
    """What a version of some project would make: tables, views on them and on each other."""
    for name in ("a", "b"):
        warehouse.command(f"create table {database}.{name} (x String) engine = MergeTree order by x")
        warehouse.command(f"insert into {database}.{name} values ('{generation} {name}')")
    # The views are made in an order that is not that of their names, and their text changes with the version.
    warehouse.command(f"create view {database}.z as select x, '{generation}' as text from {database}.a")
    warehouse.command(
        f"create view {database}.m as select z.x as x, text, b.x as y from {database}.z as z, {database}.b as b"
    )
    if generation == "old":
        warehouse.command(f"create table {database}.turned (x String) engine = MergeTree order by x as select 'old'")
        warehouse.command(f"create view {database}.turns as select 'old' as x")
    else:
        warehouse.command(f"create view {database}.turned as select 'new' as x")
        warehouse.command(f"create table {database}.turns (x String) engine = MergeTree order by x as select 'new'")
        warehouse.command(f"create table {database}.added (x String) engine = MergeTree order by x as select 'new'")
        warehouse.command(f"create view {database}.also as select x from {database}.added")


def read(warehouse: Warehouse, database: str) -> dict[str, Rows]:
    """All that can be read in a database."""
    names = warehouse.rows(f"select name from system.tables where database = '{database}' and name != '{JOURNAL}'")
    return {name: warehouse.rows(f"select * from {database}.{name}") for (name,) in sorted(names)}


OLD = {"a": "old a", "b": "old b", "turned": "old", "turns": "old"}
NEW = {"a": "new a", "added": "new", "also": "new", "b": "new b", "turned": "new", "turns": "new"}


def expected(values: dict[str, str], text: str) -> dict[str, Rows]:
    found: dict[str, Rows] = {name: [(value,)] for name, value in values.items()}
    return found | {"z": [(f"{text} a", text)], "m": [(f"{text} a", text, f"{text} b")]}


def both_versions(engine: Dying) -> list[Step]:
    engine.left = 10**6
    for database in ("live", "live_shadow"):
        engine.command(f"drop database if exists {database} sync")
    _empty_shadow(engine)
    make(engine, "live", "old")
    make(engine, "live_shadow", "new")
    return plan(engine)


def test_exchanged_cut_off_anywhere_it_is_finished(engine: Dying) -> None:
    """Before each of its statements once. What is between is one version or the other, never nothing."""
    statements = 0
    while True:
        steps = both_versions(engine)
        engine.left = statements
        try:
            exchange(engine, steps)
            break
        except KeyboardInterrupt:
            engine.left = 10**6
        now = read(engine, "live")
        for name, rows in expected(OLD, "old").items():
            if name != "m":  # what reads two others may see one of each
                assert now[name] in (rows, expected(NEW, "new")[name]) or len(now[name]) == 1, (statements, name)
        assert finish(engine)
        assert read(engine, "live") == expected(NEW, "new"), statements
        assert read(engine, "live_shadow") == expected(OLD, "old"), statements
        assert not finish(engine)
        statements += 1
    assert statements > 10
    assert read(engine, "live") == expected(NEW, "new")


def test_there_and_back_and_there_again(engine: Dying) -> None:
    steps = both_versions(engine)
    exchange(engine, steps)
    for wanted, kept in (((OLD, "old"), (NEW, "new")), ((NEW, "new"), (OLD, "old"))):
        exchange(engine, plan(engine, also=[step.name for step in steps]))
        assert read(engine, "live") == expected(*wanted)
        assert read(engine, "live_shadow") == expected(*kept)


def test_what_only_the_live_database_has_stays_there(engine: Dying) -> None:
    both_versions(engine)
    engine.command("create table live.mine (x String) engine = MergeTree order by x as select 'mine'")
    exchange(engine, plan(engine))
    assert read(engine, "live") == expected(NEW, "new") | {"mine": [("mine",)]}


# The real project


@pytest.fixture(scope="module")
def world() -> World:
    return simulate(5, steps=60)


@pytest.fixture(scope="module")
def endpoint(world: World) -> Iterator[Goldsky]:
    with Goldsky(world.entities, head=world.until) as endpoint:
        yield endpoint


def built(desk: Desk) -> dict[str, Any]:
    """Marts that a build makes. The two lists of single events are views, and show whatever is landed."""
    return {name: rows for name, rows in desk.marts().items() if name not in ("fct_fills", "fct_position_events")}


def test_published_refused_taken_back(desk: Desk, endpoint: Goldsky, world: World) -> None:
    desk.base_url = endpoint.base_url
    said = call(desk, "publish", code=2)
    assert "does not exist: load something first" in said.err

    half = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime((world.since + world.until) // 2))
    desk.polyledger("load", "fills", "--since", "2022-11-21", "--until", half)
    desk.polyledger("load", "activity", "--since", "2022-11-21", "--until", half)
    desk.polyledger("load", "payouts")
    assert "there is nothing to go back to" in call(desk, "publish", "--undo", code=2).err
    assert "published" in desk.polyledger("publish").stdout
    first = built(desk)
    assert first["leaderboard"] and first["fct_wallet_pnl"]

    desk.load_everything()
    bad = "insert into polyledger_raw.order_filled_events (timestamp, maker, maker_asset_id, taker_asset_id)"
    desk.rows(f"{bad} values (1735689600, unhex(repeat('ab', 20)), 0, 1)")
    refused = desk.polyledger("publish", code=1)
    assert "one of its tests failed; what people read in polyledger is as it was" in refused.stderr
    assert built(desk) == first
    assert "there is nothing to go back to" in call(desk, "publish", "--undo", code=2).err

    desk.rows("delete from polyledger_raw.order_filled_events where maker = unhex(repeat('ab', 20))")
    desk.polyledger("publish")
    second = built(desk)
    assert second != first
    assert len(desk.marts()["fct_fills"]) == len(world.entities["OrderFilledEvent"])
    call(desk, "publish", "--undo")
    assert built(desk) == first
    call(desk, "publish", "--undo")
    assert built(desk) == second


@pytest.mark.long
def test_killed_amid_build_and_exchange(server_desk: ServerDesk, endpoint: Goldsky) -> None:
    """Meanwhile someone reads, and sees a whole table each time."""
    desk = server_desk
    desk.base_url = endpoint.base_url
    desk.databases["polyledger_shadow"] = f"{desk.databases['polyledger']}_shadow"
    desk.load_everything()
    desk.dbt("build", "--exclude-resource-types", "test", "unit_test")
    built = desk.marts()
    counts = {mart: {len(rows)} for mart, rows in built.items()}
    seen: dict[str, set[int]] = {mart: set() for mart in built}
    ended = threading.Event()

    def keep_reading() -> None:
        while not ended.is_set():
            for mart in built:
                seen[mart].add(desk.rows(f"select count() from polyledger.{mart}")[0][0])

    reader = threading.Thread(target=keep_reading)
    reader.start()
    try:
        shadow = (
            f"select count() from system.tables where database || '.' = 'polyledger_shadow.' and name != '{JOURNAL}'"
        )
        kill_when(desk, f"select ({shadow}) > 20")
        assert desk.marts() == built
        newest = f"select argMax(state, at) = '{EXCHANGING}' from polyledger_shadow.{JOURNAL}"
        kill_when(desk, newest)
        if desk.rows(newest) == [(1,)]:
            assert "that was cut off is now complete" in call(desk, "publish", "--undo").out
    finally:
        ended.set()
        reader.join()
    assert desk.marts() == built
    assert seen == counts


def kill_when(desk: ServerDesk, query: str) -> None:
    """Begin to publish, and kill -9 as soon as the answer is 1."""
    process = subprocess.Popen(
        [sys.executable, "-m", "loaders.cli", "publish"],
        env=desk.environment(),
        cwd=PROJECT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    while process.poll() is None:
        tables = desk.rows("select count() from system.tables where database || '.' = 'polyledger_shadow.'")[0][0]
        if tables and desk.rows(query)[0][0]:
            process.send_signal(signal.SIGKILL)
            break
        time.sleep(0.01)
    assert process.wait() == -signal.SIGKILL


def test_two_do_not_publish_at_once(server_desk: ServerDesk, endpoint: Goldsky) -> None:
    """The second is told who does, and leaves."""
    desk = server_desk
    desk.base_url = endpoint.base_url
    desk.polyledger("load", "fills", "--since", "2022-11-21")
    held = "(run_id, things, since, until, state, host, pid, asked_at)"
    schema = desk.databases["polyledger"]
    desk.rows(
        f"insert into polyledger_raw.load_leases {held} "
        f"values ('other', ['the next version of {schema}'], 0, 4294967295, 'held', 'elsewhere', 7, now64(6))"
    )
    said = call(desk, "publish", code=1)
    assert f"the next version of {schema} is being loaded by process 7 on elsewhere" in said.err


def test_what_cannot_be_exchanged_is_named(engine: Dying) -> None:
    both_versions(engine)
    engine.command(
        "create materialized view live_shadow.mv engine = MergeTree order by x as select x from live_shadow.a"
    )
    with pytest.raises(Exception, match=r"live_shadow\.mv is a MaterializedView, which publish cannot exchange"):
        plan(engine)
