"""What the tests share: the command and dbt as a user runs them, and a plain client's view of the warehouse."""

import atexit
import hashlib
import multiprocessing
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import uuid
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import clickhouse_connect
import pytest

PROJECT = Path(__file__).parents[2]
# Real recordings and a real server, where they are at hand; they are not part of the project.
SHARED = Path(os.environ.get("POLYLEDGER_SHARED") or PROJECT.parent / "shared")
SERVER_TOOL = SHARED / "tools" / "clickhouse_server.py"
MARTS = (
    "fct_fills",
    "vw_resolutions_truth",
    "fct_amm_trades",
    "fct_position_events",
    "fct_positions",
    "fct_holders",
    "fct_realized_pnl_by_market",
    "fct_wallet_pnl",
    "fct_wallet_pnl_daily",
    "leaderboard",
)


@dataclass
class Desk:
    """A user's desk: an embedded warehouse of its own, the command and dbt."""

    data: Path
    base_url: str = "http://127.0.0.1:9/subgraphs"  # nobody answers there

    def environment(self, **more: str) -> dict[str, str]:
        ours = ("GOLDSKY_", "POLYGON_", "POLYLEDGER_", "CLICKHOUSE_", "DBT_")
        kept = {k: v for k, v in os.environ.items() if not k.startswith(ours)}
        return kept | {
            "POLYLEDGER_DATA": str(self.data),
            "GOLDSKY_BASE_URL": self.base_url,
            "GOLDSKY_REQUESTS_PER_SECOND": "10000",
            "DBT_TARGET_PATH": str(self.data.with_name("target")),
            "DBT_LOG_PATH": str(self.data.with_name("logs")),
            "DBT_LOG_LEVEL_FILE": "info",
            "DBT_WRITE_JSON": "false",  # who reads what dbt writes says so
            **more,
        }

    def polyledger(self, *words: str, code: int | None = 0, **env: str) -> subprocess.CompletedProcess[str]:
        """Run the command; its exit code must be `code`, unless that is None."""
        return _run("polyledger", words, self.environment(**env), code)

    def dbt(self, *words: str, code: int | None = 0, **env: str) -> subprocess.CompletedProcess[str]:
        """Run dbt on the project; its exit code must be `code`, unless that is None."""
        if words[0] in ("build", "run", "test") and "--threads" not in words:
            words = (*words, "--threads", "2")  # the tests share the processors
        environment = self.environment(**env)
        parsed = _parsed(words, environment)
        if parsed and parsed.exists():
            environment["DBT_PARTIAL_PARSE_FILE_PATH"] = str(parsed)
        if self.data.is_absolute():
            environment |= {"HOME": str(self.data.parent), "POLYLEDGER_DATA": f"~/{self.data.name}"}
        done = _run("dbt", words, environment, code)
        written = Path(environment["DBT_TARGET_PATH"]) / "partial_parse.msgpack"
        if parsed and not parsed.exists() and written.exists():
            shutil.copy(written, part := parsed.with_suffix(f".{os.getpid()}"))
            part.replace(parsed)
        return done

    def load_everything(self, *, code: int | None = 0, **env: str) -> None:
        for words in (["load", "fills", "--since", "2022-11-21"], ["load", "activity"], ["load", "payouts"]):
            self.polyledger(*words, code=code, **env)

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        """What a plain client without any settings reads."""
        return self.all_rows([query])[0]

    def all_rows(self, queries: list[str]) -> list[list[tuple[Any, ...]]]:
        """The same for several queries: to open a warehouse takes longer than to read it."""
        return READERS.submit(_read, str(self.data), queries).result()

    def has_tables(self) -> bool:
        """Whether a load got so far."""
        return bool(self.rows("select 1 from system.tables where database || '.' = 'polyledger_raw.'"))

    def marts(self) -> dict[str, list[tuple[Any, ...]]]:
        """Every row of every mart, in an order of its own."""
        found = self.all_rows([f"select * from polyledger.{mart}" for mart in MARTS])
        return {mart: sorted(rows, key=repr) for mart, rows in zip(MARTS, found, strict=True)}


def copied_project(folder: Path) -> Path:
    """A copy of all that dbt reads of the project, to be edited."""
    for name in ("models", "macros", "seeds", "tests"):
        shutil.copytree(PROJECT / name, folder / name)
    (folder / "loaders").mkdir()
    for name in ("loaders/schema.sql", "profiles.yml", "dbt_project.yml"):
        shutil.copy(PROJECT / name, folder / name)
    return folder


