"""The target `cluster`: two real shards hold what the embedded engine makes, each its share of it.

Where no cluster can be had, tests skip but for those that need none: what tables say by what they are sharded.
"""

import json
import os
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

from loaders.entities import ENTITIES, Row
from loaders.standin.goldsky import Goldsky
from loaders.standin.node import FIRST_BLOCK, Node
from loaders.standin.world import World, simulate
from loaders.target import TargetError, read_target
from loaders.tests import test_logs
from loaders.tests.clusters import Cluster, ClusterDesk, started_cluster
from loaders.tests.conftest import MARTS, PROJECT, Desk
from loaders.tests.processes import Processes, processes
from loaders.tests.test_command import call
from loaders.tests.test_loading import NEW_YEAR, fill, ids, landed, open_windows, windows
from loaders.tests.test_server import until, wallets_and_fills, watched_build
from loaders.warehouse import (
    Warehouse,
    WarehouseError,
    _shared_sql,
    declared_columns,
    migrations,
    on_cluster,
    opened,
)

BY_NAME = {entity.name: entity for entity in ENTITIES}
MODELS_ONLY = ("--exclude-resource-types", "test", "unit_test")
LARGE = 60  # rows, of which two shards surely have some each
Found = dict[str, list[tuple[Any, ...]]]


# What tables say, without a cluster


def test_every_table_says_by_what_it_is_sharded(tmp_path: Path) -> None:
    """By wallet, condition or token where it has one; views hold nothing."""
    Desk(tmp_path / "none").dbt("parse", POLYLEDGER_TARGET="cluster", CLICKHOUSE_CLUSTER="poly", DBT_WRITE_JSON="true")
    nodes = json.loads((tmp_path / "target" / "manifest.json").read_text())["nodes"].values()
    tables = [node for node in nodes if node["config"].get("materialized") in ("table", "incremental", "seed")]
    assert len(tables) > 25
    for node in tables:
        key = re.fullmatch(r"cityHash64\((\w+)\)", node["config"].get("sharding_key") or "")
        assert key, f"{node['name']} has no sharding_key in dbt_project.yml"
        columns = node["columns"].keys()
        assert key[1] in columns, f"{node['name']} is sharded by {key[1]} and has no such column"
        expected = {"wallet", "condition_id", "token_id"} & columns
        assert not expected or key[1] in expected, f"{node['name']} could be sharded by {expected}"
    views = [node for node in nodes if node["config"].get("materialized") == "view"]
    assert not [node["name"] for node in views if node["config"].get("sharding_key")]


def raw_statements(replicated: bool) -> list[str]:
    return str(_shared_sql().raw_tables_on_cluster("raw", "poly", replicated)).split(";\n")


def test_copies_of_a_row_meet_on_one_shard() -> None:
    """A raw table is sharded by what it is ordered by: copies on two shards would both count."""
    statements = raw_statements(replicated=False)
    for table in declared_columns():
        (local,) = (one for one in statements if f" raw.{table}_local on cluster 'poly' (" in one)
        (above,) = (one for one in statements if f" raw.{table} on cluster 'poly' as raw.{table}_local" in one)
        order = re.search(r"\norder by \(?([\w, ]+)", local)
        key = re.search(rf"Distributed\('poly', 'raw', '{table}_local', cityHash64\((\w+)\)\)", above)
        assert order and key and key[1] in order[1].split(", ")
        assert "\nengine = Replacing" not in above and ") engine = ReplacingMergeTree(" in local


def test_engines_are_replicated_where_the_profile_says_so() -> None:
    local = [one for one in raw_statements(replicated=True) if "_local on cluster" in one]
    assert len(local) == len(declared_columns())
    assert all(") engine = ReplicatedReplacingMergeTree(" in one for one in local)
    for said, is_replicated in (("true", True), ("false", False)):
        with mock.patch.dict(os.environ, {"CLICKHOUSE_CLUSTER": "poly", "CLICKHOUSE_REPLICATED": said}):
            assert read_target("cluster", PROJECT).is_replicated is is_replicated
    assert not read_target("server", PROJECT).is_replicated


