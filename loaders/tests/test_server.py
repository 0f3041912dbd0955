"""Loads into a warehouse that goes away, hangs or is full, and several loads into one server at once."""

import contextlib
import json
import shutil
import signal
import socket
import socketserver
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from clickhouse_connect.driver.exceptions import ClickHouseError

from loaders.entities import Row
from loaders.leases import DEAD_SECONDS, FOREVER, Claim
from loaders.standin.goldsky import Goldsky
from loaders.standin.world import simulate
from loaders.tests.conftest import PROJECT, ClickHouse, Desk, ServerDesk
from loaders.tests.processes import Process, Processes, processes
from loaders.tests.test_command import call
from loaders.tests.test_incremental import PATCHED
from loaders.tests.test_loading import ALICE, BOB, DAY, NEW_YEAR, fill, ids, landed, open_windows, windows
from loaders.warehouse import EPOCH

STOPPED_WITHIN = 20.0  # seconds; it promises five, on a machine that has nothing else to do
FULL = 10**18  # bytes that no disk has free


@pytest.fixture(scope="module")
def start(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Processes]:
    with processes(tmp_path_factory.mktemp("said")) as start:
        yield start


@pytest.fixture(scope="module")
def rows() -> list[Row]:
    return [fill(n, NEW_YEAR + n // 3, maker=(ALICE, BOB)[n % 2]) for n in range(12_000)]


@pytest.fixture
def endpoint(rows: list[Row]) -> Iterator[Goldsky]:
    with Goldsky({"OrderFilledEvent": rows}) as endpoint:
        yield endpoint


@pytest.fixture
def frail(mortal_clickhouse: ClickHouse, endpoint: Goldsky, tmp_path: Path) -> ServerDesk:
    """A desk on a server that the test may kill."""
    return ServerDesk(tmp_path / "warehouse", endpoint.base_url, server=mortal_clickhouse)


def until(what: Callable[[], Any], process: Process) -> None:
    """Wait for something to be so while a process runs."""
    while process.poll() is None and not what():
        time.sleep(0.01)
    assert process.code is None, process.said()


def assert_complete(desk: Desk, rows: list[Row]) -> None:
    assert landed(desk) == ids(rows)
    assert open_windows(desk) == []
    assert windows(desk, "complete")


# A server that goes away


def test_a_load_outlasts_a_server_that_is_killed_and_comes_back(
    frail: ServerDesk, endpoint: Goldsky, start: Processes, rows: list[Row]
) -> None:
    endpoint.latency = 0.3
    process = start.start(frail, "load", "fills", GOLDSKY_CONCURRENCY="1", POLYLEDGER_BATCH_ROWS="1000")
    until(lambda: frail.has_tables() and landed(frail), process)
    frail.server.kill()
    time.sleep(1)
    frail.server.start()
    assert process.wait() == 0, process.said()
    assert "127.0.0.1 is away (" in process.said()
    assert_complete(frail, rows)


def test_a_load_gives_up_on_a_server_that_stays_away_and_goes_on_later(
    frail: ServerDesk, endpoint: Goldsky, start: Processes, rows: list[Row]
) -> None:
    endpoint.latency = 0.3
    process = start.start(frail, "load", "fills", GOLDSKY_CONCURRENCY="1", patience=1.0, POLYLEDGER_BATCH_ROWS="1000")
    until(lambda: frail.has_tables() and landed(frail) and open_windows(frail), process)
    frail.server.kill()
    assert process.wait() == 1
    waiting, error, advice = process.err.read_text().splitlines()
    assert waiting.startswith("127.0.0.1 is away (")
    assert error.startswith("error: ") and "were not landed: Connection refused" in error
    assert advice == "Safe to run the same command again: it continues where this one stopped."
    frail.server.start()
    assert len(landed(frail)) < len(rows) and open_windows(frail)

    endpoint.latency = 0
    call(frail, "load", "fills")
    assert_complete(frail, rows)


@pytest.mark.parametrize(("stop", "is_hanging"), [(signal.SIGTERM, True), (signal.SIGINT, False)])
def test_a_load_can_be_stopped_whatever_the_server_does(
    frail: ServerDesk, endpoint: Goldsky, start: Processes, rows: list[Row], stop: signal.Signals, is_hanging: bool
) -> None:
    endpoint.latency = 0.3
    process = start.start(frail, "load", "fills", GOLDSKY_CONCURRENCY="1", POLYLEDGER_BATCH_ROWS="1000")
    until(lambda: frail.has_tables() and landed(frail), process)
    if is_hanging:
        frail.server.pause()
        time.sleep(0.5)  # it is in the middle of an insert then, most likely
    else:
        frail.server.kill()
        until(lambda: "is away" in process.said(), process)
    process.send(stop)
    assert process.wait(within=STOPPED_WITHIN) == 1
    said = process.err.read_text().splitlines()[-1]
    assert said.startswith("stopped; what was in hand ") and said.endswith("Run the same command again to continue.")
    # One that hangs cannot be told from one that takes its time, until the time is over.
    assert ("could not be landed within" if is_hanging else "is fetched again: ") in said
    if is_hanging:
        frail.server.resume()
    else:
        frail.server.start()
    endpoint.latency = 0
    call(frail, "load", "fills")
    assert_complete(frail, rows)


# The same numbers


def watched_build(desk: ServerDesk, victim: ClickHouse) -> set[Any]:
    """Build, while a server dies; let it come back and build with all tests.

    Says what people saw meanwhile who read how many wallets and fills there are.
    """
    query, seen, is_over = "select count(), sum(fill_count) from polyledger.fct_wallet_pnl", set(), threading.Event()

    def read() -> None:
        while not is_over.is_set():
            with contextlib.suppress(ClickHouseError, OSError):  # the server is away
                seen.add(desk.rows(query)[0])
            time.sleep(0.02)

    reader = threading.Thread(target=read)
    reader.start()
    words = [sys.executable, "-m", "dbt.cli.main", "build", "--exclude-resource-types", "test", "unit_test"]
    nothing = subprocess.DEVNULL
    under_way = "match(name, '^(int_positions|int_wallet|fct_|leaderboard).*__')"
    try:
        build = subprocess.Popen(words, env=desk.environment(), cwd=PROJECT, stdout=nothing, stderr=nothing)
        found = f"select count() from system.tables where database || '.' = 'polyledger.' and {under_way}"
        while build.poll() is None and desk.rows(found) == [(0,)]:
            time.sleep(0.01)
        victim.kill()
        assert build.wait() != 0
        victim.start()
        desk.dbt("build", "--exclude-resource-types", "unit_test")
    finally:
        is_over.set()
        reader.join()
    return seen


def wallets_and_fills(marts: dict[str, list[tuple[Any, ...]]]) -> tuple[int, int]:
    """What fct_wallet_pnl must say of them: each fill, and each trade with a market maker, is a row."""
    return len(marts["fct_wallet_pnl"]), len(marts["fct_fills"]) + len(marts["fct_amm_trades"])


@contextlib.contextmanager
def rows_that_come(desk: ServerDesk) -> Iterator[None]:
    """All the time, as with a load beside it."""
    is_over = threading.Event()

    def land() -> None:
        while not is_over.wait(0.05):
            copy = "select * replace (now64(6, 'UTC') as _loaded_at) from polyledger_raw.splits limit 1"
            desk.rows(f"insert into polyledger_raw.splits {copy}")

    landing = threading.Thread(target=land)
    landing.start()
    try:
        yield
    finally:
        is_over.set()
        landing.join()


def profiles_that_compile(folder: Path) -> Path:
    """Profiles of somebody who does not have our settings of servers: expressions are compiled, at once here."""
    ours = (PROJECT / "profiles.yml").read_text()
    assert ours.count("compile_expressions: 0") == 1
    theirs = ours.replace("compile_expressions: 0", "min_count_to_compile_expression: 0")
    (folder / "profiles.yml").write_text(theirs)
    return folder


def test_a_server_that_is_killed_amid_a_build_has_the_same_numbers_in_the_end(
    desk: Desk, mortal_clickhouse: ClickHouse, tmp_path: Path
) -> None:
    """Loads, dbt build with all tests and verify, on a server and in this process: every row of every mart is equal.

    People saw whole tables: those of the build before, or the new ones.
    """
    world = simulate(11, steps=400, pools=2)
    there = ServerDesk(tmp_path / "there", server=mortal_clickhouse)
    there.server.settings |= {"DBT_PROFILES_DIR": str(profiles_that_compile(tmp_path))}
    with Goldsky(world.entities, head=world.until) as endpoint:
        for one in (desk, there):
            one.base_url = endpoint.base_url
            one.load_everything(code=None)
            one.polyledger("load", "amm")
    # The build before knew half of the fills.
    there.rows("create table polyledger_raw.all_fills clone as polyledger_raw.order_filled_events")
    there.rows("delete from polyledger_raw.order_filled_events where timestamp >= '2025-02-01'")
    there.dbt("build", "--exclude-resource-types", "test", "unit_test")
    old = wallets_and_fills(there.marts())
    there.rows("insert into polyledger_raw.order_filled_events select * from polyledger_raw.all_fills")
    there.rows("drop table polyledger_raw.all_fills")

    seen = watched_build(there, there.server)
    desk.dbt("build", "--exclude-resource-types", "test", "unit_test")
    verdicts = [
        {check["name"]: check["verdict"] for check in json.loads(call(one, "verify", "--json").out)["checks"]}
        for one in (desk, there)
    ]
    assert verdicts[0] == verdicts[1]
    ours, theirs = desk.marts(), there.marts()
    assert all(ours.values())
    for mart, rows in ours.items():
        assert theirs[mart] == rows, mart
    assert old != wallets_and_fills(ours)
    assert old in seen and seen <= {old, wallets_and_fills(ours)}

    # Expressions are compiled from their fourth use on, where readers do not ask for anything else.
    ledger = "select * from polyledger.int_position_ledger"
    expected = sorted(desk.rows(ledger), key=repr)
    for _ in range(5):
        assert sorted(there.rows(ledger), key=repr) == expected
        assert there.marts() == ours

    # A test that fails says so when rows came meanwhile, and only then.
    there.rows("insert into polyledger.int_wallets select * from polyledger.int_wallets limit 1")
    words = ("test", "--select", "fct_wallet_pnl", "leaderboard")
    assert "were landed" not in there.dbt(*words, code=1).stdout
    with rows_that_come(there):
        assert "Rows were landed in polyledger_raw" in there.dbt(*words, code=1).stdout
        assert "were landed" not in there.dbt("test", "--select", "unique_vw_resolutions_truth_condition_id").stdout


@pytest.mark.long
def test_builds_beside_a_load_lose_nothing(server_desk: ServerDesk) -> None:
    """Rows come between their models. The build after them is what a full one is."""
    desk, world = server_desk, simulate(22, steps=1200, leftovers=True, pools=2)
    words = ("build", "--exclude-resource-types", "unit_test", "test", "--vars", PATCHED % 0)

    def load(*percents: int) -> None:
        for percent in percents:
            until = datetime.fromtimestamp(world.since + (world.until - world.since) * percent // 100, UTC)
            for what in ("fills", "activity", "amm"):
                desk.polyledger("load", what, "--since", "2022-11-21", "--until", until.isoformat(), code=None)

    with Goldsky(world.entities, head=world.until) as endpoint:
        desk.base_url = endpoint.base_url
        load(40)
        desk.polyledger("load", "payouts", "--all")
        desk.dbt(*words)
        loading = threading.Thread(target=load, args=range(43, 101, 3))
        loading.start()
        while loading.is_alive():
            desk.dbt(*words)
        loading.join()
    desk.dbt(*words)
    marts = desk.marts()
    assert all(marts.values())
    desk.dbt(*words, "--full-refresh")
    assert desk.marts() == marts


# TLS


def certificates(folder: Path) -> dict[str, str]:
    """An authority of our own, and certificates of it for 127.0.0.1 and for a client."""
    if not shutil.which("openssl"):
        pytest.skip("no openssl to make certificates with")

    def openssl(*words: str) -> None:
        subprocess.run(["openssl", *words], cwd=folder, check=True, capture_output=True)

    folder.mkdir()
    new = ("-newkey", "rsa:2048", "-nodes", "-days", "2")
    openssl("req", "-x509", *new, "-keyout", "ca.key", "-out", "ca.pem", "-subj", "/CN=authority of a test")
    for name, more in (("server", "subjectAltName=IP:127.0.0.1"), ("client", "extendedKeyUsage=clientAuth")):
        openssl("req", *new, "-keyout", f"{name}.key", "-out", f"{name}.csr", "-subj", f"/CN={name}")
        (folder / "more").write_text(more)
        by = ("-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2", "-extfile", "more")
        openssl("x509", "-req", "-in", f"{name}.csr", *by, "-out", f"{name}.pem")
    return {file.name: str(file) for file in folder.iterdir()}


@contextlib.contextmanager
def encrypted(
    port: int, files: dict[str, str], seen: bytearray | None = None, asks_for_certificate: bool = False
) -> Iterator[int]:
    """A listener with TLS in front of a port of this machine; `seen` gets what clients send."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(files["server.pem"], files["server.key"])
    if asks_for_certificate:
        context.load_verify_locations(files["ca.pem"])
        context.verify_mode = ssl.CERT_REQUIRED

    def copy(source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while piece := source.recv(65536):
                if seen is not None and isinstance(source, ssl.SSLSocket):
                    seen.extend(piece)
                sink.sendall(piece)
            sink.shutdown(socket.SHUT_WR)

    class Relay(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            with (
                contextlib.suppress(OSError),
                context.wrap_socket(self.request, server_side=True) as client,
                socket.create_connection(("127.0.0.1", port)) as server,
            ):
                back = threading.Thread(target=copy, args=(server, client))
                back.start()
                copy(client, server)
                back.join()

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Relay) as listener:
        listener.daemon_threads = True
        threading.Thread(target=listener.serve_forever, args=(0.02,), daemon=True).start()
        yield listener.server_address[1]
        listener.shutdown()


def test_tls_is_verified(server_desk: ServerDesk, endpoint: Goldsky, tmp_path: Path) -> None:
    """Against an authority that is not known, nothing is sent; with it, loads and dbt work, and inserts are packed."""
    desk = server_desk
    desk.base_url = endpoint.base_url
    if desk.server.settings.get("CLICKHOUSE_SECURE"):
        pytest.skip("the server of CLICKHOUSE_HOST has TLS of its own")
    files, seen = certificates(tmp_path / "certificates"), bytearray()
    with encrypted(int(desk.server.settings["CLICKHOUSE_PORT"]), files, seen) as port:
        plain = desk.server.settings
        desk.server.settings = plain | {"CLICKHOUSE_SECURE": "true", "CLICKHOUSE_PORT": str(port)}
        words = ("load", "fills", "--until", "2025-01-01T00:10:00")
        try:
            said = desk.polyledger(*words, code=1)
            assert "does not answer" in said.stderr and "certificate verify failed" in said.stderr
            assert not seen
            desk.polyledger(*words, SSL_CERT_FILE=files["ca.pem"])
            inserts = seen.lower().count(b"insert+into") + seen.lower().count(b"insert%20into")
            assert inserts and seen.lower().count(b"content-encoding: lz4") == inserts
            assert b"compile_expressions=0" in seen
            desk.dbt("run", "--select", "stg_goldsky__order_fills", SSL_CERT_FILE=files["ca.pem"])
            assert desk.dbt("debug", code=None).returncode == 1
            desk.polyledger("status", CLICKHOUSE_VERIFY="false")
        finally:
            desk.server.settings = plain
    assert landed(desk)


def test_a_client_certificate_is_shown(server_desk: ServerDesk, endpoint: Goldsky, tmp_path: Path) -> None:
    """By loaders and dbt alike. The listener asks for one; the server behind it has no TLS, and says so then."""
    desk = server_desk
    desk.base_url = endpoint.base_url
    if desk.server.settings.get("CLICKHOUSE_SECURE"):
        pytest.skip("the server of CLICKHOUSE_HOST has TLS of its own")
    files = certificates(tmp_path / "certificates")
    with encrypted(int(desk.server.settings["CLICKHOUSE_PORT"]), files, asks_for_certificate=True) as port:
        plain = desk.server.settings
        desk.server.settings = plain | {"CLICKHOUSE_SECURE": "true", "CLICKHOUSE_PORT": str(port)}
        shown = {"CLICKHOUSE_CLIENT_CERT": files["client.pem"], "CLICKHOUSE_CLIENT_CERT_KEY": files["client.key"]}
        known: dict[str, Any] = {"SSL_CERT_FILE": files["ca.pem"]}
        try:
            assert "does not answer" in desk.polyledger("status", code=1, **known).stderr
            # It came through: this is ClickHouse's own word, which wants to see the certificate itself.
            assert "SSL certificate authentication" in desk.polyledger("status", code=1, **known, **shown).stderr
            assert "SSL certificate authentication" in desk.dbt("debug", code=1, **known, **shown).stdout
        finally:
            desk.server.settings = plain


# A disk that is full


@pytest.mark.parametrize("table", ["order_filled_events", "load_windows"])
@pytest.mark.parametrize("kind", ["embedded", "server"])
def test_nothing_is_recorded_that_found_no_room(
    request: pytest.FixtureRequest, kind: str, table: str, endpoint: Goldsky, rows: list[Row]
) -> None:
    """Neither where the rows found none, nor where their record did."""
    desk: Desk = request.getfixturevalue("desk" if kind == "embedded" else "server_desk")
    desk.base_url = endpoint.base_url
    call(desk, "load", "fills", "--until", "2025-01-01T00:10:00")
    had, complete = landed(desk), windows(desk, "complete")
    room = "alter table polyledger_raw.{} modify setting min_free_disk_bytes_to_perform_insert = {}"
    desk.rows(room.format(table, FULL))
    said = call(desk, "load", "fills", code=1, POLYLEDGER_BATCH_ROWS="1000")
    error, advice = said.err.splitlines()
    assert error.startswith("error: ") and f"rows for {table} were not landed: " in error
    assert "enough free space" in error and "NOT_ENOUGH_SPACE" in error
    assert advice.startswith("Safe to run the same command again")
    assert windows(desk, "complete") == complete
    assert (landed(desk) == had) == (table == "order_filled_events")

    desk.rows(room.format(table, 0))
    call(desk, "load", "fills")
    assert_complete(desk, rows)


FILLED = """
mount -t tmpfs -o size=5m none "$DISK" || exit 77
$LOAD; echo "exit $?"
mount -o remount,size=800m "$DISK"
$LOAD; echo "exit $?"
$STATUS
"""


def test_a_disk_that_is_full_to_the_last_byte(desk: Desk, tmp_path: Path) -> None:
    """With more room the same command goes on."""
    rows = [fill(n, NEW_YEAR + n // 3) for n in range(50_000)]
    desk.data = tmp_path / "disk" / "warehouse"
    desk.data.parent.mkdir()
    command = f"{sys.executable} -m loaders.cli"
    words = {"DISK": str(desk.data.parent), "LOAD": f"{command} load fills", "STATUS": f"{command} status --json"}
    with Goldsky({"OrderFilledEvent": rows}) as endpoint:
        desk.base_url = endpoint.base_url
        done = subprocess.run(
            # A namespace in which anyone may mount, where the system allows that.
            ["unshare", "--map-root-user", "--mount", "sh", "-c", FILLED],
            env=desk.environment(POLYLEDGER_BATCH_ROWS="3000", **words),
            cwd=PROJECT,
            capture_output=True,
            text=True,
            check=False,
        )
    if done.returncode == 77 or "unshare" in done.stderr:
        pytest.skip(f"a small disk cannot be made here: {done.stderr.strip()}")
    first, said, last, status = done.stdout.split("\n", 3)
    assert (first, last) == ("exit 1", "exit 0") and said.startswith("landed "), (done.stdout, done.stderr)
    error, _ = done.stderr.splitlines()
    assert error.startswith("error: ") and ("not enough space" in error or "No space left" in error)
    fills = json.loads(status)["entities"][0]
    assert (fills["rows"], fills["gaps"], fills["open_windows"]) == (len(rows), [], [])


# Several loads at once


def test_a_second_load_of_the_same_is_told_who_has_it(
    server_desk: ServerDesk, endpoint: Goldsky, start: Processes, rows: list[Row]
) -> None:
    endpoint.latency = 1.0  # the holder is busy for as long as the rest takes
    server_desk.base_url = endpoint.base_url
    holder = start.start(server_desk, "load", "fills", GOLDSKY_CONCURRENCY="1")
    until(lambda: endpoint.requests, holder)
    said = call(server_desk, "load", "fills", "--since", "2025-01-01", code=1)
    error, advice = said.err.splitlines()
    ((run_id,),) = server_desk.rows("select distinct run_id from polyledger_raw.load_runs")
    who = f"process {holder.pid} on {socket.gethostname()} (load fills, run {run_id}) since 20"
    assert f"OrderFilledEvent is being loaded by {who}" in error and "--wait SECONDS" in error
    assert advice.startswith("Safe to run the same command again")

    # What it does not load is free.
    call(server_desk, "load", "fills", "--wallet", ALICE, "--until", "2025-01-01T00:05:00")
    call(server_desk, "load", "activity")
    assert holder.poll() is None

    endpoint.latency = 0.1
    call(server_desk, "load", "fills", "--wait", "120")
    assert holder.wait() == 0
    assert_complete(server_desk, rows)


def test_a_holder_that_was_killed_holds_nothing(
    server_desk: ServerDesk, endpoint: Goldsky, start: Processes, rows: list[Row]
) -> None:
    endpoint.latency = 0.5
    server_desk.base_url = endpoint.base_url
    holder = start.start(server_desk, "load", "fills", GOLDSKY_CONCURRENCY="1")
    until(lambda: endpoint.requests, holder)
    assert holder.kill() == -signal.SIGKILL
    endpoint.latency = 0
    call(server_desk, "load", "fills")
    assert_complete(server_desk, rows)


@pytest.mark.parametrize(("silent", "code"), [(DEAD_SECONDS - 30, 1), (DEAD_SECONDS + 1, 0)])
def test_a_holder_elsewhere_is_believed_as_long_as_it_gives_signs_of_life(
    server_desk: ServerDesk, endpoint: Goldsky, silent: int, code: int
) -> None:
    server_desk.base_url = endpoint.base_url
    call(server_desk, "load", "activity")
    server_desk.rows(
        "insert into polyledger_raw.load_leases select 'other', ['OrderFilledEvent'], 0, 4000000000, 'held', 'sync', "
        f"'elsewhere', 'pid:[1]', 17, now64(6) - interval 1 hour, now64(6) - interval {silent} second"
    )
    said = call(server_desk, "load", "fills", code=code)
    assert ("process 17 on elsewhere (sync, run other)" in said.err) == bool(code)


def test_of_many_that_begin_at_once_one_loads(
    server_desk: ServerDesk, endpoint: Goldsky, start: Processes, rows: list[Row]
) -> None:
    server_desk.base_url = endpoint.base_url
    call(server_desk, "load", "activity")  # the tables are there
    endpoint.requests.clear()
    endpoint.latency = 1.0
    loads = [start.start(server_desk, "load", "fills", GOLDSKY_CONCURRENCY="1") for _ in range(5)]
    while sum(load.poll() is None for load in loads) > 1:
        time.sleep(0.01)
    endpoint.latency = 0
    codes = sorted(load.wait() for load in loads)
    assert codes == [0, 1, 1, 1, 1], [load.said() for load in loads]
    assert sum("is being loaded by process" in load.said() for load in loads) == 4
    assert len([r for r in endpoint.requests if "_meta" in r.fields]) == 2  # of the one that loads
    assert_complete(server_desk, rows)
    assert "POLYLEDGER_RAW_SCHEMA=" in call(server_desk, "demo", code=2).err


def day(number: int) -> datetime:
    return datetime.fromtimestamp(NEW_YEAR + number * DAY, UTC)


@pytest.mark.parametrize(
    ("one", "other", "is_same"),
    [
        (Claim(("OrderFilledEvent",)), Claim(("FeeRefundedEntity", "OrderFilledEvent")), True),
        (Claim(("OrderFilledEvent",)), Claim((f"OrderFilledEvent wallet:{ALICE}",)), False),
        (Claim(("OrderFilledEvent",)), Claim(("Split",)), False),
        (Claim(("Split",), day(1), day(3)), Claim(("Split",), day(2), day(4)), True),
        (Claim(("Split",), day(1), day(2)), Claim(("Split",), day(2), day(4)), False),
        (Claim(("Split",), EPOCH, day(2)), Claim(("Split",), day(1), FOREVER), True),
        (Claim(("Condition all:1/4",)), Claim(("Condition all:1/4",)), True),
        (Claim(("Condition all:1/4",)), Claim(("Condition all:2/4",)), False),
        (Claim(("Condition all:1/4",)), Claim(("Condition all:2/3",)), True),
        (Claim(("Condition all:1/1",)), Claim(("Condition named:1/1",)), False),
        (Claim(("Condition all:1/14",)), Claim(("Condition all:11/14",)), False),
    ],
)
def test_what_is_the_same(one: Claim, other: Claim, is_same: bool) -> None:
    assert one.overlaps(other) is other.overlaps(one) is is_same