def edit(file: Path, old: str, new: str) -> None:
    """Put a text in the place of another one, which must be there once."""
    text = file.read_text()
    assert text.count(old) == 1, f"{file}: not once in it: {old}"
    file.write_text(text.replace(old, new))


def _read(path: str, queries: list[str]) -> list[list[tuple[Any, ...]]]:
    client = clickhouse_connect.get_client(interface="chdb", path=path)
    try:
        return [[tuple(row) for row in client.query(query).result_rows] for query in queries]
    finally:
        client.close()


# chDB leaves files of its ended threads open (/proc/self/task/*), some 20 for each time that it is opened: a whole run
# of the tests would come to the limit of the process. So they read in another one, which does not live long either.
READERS = ProcessPoolExecutor(1, multiprocessing.get_context("spawn"), max_tasks_per_child=100)


# Python takes two seconds to import dbt, one for the command, and the tests run them a hundred times each. Each is a
# process of its own, forked from one that has imported them and done nothing else.
IMPORTED = multiprocessing.get_context("forkserver")
IMPORTED.set_forkserver_preload(
    ["dbt.cli.main", "loaders.cli", "pandas", "httpcore", "anyio._backends._asyncio", __name__]
)


def _run(
    program: str, words: tuple[str, ...], env: dict[str, str], code: int | None
) -> subprocess.CompletedProcess[str]:
    """A program with these words and variables in PROJECT, as from a shell."""
    with tempfile.TemporaryDirectory() as folder:
        said = Path(folder, "out"), Path(folder, "err")
        process = IMPORTED.Process(target=_be, args=(program, words, env, *said))
        process.start()
        process.join(600)
        if process.exitcode is None:
            process.kill()
            raise TimeoutError(f"{program} {words} took more than ten minutes")
        done = subprocess.CompletedProcess(words, process.exitcode, *(file.read_text() for file in said))
    said_so = f"{program} {words} exited {done.returncode}\n{done.stdout}\n{done.stderr}"
    assert code is None or done.returncode == code, said_so
    return done


def _be(program: str, words: tuple[str, ...], env: dict[str, str], out: Path, err: Path) -> None:
    for number, file in enumerate((out, err), start=1):
        os.dup2(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), number)
    os.environ.clear()
    os.environ.update(env)
    os.chdir(PROJECT)
    sys.argv = [program, *words]
    try:
        if program == "dbt":
            from dbt.cli.main import cli

            cli(["--no-use-colors", *words])
        else:
            from loaders.cli import main

            main()
    finally:
        atexit._run_exitfuncs()  # multiprocessing leaves them out


# dbt takes several seconds to parse the project, and does it anew for each folder of data: the profile's host names it.
# Here dbt is told of all folders as ~/NAME, and starts from what it made of the project for an earlier one.
PARSED: list[Path] = []  # where that is kept, while the tests run


def _parsed(words: tuple[str, ...], env: dict[str, str]) -> Path | None:
    """dbt's own file of the project as parsed for such a connection. Whether it fits, dbt sees by itself."""
    own = {name: value for name, value in env.items() if name.startswith(("CLICKHOUSE_", "POLYLEDGER_"))}
    connection = {"POLYLEDGER_SCHEMA": "polyledger"} | own | {"POLYLEDGER_DATA": Path(env["POLYLEDGER_DATA"]).name}
    given = [word for before, word in pairwise(words) if before in ("--vars", "--target")]
    name = hashlib.sha256(repr((sorted(connection.items()), given)).encode()).hexdigest()
    return PARSED[0] / f"{name}.msgpack" if PARSED else None