@pytest.mark.parametrize("name", ["it's", "a b", "x;drop table y", "é", "a" * 101, 'a"b', "a\nb"])
def test_names_of_clusters_that_are_none(name: str) -> None:
    with (
        mock.patch.dict(os.environ, {"CLICKHOUSE_CLUSTER": name}),
        pytest.raises(TargetError, match="is no name of a cluster") as refused,
    ):
        read_target("cluster", PROJECT)
    assert len(str(refused.value)) < 200


def test_migrations_are_for_local_tables_and_those_above_them() -> None:
    there = " on cluster 'poly'"
    assert on_cluster("alter table raw.splits modify setting a = 1", there) == [
        "alter table raw.splits_local on cluster 'poly' modify setting a = 1"
    ]
    assert on_cluster("alter table raw.splits add column if not exists a UInt8", there) == [
        "alter table raw.splits_local on cluster 'poly' add column if not exists a UInt8",
        "alter table raw.splits on cluster 'poly' add column if not exists a UInt8",
    ]
    assert all(one.startswith("alter table raw.") for step in migrations("raw") for one in step)


# A history on two shards


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with started_cluster(tmp_path_factory.mktemp("cluster")) as cluster:
        yield cluster


@pytest.fixture(scope="module")
def start(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Processes]:
    with processes(tmp_path_factory.mktemp("said")) as start:
        yield start


@dataclass
class Story:
    """A desk on the cluster and an embedded one that were told the same, and what was seen on the way."""

    ours: Desk
    theirs: ClusterDesk
    world: World
    first: Found = field(default_factory=dict)  # marts of the cluster, after its first build
    embedded: Found = field(default_factory=dict)  # of the embedded desk, after the first build
    seen: set[Any] = field(default_factory=set)  # by people who read during a build


def insert(desk: Desk, name: str, rows: list[Row]) -> None:
    """Land rows as a load does, but without asking anybody."""
    block = BY_NAME[name].block(rows, "by hand")
    assert not block.damaged
    with mock.patch.dict(os.environ, desk.environment(), clear=True):
        target = read_target(None, PROJECT)
    with opened(target) as warehouse:
        warehouse.insert(BY_NAME[name], [block.data], block.rows)


