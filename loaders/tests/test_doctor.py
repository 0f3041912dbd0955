"""doctor finds what is wrong before a run, says what to do, and leaves everything as it was."""

import contextlib
import fcntl
import json
import os
import pkgutil
import shutil
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from loaders import embedded, subgraph
from loaders.checks import doctor, doctor_warehouse, probe
from loaders.checks.probe import Answer
from loaders.checks.report import Check
from loaders.entities import ENTITIES, V1_END
from loaders.standin import goldsky, schema
from loaders.standin.goldsky import Faults, Goldsky
from loaders.standin.node import FIRST_BLOCK, Node, RefusedError
from loaders.subgraph import Settings
from loaders.target import Target, read_target
from loaders.tests.conftest import PROJECT, Desk
from loaders.warehouse import Warehouse, WarehouseError, declared_columns, opened

TOKEN = "canary-77d0e1"
SINCE, UNTIL = datetime(2025, 1, 1, tzinfo=UTC), datetime(2025, 2, 1, tzinfo=UTC)


class Endpoint(Goldsky):
    """A stand-in whose `_meta` can be changed."""

    changes: dict[str, Any] = {}  # noqa: RUF012

    def meta(self, subgraph: str, pinned: int | None) -> dict[str, Any]:
        return super().meta(subgraph, pinned) | self.changes


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    endpoint = Endpoint({}, head=int(time.time()) - 60)
    endpoint.start()
    yield endpoint
    endpoint.stop()


@pytest.fixture
def at(desk: Desk, endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch) -> Desk:
    """A desk in front of a healthy endpoint; this process has its environment."""
    desk.base_url = endpoint.base_url
    for name in set(os.environ) - set(desk.environment()):
        monkeypatch.delenv(name)
    for name, value in desk.environment().items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(PROJECT)
    monkeypatch.setattr(probe, "PAUSE", 0.001)
    return desk


def examine(
    since: datetime | None = SINCE, until: datetime | None = UNTIL, target: str | None = None
) -> dict[str, Check]:
    checks = doctor.examine(target, None, since, until, wait=0)
    assert len({check.name for check in checks}) == len(checks)
    assert all((check.do is not None) == (check.verdict in ("warn", "fail")) for check in checks), checks
    return {check.name: check for check in checks}


def assert_only(checks: dict[str, Check], verdict: str, *names: str) -> None:
    """These have the verdict, and all others are fine."""
    assert {name for name, check in checks.items() if check.verdict not in ("ok", "skipped")} == set(names), checks
    assert all(checks[name].verdict == verdict for name in names), checks


def make_tables() -> None:
    with opened(read_target()) as warehouse:
        warehouse.create_tables()


# All is well


def test_before_the_first_load_all_is_well_and_nothing_is_created(at: Desk) -> None:
    said = at.polyledger("doctor", "--since", "2025-01-01", "--until", "2025-02-01", "--json")
    checks = {check["name"]: check for check in json.loads(said.stdout)["checks"]}
    assert {check["verdict"] for check in checks.values()} == {"ok", "skipped"}
    assert "will be created by the first load" in checks["warehouse"]["found"]
    assert all(set(check) == {"name", "verdict", "found", "do"} for check in checks.values())
    assert [path.name for path in at.data.parent.iterdir()] == []


def test_a_loaded_warehouse_is_left_as_it_was(at: Desk) -> None:
    make_tables()
    before = at.rows("select table, name, type from system.columns where database = 'polyledger_raw' order by all")
    checks = examine()
    assert_only(checks, "ok")
    assert {"warehouse", "writable", "tables", "disk", "folder"} <= checks.keys()
    assert checks["writable"].found == "a table in polyledger_raw was created, written, read and dropped"
    after = at.rows("select table, name, type from system.columns where database = 'polyledger_raw' order by all")
    assert after == before
    with opened(read_target()):
        pass  # the folder was let go