@pytest.fixture(scope="session", autouse=True)
def _keep_parsed(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Iterator[None]:
    ours = tmp_path_factory.getbasetemp()
    PARSED.append((ours if worker_id == "master" else ours.parent) / "parsed")
    PARSED[0].mkdir(exist_ok=True)
    yield
    PARSED.clear()


class ClickHouse:
    """A real server: one that CLICKHOUSE_HOST names, or one on loopback that tests may also kill."""

    def __init__(self, folder: Path | None) -> None:
        self.settings = {name: value for name, value in os.environ.items() if name.startswith("CLICKHOUSE_")}
        self._folder = folder
        if folder is not None:
            self.settings = {"CLICKHOUSE_HOST": "127.0.0.1", "CLICKHOUSE_PORT": str(free_port())}
            self.tcp_port = free_port()
        self.config: Path | None = None  # more of its configuration, XML
        self.environment: dict[str, str] = {}  # what that reads

    def start(self) -> None:
        """Serve, with what is there from before. Skips the test where the server cannot be had."""
        words = ["--http-port", self.settings["CLICKHOUSE_PORT"], "--tcp-port", str(self.tcp_port)]
        words += ["--path", str(self._folder), "--seconds", "36000"]
        words += ["--config", str(self.config)] if self.config else []
        environment = os.environ | self.environment
        with Path(f"{self._folder}.log").open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, str(SERVER_TOOL), *words],
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                env=environment,
            )
        assert self._process.stdout
        if self._process.stdout.readline() != "READY\n":
            self.kill()
            pytest.skip(f"no ClickHouse server: {SERVER_TOOL} could not start one")

    def kill(self) -> None:
        """End it as kill -9 or a power cut does."""
        self._process.kill()
        self._process.wait()
        if self._process.stdout:
            self._process.stdout.close()

    def pause(self) -> None:
        """Let it hang: connections are accepted and nothing is answered."""
        self._process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        self._process.send_signal(signal.SIGCONT)

    def rows(self, query: str, user: str | None = None, password: str = "") -> list[tuple[Any, ...]]:
        """What a plain client reads, as the user of the settings or another one."""
        client = clickhouse_connect.get_client(
            host=self.settings["CLICKHOUSE_HOST"],
            port=int(self.settings.get("CLICKHOUSE_PORT") or 8123),
            username=user or self.settings.get("CLICKHOUSE_USER") or "default",
            password=password if user else self.settings.get("CLICKHOUSE_PASSWORD", ""),
            secure=self.settings.get("CLICKHOUSE_SECURE", "").lower() in ("1", "true", "yes"),
        )
        try:
            return [tuple(row) for row in client.query(query).result_rows]
        finally:
            client.close()


@dataclass
class ServerDesk(Desk):
    """A user's desk with databases of its own on a server."""

    server: ClickHouse = field(kw_only=True)

    def __post_init__(self) -> None:
        self.databases = {name: f"{name}_{uuid.uuid4().hex[:12]}" for name in ("polyledger_raw", "polyledger")}

    def environment(self, **more: str) -> dict[str, str]:
        own = {
            "POLYLEDGER_TARGET": "server",
            "POLYLEDGER_RAW_SCHEMA": self.databases["polyledger_raw"],
            "POLYLEDGER_SCHEMA": self.databases["polyledger"],
        }
        return super().environment(**own | self.server.settings | more)

    def all_rows(self, queries: list[str]) -> list[list[tuple[Any, ...]]]:
        found = []
        for query in queries:
            for name, own in self.databases.items():
                query = query.replace(f"{name}.", f"{own}.")
            found.append(self.server.rows(query))
        return found

    def drop(self) -> None:
        for database in self.databases.values():
            self.server.rows(f"drop database if exists {database}")


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


@pytest.fixture(scope="session")
def clickhouse(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClickHouse]:
    """A server for all tests of this process."""
    if os.environ.get("CLICKHOUSE_HOST"):
        yield ClickHouse(None)
        return
    server = started_server(tmp_path_factory.mktemp("clickhouse"))
    yield server
    server.kill()


@pytest.fixture
def mortal_clickhouse(tmp_path: Path) -> Iterator[ClickHouse]:
    """A server that the test may kill."""
    server = started_server(tmp_path)
    yield server
    server.kill()


def started_server(folder: Path) -> ClickHouse:
    if not SERVER_TOOL.exists():
        pytest.skip("no ClickHouse server: CLICKHOUSE_HOST names none, and there is no tools/clickhouse_server.py")
    server = ClickHouse(folder / "server")
    server.start()
    return server


@pytest.fixture
def server_desk(clickhouse: ClickHouse, tmp_path: Path) -> Iterator[ServerDesk]:
    desk = ServerDesk(tmp_path / "warehouse", server=clickhouse)
    yield desk
    desk.drop()


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path / "warehouse")


@pytest.fixture(scope="module")
def module_desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    yield Desk(tmp_path_factory.mktemp("desk") / "warehouse")


# What takes longest comes first, so that no worker is left alone with it.
LONGEST = (
    "cluster",
    "patched",
    "kept",
    "server",
    "broken_rules",
    "embedded",
    "files",
    "end_to_end",
    "loading",
    "faults",
    "kills",
    "incremental",
    "publish",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    order = {f"test_{name}": place for place, name in enumerate(LONGEST)}
    items.sort(key=lambda item: order.get(item.path.stem, len(order)))