@pytest.fixture(scope="module")
def story(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    """Load, build; a new day, late events, copies; a build in which a node dies; build."""
    world = simulate(11, steps=400)
    folder = tmp_path_factory.mktemp("story")
    ours, theirs = Desk(folder / "ours" / "warehouse"), ClusterDesk(folder / "theirs" / "warehouse", server=cluster)
    for desk in (ours, theirs):
        desk.data.parent.mkdir()
    told = Story(ours, theirs, world)
    yesterday = world.until - 10 * 86_400
    before = [(name, row) for name, row in world.history if int(row["timestamp"]) < yesterday]
    late = {(name, row["id"]) for name, row in before[::10]}
    served = {
        name: [row for row in rows if int(row.get("timestamp", 0)) < yesterday and (name, row.get("id")) not in late]
        for name, rows in world.entities.items()
    }
    try:
        with Goldsky(served, head=yesterday) as endpoint:
            for desk in (ours, theirs):
                desk.base_url = endpoint.base_url
                desk.load_everything(code=None)
        ours.dbt("build", *MODELS_ONLY)
        theirs.dbt("build", *MODELS_ONLY)
        told.embedded, told.first = ours.marts(), theirs.marts()
        with Goldsky(world.entities, head=world.until) as endpoint:
            for desk in (ours, theirs):
                desk.base_url = endpoint.base_url
                desk.load_everything(code=None)
        for desk in (ours, theirs):
            for name in BY_NAME.keys() & dict(world.history).keys():
                rows = [row for entity, row in before if entity == name]
                insert(desk, name, [row for row in rows if (name, row["id"]) in late] + rows[::7])
        if cluster.nodes:
            told.seen = watched_build(theirs, cluster.nodes[1])
        else:
            theirs.dbt("build", "--exclude-resource-types", "unit_test")
        ours.dbt("build", *MODELS_ONLY)
        yield told
    finally:
        theirs.drop()


def test_the_first_build_is_the_embedded_one(story: Story) -> None:
    assert all(story.embedded[mart] for mart in MARTS if mart != "fct_amm_trades")  # this world has no pools
    for mart in MARTS:
        assert story.first[mart] == story.embedded[mart], mart


def test_a_new_day_late_events_and_copies_are_the_embedded_ones(story: Story) -> None:
    """Asked of each node, by a client that knows nothing of clusters; and dbt's tests passed on the way."""
    expected = story.ours.marts()
    assert all(len(expected[mart]) >= len(story.embedded[mart]) for mart in MARTS)
    for node in story.theirs.server.nodes or [story.theirs.server]:
        for mart in MARTS:
            found = sorted(story.theirs.rows_at(node, f"select * from polyledger.{mart}"), key=repr)
            assert found == expected[mart], mart


def test_people_read_whole_tables_while_a_node_dies(story: Story) -> None:
    if not story.theirs.server.nodes:
        pytest.skip("nodes of the cluster that CLICKHOUSE_CLUSTER names are not ours to kill")
    old, new = wallets_and_fills(story.first), wallets_and_fills(story.ours.marts())
    assert old != new
    assert old in story.seen and story.seen <= {old, new}


def test_each_shard_holds_its_share(story: Story) -> None:
    """Every row on the shard of its key and on no other, and rows on both."""
    desk = story.theirs
    tables = desk.rows(
        """
        select database || '.', name, engine_full from system.tables
        where engine = 'Distributed' and (database || '.' = 'polyledger_raw.' or database || '.' = 'polyledger.')
        """
    )
    assert len(tables) > 45
    (shards,) = desk.rows(f"select uniqExact(shard_num) from system.clusters where cluster = '{desk.name}'")[0]
    assert shards > 1
    counts = []
    for database, name, engine in tables:
        at = re.fullmatch(rf"Distributed\('{desk.name}', '\w+', '({name}_local2?)', (cityHash64\(\w+\))\)", engine)
        assert at, engine
        counts.append(
            f"""
            select '{name}', countIf({at[2]} % {shards} != _shard_num - 1), count(), uniqExact(_shard_num),
                (select count() from {database}{name})
            from cluster('{desk.name}', {database}{at[1]})
            """
        )
    found = desk.rows(" union all ".join(counts))
    assert len(found) == len(tables)
    for name, strays, held, holders, read in found:
        assert not strays, f"{name} has {strays} rows on another shard than its sharding_key says"
        assert held == read, name
        assert held < LARGE or holders == shards or name == "load_windows", f"{name} is on one shard only"


def test_nothing_is_left_of_builds(story: Story) -> None:
    """Of each table one local one, the same on all nodes, and of what was under way nothing."""
    every = (
        "select name from clusterAllReplicas('{}', system.tables) where database || '.' = 'polyledger.' group by name"
    )
    names = {name for (name,) in story.theirs.rows(every.format(story.theirs.name))}
    assert not [name for name in names if re.search("__(new|dbt)", name)]
    local = [re.sub("_local2?$", "", name) for name in names if re.search("_local2?$", name)]
    assert len(local) == len(set(local)) and set(local) <= names
    nodes = story.theirs.rows(f"select count() from system.clusters where cluster = '{story.theirs.name}'")[0][0]
    counted = (
        every.format(story.theirs.name)
        .replace("name from", "count() from")
        .replace("group by name", "group by hostName(), tcpPort()")
    )
    assert [count for (count,) in story.theirs.rows(counted)] == [len(names)] * nodes


def test_the_command_on_a_cluster(story: Story, tmp_path: Path) -> None:
    """verify, status and doctor; what cannot be done there says so in one sentence."""
    ours, theirs = (
        {
            check["name"]: check["verdict"]
            for check in json.loads(call(desk, "verify", "--json", code=None).out)["checks"]
        }
        for desk in (story.ours, story.theirs)
    )
    assert ours == theirs
    states = [json.loads(call(desk, "status", "--json").out)["entities"] for desk in (story.ours, story.theirs)]
    told = [[(one["entity"], one["first_at"], one["last_at"], one["complete"]) for one in state] for state in states]
    assert told[0] == told[1]
    for words, said in (
        (["publish"], "publish cannot exchange the tables of a cluster"),
        (["setup", "--roles"], "would make users on one node"),
    ):
        (error,) = call(story.theirs, *words, code=2).err.splitlines()
        assert said in error
    file = tmp_path / "fills.csv"
    call(story.theirs, "export", "order_filled_events", str(file))
    assert len(file.read_text().splitlines()) == 1 + len(story.world.entities["OrderFilledEvent"])


def test_a_profile_lands_nothing(story: Story) -> None:
    fills = "select count() from polyledger_raw.order_filled_events"
    before = story.theirs.rows(fills)
    with Goldsky(story.world.entities, head=story.world.until) as endpoint:
        call(story.theirs, "profile", GOLDSKY_BASE_URL=endpoint.base_url)
    assert story.theirs.rows(fills) == before


@pytest.fixture
def desk(cluster: Cluster, tmp_path: Path) -> Iterator[ClusterDesk]:
    desk = ClusterDesk(tmp_path / "warehouse", server=cluster)
    yield desk
    desk.drop()


def test_doctor_finds_a_node_without_tables_and_setup_makes_them(desk: ClusterDesk) -> None:
    if not desk.server.nodes:
        pytest.skip("nodes of the cluster that CLICKHOUSE_CLUSTER names are not ours to change")

    def cluster_check(**env: Any) -> dict[str, str]:
        checks = json.loads(call(desk, "doctor", "--json", code=None, **env).out)["checks"]
        found: dict[str, str] = next(one for one in checks if one["name"] == "cluster")
        return found

    call(desk, "setup")
    assert cluster_check()["found"] == "2 nodes, 2 shards"
    desk.rows_at(desk.server.nodes[1], "drop table polyledger_raw.splits_local sync")
    assert "missing on shard 2" in cluster_check()["found"]
    # The first migration once more, too.
    desk.rows("truncate table polyledger_raw.schema_versions_local")
    desk.rows_at(desk.server.nodes[1], "truncate table polyledger_raw.schema_versions_local")
    assert "upgraded from version 0" in call(desk, "setup").out
    assert cluster_check()["found"] == "2 nodes, 2 shards"
    assert "there is poly" in cluster_check(CLICKHOUSE_CLUSTER="another")["found"]


def test_a_load_outlasts_a_shard_that_is_killed_and_comes_back(desk: ClusterDesk, start: Processes) -> None:
    if not desk.server.nodes:
        pytest.skip("nodes of the cluster that CLICKHOUSE_CLUSTER names are not ours to kill")
    rows = [fill(n, NEW_YEAR + n // 3) for n in range(8_000)]
    with Goldsky({"OrderFilledEvent": rows}) as endpoint:
        desk.base_url = endpoint.base_url
        endpoint.latency = 0.3
        process = start.start(desk, "load", "fills", GOLDSKY_CONCURRENCY="1", POLYLEDGER_BATCH_ROWS="1000")
        until(lambda: desk.has_tables() and landed(desk), process)
        assert "is being loaded by process" in call(desk, "load", "fills", code=1).err
        desk.server.nodes[1].kill()
        time.sleep(1)
        desk.server.nodes[1].start()
        endpoint.latency = 0
        assert process.wait() == 0, process.said()
    assert "127.0.0.1 is away (" in process.said()
    assert landed(desk) == ids(rows)
    assert open_windows(desk) == [] and windows(desk, "complete")
    # Acknowledged means on the shard, not on its way.
    for node in desk.server.nodes:
        assert desk.rows_at(node, "select sum(data_files) from system.distribution_queue") == [(0,)]


def test_a_cluster_takes_back_what_has_left_the_chain(desk: ClusterDesk) -> None:
    """What is landed is read from all shards, and landed again as gone on the same ones."""
    made = test_logs.history(fills=500)
    with Node(made, head=test_logs.HEAD) as node:
        test_logs.load(desk, node)
        node.reorganise(FIRST_BLOCK + 2_000, [])
        assert "the chain was reorganised" in test_logs.load(desk, node).out
    left = [log for log in made if log.block < FIRST_BLOCK + 2_000]
    assert test_logs.landed(desk) == test_logs.fills_of(left)


def test_replicated_engines_are_asked_for(desk: ClusterDesk) -> None:
    """Servers without Keeper refuse them, which shows that they were asked for."""
    said = call(desk, "setup", code=None, CLICKHOUSE_REPLICATED="true")
    if desk.server.nodes:
        assert said.code == 1 and "replicated table" in said.err.lower()
    call(desk, "setup")
    desk.dbt(
        "run",
        "--select",
        "stg_goldsky__neg_risk_events",
        "int_neg_risk_questions",
        code=None,
        CLICKHOUSE_REPLICATED="true",
        DBT_LOG_LEVEL_FILE="debug",
    )
    log = (desk.data.with_name("logs") / "dbt.log").read_text()
    assert "engine = ReplicatedMergeTree()" in log


# The traps themselves: each is sprung by its own setting, and the profile's settings avoid it


@pytest.fixture
def numbers(desk: ClusterDesk) -> Callable[..., Warehouse]:
    """Opens a warehouse with the settings of the profile, but for some, and two tables that are sharded differently."""
    with mock.patch.dict(os.environ, desk.environment(), clear=True):
        target = read_target(None, PROJECT)

    def make(**settings: Any) -> Warehouse:
        warehouse = Warehouse(replace(target, settings=target.settings | settings))
        warehouse.command(f"create database if not exists {target.raw_schema}{target.everywhere}")
        for table, key in (("numbers", "n"), ("others", "n % 30")):
            at = f"{target.raw_schema}.{table}"
            for name in (table, f"{table}_local"):
                warehouse.command(f"drop table if exists {target.raw_schema}.{name}{target.everywhere} sync")
            warehouse.command(f"create table {at}_local{target.everywhere} (n UInt64) engine = MergeTree order by n")
            warehouse.command(
                f"create table {at}{target.everywhere} as {at}_local engine = "
                f"Distributed('{target.cluster}', '{target.raw_schema}', '{table}_local', cityHash64({key}))"
            )
        warehouse.command(f"insert into {target.raw_schema}.numbers select number from numbers(12000)")
        return warehouse

    return make


def test_an_insert_does_not_run_shard_by_shard(numbers: Callable[..., Warehouse]) -> None:
    """Each shard would take the highest number of its own rows, and keep what it has whatever the other table's key."""
    kept = {}
    for mode in (0, 2):
        warehouse = numbers(parallel_distributed_insert_select=mode)
        raw, cluster = warehouse.raw, warehouse.target.cluster
        for _ in range(2):
            warehouse.command(f"insert into {raw}.others select n from {raw}.numbers where n % 2 = 0")
        shards = f"(select uniqExact(shard_num) from system.clusters where cluster = '{cluster}')"
        shard = f"cityHash64(n % 30) % {shards} != _shard_num - 1"
        kept[mode] = warehouse.rows(f"select countIf({shard}) from cluster('{cluster}', {raw}.others_local)")[0][0]
        warehouse.close()
    assert kept[0] == 0 and kept[2] > 0
    with mock.patch.dict(os.environ, {"CLICKHOUSE_CLUSTER": "poly"}):
        assert read_target("cluster", PROJECT).settings["parallel_distributed_insert_select"] == 0


def test_what_is_acknowledged_is_on_its_shard(numbers: Callable[..., Warehouse]) -> None:
    warehouse = numbers()
    raw = warehouse.raw
    for number in range(20):
        warehouse.command(f"insert into {raw}.others select n + {number} from {raw}.numbers limit 100")
        assert warehouse.rows(f"select count() from {raw}.others") == [((number + 1) * 100,)]
    assert warehouse.rows("select value from system.settings where name = 'distributed_foreground_insert'") == [("1",)]
    warehouse.close()


def test_tables_are_joined_whole(numbers: Callable[..., Warehouse]) -> None:
    """Without the profile's setting a shard refuses to join, or joins with its own rows only."""
    query = "select count() from {raw}.numbers as one inner join {raw}.others as other on one.n = other.n"
    among = "select count() from {raw}.numbers where n in (select n from {raw}.others)"
    warehouse = numbers()
    raw = warehouse.raw
    warehouse.command(f"insert into {raw}.others select n from {raw}.numbers")
    for text in (query, among):
        assert warehouse.rows(text.format(raw=raw)) == [(12000,)]
        local = f"{text} settings prefer_global_in_and_join = 0, distributed_product_mode = 'local'"
        assert warehouse.rows(local.format(raw=raw))[0][0] < 12000
        with pytest.raises(WarehouseError, match="Double-distributed"):
            warehouse.rows(f"{text} settings prefer_global_in_and_join = 0".format(raw=raw))
    warehouse.close()