def test_people_read_80_columns_and_the_exit_code_tells_failures(at: Desk, tmp_path: Path) -> None:
    said = at.polyledger("doctor", code=1, GOLDSKY_PNL_SUBGRAPH="pnl-subgraph", GOLDSKY_API_TOKEN=TOKEN, COLUMNS="80")
    assert max(map(len, said.stdout.splitlines())) <= 80
    assert "GOLDSKY_PNL_SUBGRAPH" in said.stdout
    assert ", 1 fail" in said.stdout.splitlines()[-1]
    assert TOKEN not in said.stdout + said.stderr
    assert at.polyledger("doctor", "--since", "soon", code=2).stdout == ""


# Endpoint


def test_nobody_answers(at: Desk, endpoint: Endpoint) -> None:
    endpoint.stop()
    make_tables()
    checks = examine()
    assert_only(checks, "fail", "endpoint")
    assert "does not answer" in checks["endpoint"].found and "GOLDSKY_BASE_URL" in str(checks["endpoint"].do)
    assert checks["writable"].verdict == "ok"


def test_no_subgraph_is_at_the_address(at: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GOLDSKY_BASE_URL", at.base_url + "/elsewhere")
    checks = examine()
    assert checks["endpoint"].verdict == checks["orderbook head"].verdict == "fail"
    assert "5 x HTTP 404" in checks["endpoint"].found
    assert checks["orderbook schema"].verdict == checks["limit"].verdict == checks["range"].verdict == "skipped"


def test_a_web_page_is_no_subgraph(at: Desk, endpoint: Endpoint) -> None:
    endpoint.faults = Faults(1, kinds=("not_json",))
    checks = examine()
    assert "HTML instead of JSON" in checks["endpoint"].found
    assert checks["endpoint"].verdict == "fail"


def test_the_token(at: Desk, endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    endpoint.token = TOKEN
    checks = examine()
    assert "none is set" in checks["token"].found and "GOLDSKY_API_TOKEN" in str(checks["token"].do)
    assert checks["token"].verdict == "fail"
    monkeypatch.setenv("GOLDSKY_API_TOKEN", TOKEN)
    checks = examine()
    assert_only(checks, "ok")
    assert checks["token"].found == "accepted"
    assert TOKEN not in str(checks)


def test_a_token_must_not_travel_in_the_clear() -> None:
    settings = replace(Settings.from_environment(), token=TOKEN, base_url="http://goldsky.example/subgraphs")
    check = doctor.token_accepted(settings, [Answer(200, {}, "", 0.1, 0)])
    assert check.verdict == "warn" and TOKEN not in str(check)


@pytest.fixture
def changed_schema(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The orderbook subgraph is served without some of what the loaders ask for."""
    served = schema.SUBGRAPHS["orderbook-subgraph"]
    caches = (schema.entities_of, schema.load, goldsky.prepare)
    changed = served.replace(", outcomeIndex: BigInt", "").replace("type OrderFilledEvent", "type OrderFilled")
    monkeypatch.setitem(schema.SUBGRAPHS, "orderbook-subgraph", changed)
    for cache in caches:
        cache.cache_clear()
    yield
    monkeypatch.undo()
    for cache in caches:
        cache.cache_clear()


def test_a_schema_that_lacks_something(at: Desk, changed_schema: None) -> None:
    checks = examine()
    assert_only(checks, "fail", "orderbook schema")
    assert "there is no OrderFilledEvent; MarketData has no outcomeIndex" in checks["orderbook schema"].found
    assert "GOLDSKY_ORDERBOOK_SUBGRAPH" in str(checks["orderbook schema"].do)


def test_a_list_that_is_named_otherwise() -> None:
    entity = next(entity for entity in ENTITIES if entity.name == "MarketData")
    fields = {"fields": [{"name": name} for name in entity.field_names]}
    data = {"lists": {"queryType": {"fields": [{"name": "marketData"}]}}, "e0": fields}
    assert probe.lacks([entity], data) == ["MarketData has no list marketDatas"]


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        ({"hasIndexingErrors": True}, "indexing errors"),
        ({"block": {"__typename": "_Block_", "number": 7, "timestamp": 1_750_000_000}}, " days behind"),
        ({"block": {"__typename": "_Block_", "number": 7, "timestamp": None}}, "block 7, time not told"),
    ],
)
def test_a_head_that_is_not_in_order(at: Desk, endpoint: Endpoint, changes: dict[str, Any], found: str) -> None:
    endpoint.changes = changes
    checks = examine()
    heads = [f"{name} head" for name in ("orderbook", "pnl", "activity", "fee-module", "fpmm")]
    assert_only(checks, "warn", *heads)
    assert all(found in checks[head].found for head in heads)


def test_a_head_that_makes_no_sense_hides_nothing_else(at: Desk, endpoint: Endpoint) -> None:
    endpoint.changes = {"block": {"__typename": "_Block_", "number": None, "timestamp": 10**30}}
    checks = examine()
    assert checks["pnl head"].verdict == checks["range"].verdict == "fail"
    assert checks["pnl schema"].verdict == checks["limit"].verdict == checks["folder"].verdict == "ok"


def test_the_range(at: Desk, endpoint: Endpoint) -> None:
    head = V1_END - timedelta(days=10)
    endpoint.head = int(head.timestamp())
    assert examine()["range"].verdict == "ok"
    late = examine(until=head + timedelta(days=1))["range"]
    assert late.verdict == "warn" and "is indexed up to 2026-04-18" in late.found
    early = examine(since=head + timedelta(days=1), until=None)["range"]
    assert early.verdict == "warn" and "nothing to load yet" in early.found
    endpoint.head = int(time.time())
    for until in (None, V1_END + timedelta(seconds=1)):
        past = examine(until=until)["range"]
        assert past.verdict == "warn" and "--until 2026-04-28T11:00:00" in str(past.do)
    assert examine(until=V1_END)["range"].verdict == "ok"


def test_refused_requests_are_counted(at: Desk, endpoint: Endpoint) -> None:
    # Five heads and five schemas come first, then the burst of ten.
    endpoint.faults.queue.extend(["ok"] * 10 + ["429"] * 3)
    checks = examine()
    assert_only(checks, "warn", "limit")
    assert "10 requests at the configured 10000/s: 3 refused (429)" in checks["limit"].found
    assert len(endpoint.requests) == 20


def test_the_burst_is_smaller_where_the_rate_is_low(at: Desk, endpoint: Endpoint, monkeypatch: Any) -> None:
    monkeypatch.setenv("GOLDSKY_REQUESTS_PER_SECOND", "8")
    monkeypatch.setattr(probe, "BURST_SECONDS", 0.5)
    assert "4 requests at the configured 8/s" in examine()["limit"].found


def test_trouble_that_passes_is_no_failure(at: Desk, endpoint: Endpoint) -> None:
    endpoint.faults.queue.extend(["503", "429", "errors", "429"])
    checks = examine()
    assert_only(checks, "warn", "limit")
    assert "2 of all 24 requests" in checks["limit"].found
    endpoint.faults = Faults(0.0)
    endpoint.faults.queue.extend(["ok"] * 10 + ["503"] * 2)
    assert "2 x HTTP 503" in examine()["limit"].found


def test_a_clock_that_is_wrong(at: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(goldsky.Handler, "date_time_string", lambda *_: "Thu, 01 Jan 2026 00:00:00 GMT")
    checks = examine()
    assert_only(checks, "warn", "clock")
    assert "ahead of the endpoint" in checks["clock"].found


# Settings, profile and project


def test_settings_that_cannot_be_used_hide_nothing_else(at: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GOLDSKY_CONCURRENCY", "none")
    make_tables()
    checks = examine()
    assert_only(checks, "fail", "settings")
    assert "GOLDSKY_CONCURRENCY" in checks["settings"].found
    assert checks["endpoint"].verdict == "skipped" and checks["tables"].verdict == "ok"
    monkeypatch.delenv("GOLDSKY_CONCURRENCY")
    monkeypatch.setenv("POLYLEDGER_BATCH_ROWS", "none")
    checks = examine()
    assert_only(checks, "fail", "settings")
    assert checks["endpoint"].verdict == "ok"


def test_a_target_that_is_not_there(at: Desk) -> None:
    checks = examine(target="nowhere")
    assert_only(checks, "fail", "profile")
    assert checks["endpoint"].verdict == "ok" and checks["warehouse"].verdict == "skipped"


def test_the_dbt_project(at: Desk, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("DBT_TARGET", "server")
    checks = examine()
    assert_only(checks, "warn", "dbt project")
    assert checks["dbt project"].do == "call it as dbt build --target embedded"
    monkeypatch.delenv("DBT_TARGET")
    monkeypatch.setattr(pkgutil, "iter_modules", lambda: [])
    assert "dbt_chdb" in examine()["dbt project"].found
    monkeypatch.setenv("DBT_PROFILES_DIR", str(PROJECT))
    monkeypatch.setenv("DBT_PROJECT_DIR", str(tmp_path))
    assert "no dbt_project.yml" in examine()["dbt project"].found
    (tmp_path / "dbt_project.yml").write_text("profile: another")
    check = examine()["dbt project"]
    assert check.verdict == "fail" and "'another'" in check.found


# Warehouse, embedded


def test_the_declared_columns_are_those_that_are_created(at: Desk) -> None:
    make_tables()
    found: dict[str, dict[str, str]] = {}
    for table, name, kind in at.rows(
        "select table, name, type from system.columns where database = 'polyledger_raw' order by table, position"
    ):
        found.setdefault(table, {})[name] = kind
    assert declared_columns() == found


def test_tables_of_another_version(at: Desk) -> None:
    make_tables()
    with opened(read_target()) as warehouse:
        warehouse.command("alter table polyledger_raw.order_filled_events drop column fee")
        warehouse.command("alter table polyledger_raw.conditions modify column payout_numerators Array(UInt32)")
        warehouse.command("alter table polyledger_raw.splits add column more UInt8")
        warehouse.command("drop table polyledger_raw.load_runs")
    checks = examine()
    assert_only(checks, "fail", "tables")
    found = checks["tables"].found
    assert found == "order_filled_events has no fee; conditions.payout_numerators is Array(UInt32), not Array(String)"
    assert "loaders/schema.sql" in str(checks["tables"].do)


def test_tables_that_are_not_there_yet(at: Desk) -> None:
    with opened(read_target()) as warehouse:
        warehouse.command("create database polyledger_raw")
    assert "the first load creates them" in examine()["tables"].found
    make_tables()
    with opened(read_target()) as warehouse:
        warehouse.command("drop table polyledger_raw.load_runs")
    count = len(declared_columns())
    assert examine()["tables"].found == f"{count - 1} of {count} as declared; the next load creates load_runs"


def test_little_room(at: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = shutil.disk_usage(at.data.parent)
    for free, verdict in ((5e9, "warn"), (5e8, "fail")):
        monkeypatch.setattr(shutil, "disk_usage", lambda path, free=free: usage._replace(free=int(free)))
        assert_only(examine(), verdict, "disk")


def test_a_folder_that_everybody_or_nobody_can_write(at: Desk, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    make_tables()
    for mode, what in ((0o777, "written"), (0o755, "read"), (0o750, "read")):
        at.data.chmod(mode)
        checks = examine()
        assert_only(checks, "warn", "folder")
        assert f"can be {what} by others" in checks["folder"].found
        assert checks["folder"].do == f"chmod go-rwx {at.data}"
    (tmp_path / "file").write_text("not a folder")
    monkeypatch.setenv("POLYLEDGER_DATA", str(tmp_path / "file" / "data"))
    assert_only(examine(), "fail", "folder")
    monkeypatch.setenv("POLYLEDGER_DATA", str(tmp_path / "file"))
    checks = examine()
    assert checks["warehouse"].verdict == "fail" and "POLYLEDGER_DATA" in str(checks["warehouse"].do)


def test_a_folder_that_is_in_use(at: Desk) -> None:
    make_tables()
    with (at.data.with_name("warehouse.lock")).open("r+") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        checks = examine()
    assert_only(checks, "warn", "warehouse")
    assert "in use by" in checks["warehouse"].found and "--wait" in str(checks["warehouse"].do)
    assert checks["disk"].verdict == checks["folder"].verdict == "ok"


def test_what_was_not_foreseen_stops_nothing(at: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    make_tables()

    def stumble(warehouse: Warehouse) -> Check:
        raise RuntimeError("stumbled")

    monkeypatch.setattr(doctor_warehouse, "check_writable", stumble)
    checks = examine()
    assert_only(checks, "fail", "writable")
    assert checks["writable"].found == "RuntimeError: stumbled"
    assert checks["tables"].verdict == "ok"
    with contextlib.suppress(KeyError):
        assert not embedded._held[at.data]


# Warehouse, a server: what it answers is given, since none is part of these tests


class Server(Warehouse):
    """Answers by the first words of a statement; an error is raised."""

    def __init__(self, answers: dict[str, Any], host: str = "warehouse.example", secure: bool = True) -> None:
        self.target = Target("server", host, None, "me", "", secure, 300, "polyledger", "polyledger_raw")
        self.raw = "polyledger_raw"
        self.answers = answers

    def rows(self, query: str, parameters: dict[str, Any] | None = None) -> list[tuple[Any, ...]]:
        answer = next(answer for begin, answer in self.answers.items() if query.startswith(begin))
        if isinstance(answer, Exception):
            raise answer
        return list(answer)

    def command(self, statement: str, parameters: dict[str, Any] | None = None) -> None:
        self.rows(statement)


COLUMNS = [(table, name, kind) for table, columns in declared_columns().items() for name, kind in columns.items()]
REFUSED = WarehouseError("Code: 497. Not enough privileges (ACCESS_DENIED)")


@pytest.mark.parametrize(
    ("version", "verdict"),
    [("25.5.2.1", "fail"), ("24.12.1", "fail"), ("25.6.1.1", "ok"), ("26.7.2.1", "ok"), ("26.7.1-altinity", "ok")],
)
def test_the_version_of_a_server(version: str, verdict: str) -> None:
    check = doctor_warehouse.check_version(Server({"select version()": [(version,)]}))
    assert check.verdict == verdict and version in check.found


@pytest.mark.parametrize(
    ("answers", "verdict", "found"),
    [
        ({"select 1": [], "check grant create database": [(1,)]}, "ok", "the first load creates the database"),
        ({"select 1": [], "check grant create database": [(0,)]}, "fail", "no database polyledger_raw"),
        ({"select 1": [(1,)], "create": REFUSED, "select table": COLUMNS, "check grant": [(1,)]}, "ok", "written"),
        ({"select 1": [(1,)], "create": REFUSED, "select table": COLUMNS, "check grant": [(0,)]}, "fail", "497"),
        ({"select 1": [(1,)], "create": REFUSED, "select table": COLUMNS[:9], "check grant": [(1,)]}, "fail", "497"),
        (
            {
                "select 1": [(1,)],
                "create": WarehouseError("Cannot execute query in readonly mode. (READONLY)"),
                "select table": COLUMNS,
                "check grant": [(1,)],
            },
            "fail",
            "readonly mode",
        ),
        ({"select 1": [(1,)], "create": [], "insert": [], "select id": [], "drop": []}, "fail", "did not come back"),
    ],
)
def test_who_may_write_on_a_server(answers: dict[str, Any], verdict: str, found: str) -> None:
    check = doctor_warehouse.check_writable(Server(answers))
    assert (check.verdict, found in check.found) == (verdict, True), check


@pytest.mark.parametrize(("rights", "verdict"), [(0, "ok"), (1, "warn")])
def test_the_user_of_a_server(rights: int, verdict: str) -> None:
    server = Server({"select currentUser()": [("me",)], "check grant": [(rights,)]})
    assert doctor_warehouse.check_user(server).verdict == verdict


def test_disk_clock_and_encryption_of_a_server() -> None:
    disks = [("cold", 9e15), ("default", 2e9)]
    assert "2.0 GB free at default" in doctor_warehouse.check_disks(Server({"select name": disks})).found
    assert doctor_warehouse.check_disks(Server({"select name": disks})).verdict == "warn"
    assert doctor_warehouse.check_disks(Server({"select name": REFUSED})).verdict == "skipped"
    for seconds, verdict in ((-300, "warn"), (0, "ok"), (300, "warn")):
        now = [(int((time.time() + seconds) * 1000),)]
        assert doctor_warehouse.check_clock(Server({"select toUnixTimestamp64Milli": now})).verdict == verdict
    for host, secure, verdict in (
        ("db.example", False, "warn"),
        ("db.example", True, "ok"),
        ("127.0.0.1", False, "ok"),
    ):
        assert doctor_warehouse.check_encryption(Server({}, host, secure).target).verdict == verdict


def test_a_server_that_does_not_answer_or_let_us_in(at: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLICKHOUSE_PORT", "9")
    checks = examine(target="server")
    assert checks["warehouse"].verdict == "fail" and "CLICKHOUSE_HOST" in str(checks["warehouse"].do)
    assert checks["endpoint"].verdict == checks["encryption"].verdict == "ok"
    assert "CLICKHOUSE_PASSWORD" in doctor_warehouse.what_to_do("me: Authentication failed", None)


# Node


class Polygon(Node):
    """A node whose newest block is new."""

    age, serves_logs = 0, True

    def found(self, asked: Any, wanted: Any, head: int) -> Any:
        if not self.serves_logs:
            raise RefusedError("the method eth_getLogs is not available")
        return super().found(asked, wanted, head)

    def time(self, block: int) -> int:
        return int(time.time()) - self.age - 2 * (self.head - block)


@pytest.fixture
def polygon(at: Desk, monkeypatch: pytest.MonkeyPatch) -> Iterator[Polygon]:
    with Polygon([], head=FIRST_BLOCK + 1_000) as node:
        monkeypatch.setenv("POLYGON_RPC_URL", f"{node.base_url}/v2/{TOKEN}?key={TOKEN}")
        monkeypatch.setattr(subgraph, "FIRST_PAUSE", 0.001)
        yield node


def test_without_a_node_it_says_what_cannot_be_loaded(at: Desk) -> None:
    check = doctor.check_node()
    assert check.verdict == "skipped" and "no fills of V2" in check.found


def test_a_node_in_order(polygon: Polygon) -> None:
    checks = examine()
    assert_only(checks, "ok")
    assert f"127.0.0.1: a node of Polygon at block {polygon.head:,}" in checks["node"].found
    assert "eth_getLogs" in {method for asked in polygon.requests for method in asked.methods}


def test_a_node_of_another_chain(polygon: Polygon) -> None:
    polygon.chain = 1
    check = examine()["node"]
    assert check.verdict == "fail"
    assert check.found == ("127.0.0.1 is a node of chain 1 and not of Polygon (137); check POLYGON_RPC_URL")


def test_a_node_that_is_behind(polygon: Polygon) -> None:
    polygon.age = 7_200
    checks = examine()
    assert_only(checks, "warn", "node")
    assert "with final logs up to 2.1 h ago" in checks["node"].found


@pytest.mark.parametrize(
    "fault, found",
    [("429", "HTTP 429"), ("503", "HTTP 503"), ("not_json", "there is no JSON-RPC node at 127.0.0.1")],
)
def test_a_node_in_trouble_is_asked_a_few_times_and_its_key_is_not_shown(
    polygon: Polygon, fault: str, found: str
) -> None:
    polygon.faults = Faults(1.0, (fault,))
    checks = examine()
    assert_only(checks, "fail", "node")
    assert found in checks["node"].found and len(polygon.requests) == doctor.NODE_TRIES
    assert TOKEN not in str(checks)


def test_a_node_that_is_not_there(polygon: Polygon, at: Desk) -> None:
    polygon.stop()
    checks = examine()
    assert_only(checks, "fail", "node")
    assert "127.0.0.1 was asked 4 times for eth_blockNumber; last came ConnectError" in checks["node"].found
    assert TOKEN not in str(checks)


def test_a_node_that_serves_no_logs(polygon: Polygon) -> None:
    polygon.serves_logs = False
    assert "127.0.0.1 does not serve eth_getLogs" in examine()["node"].found


@pytest.mark.parametrize("url", [f"ftp://example.org/{TOKEN}", TOKEN])
def test_an_address_that_is_none_is_not_repeated(at: Desk, monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    monkeypatch.setenv("POLYGON_RPC_URL", url)
    checks = examine()
    assert_only(checks, "fail", "node")
    assert "must be an address that begins with http" in checks["node"].found and TOKEN not in str(checks)
