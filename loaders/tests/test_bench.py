"""The bench measures what it says: its stand-in answers as the other one does, its sums are right, and it runs."""

import asyncio
import json
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loaders.bench.loading import MEASUREMENTS, inserts_too_small
from loaders.bench.loads import DAY, SINCE, BenchError, Insert, Load, embedded
from loaders.bench.report import Figure, before, remember, run_of, show
from loaders.entities import FEE_REFUNDS, ORDER_FILLS, Row
from loaders.standin.bulk import Asked, BulkProcess, Fills, Span
from loaders.standin.goldsky import Goldsky
from loaders.subgraph import Settings, Subgraphs, event_page
from loaders.tests.conftest import PROJECT

SPANS = [Span(SINCE, 5, 40), Span(SINCE + 7, 1, 10), Span(SINCE + 20, 30, 12)]
VERSIONS = {"orderbook": "orderbook-subgraph/0.0.1", "fee-module": "fee-module-subgraph/0.0.1"}
FIGURES = (
    "crowd limit limit_refused mixed speed speed_server memory_few memory_many memory_growth inserts restart "
    "files files_memory"
)
ON_A_SERVER = {"speed_server", "memory_few", "memory_many", "memory_growth"}


def client(base_url: str) -> Subgraphs:
    return Subgraphs(Settings(base_url, None, 1e5, 4, 10.0, VERSIONS))


# The stand-in


@pytest.fixture(scope="module")
def rows() -> list[Row]:
    fills = Fills(SPANS, rendered=False)
    answer = b"".join(bytes(part) for part in fills.page(0, 62, newest=False))
    return list(json.loads(answer)["data"]["rows"])


@dataclass(frozen=True)
class Both:
    """Both stand-ins with the same rows; of the bulk one, both ways to make a page."""

    runner: asyncio.Runner
    clients: list[Subgraphs]

    def ask(self, question: Callable[[Subgraphs], Coroutine[Any, Any, Any]]) -> list[Any]:
        """The answer of each to the same question."""
        return [self.runner.run(question(client)) for client in self.clients]


@pytest.fixture(scope="module")
def both(rows: list[Row]) -> Iterator[Both]:
    with (
        Goldsky({"OrderFilledEvent": rows}, head=SINCE + 100) as one,
        BulkProcess(SPANS, head=SINCE + 100) as two,
        BulkProcess(SPANS, head=SINCE + 100, rendered=True) as three,
        asyncio.Runner() as runner,
    ):
        clients = [client(endpoint.base_url) for endpoint in (one, two, three)]
        yield Both(runner, clients)
        for each in clients:
            runner.run(each.__aexit__())


@settings(max_examples=100, deadline=None, derandomize=True, database=None)
@given(
    since=st.integers(SINCE - 1, SINCE + 51),
    length=st.integers(1, 55),
    had=st.none() | st.integers(0, 61),
    size=st.integers(1, 70),
    newest=st.booleans(),
)
def test_both_stand_ins_give_the_same_pages(
    both: Both, rows: list[Row], since: int, length: int, had: int | None, size: int, newest: bool
) -> None:
    cursor = ""
    if had is not None and not newest and since <= int(rows[had]["timestamp"]) < since + length:
        cursor = f"{rows[had]['timestamp']}:{rows[had]['id']}"
    first, *others = both.ask(
        lambda client: event_page(client, ORDER_FILLS, since, since + length, cursor, (), size, newest)
    )
    assert [page.rows for page in others] == [first.rows] * 2


def test_both_stand_ins_have_the_same_head_and_no_refunds(both: Both) -> None:
    assert [head.time for head in both.ask(lambda client: client.head("orderbook"))] == [SINCE + 100] * 3
    pages = both.ask(lambda client: event_page(client, FEE_REFUNDS, SINCE, SINCE + 50))
    assert [page.rows for page in pages] == [[]] * 3


def test_the_bulk_stand_in_refuses_what_exceeds_its_allowance_and_keeps_a_log() -> None:
    async def ask(base_url: str) -> None:
        async with client(base_url) as subgraphs:
            for _ in range(3):
                await event_page(subgraphs, ORDER_FILLS, SINCE, SINCE + 1)

    with BulkProcess(SPANS, head=SINCE + 100, allowance=2, per_seconds=0.4) as endpoint:
        asyncio.run(ask(endpoint.base_url))
        log = endpoint.log()
    assert [asked.status for asked in log][:3] == [200, 200, 429]
    assert {(asked.first, asked.end) for asked in log if asked.status == 200} == {(0, 8)}
    assert all(asked.came <= asked.answered for asked in log)


def test_a_query_that_the_bulk_stand_in_does_not_know_is_refused() -> None:
    query = {"query": "{ rows: orderFilledEvents(first: 5) { id } }", "variables": {}}
    with BulkProcess(SPANS, head=SINCE + 100) as endpoint, pytest.raises(urllib.error.HTTPError, match="400"):
        urllib.request.urlopen(endpoint.base_url, data=json.dumps(query).encode())


# Sums


def figure(value: float | None, at_least: float | None = None, at_most: float | None = None) -> Figure:
    return Figure("name", "what", value, "rows/s", at_least, at_most)


def test_a_figure_is_met_at_its_goal_and_not_judged_without_a_value() -> None:
    assert [figure(v, at_least=0.95).is_met for v in (0.94, 0.95, 2.0, None)] == [False, True, True, None]
    assert [figure(v, at_most=5.0).is_met for v in (5.0, 5.1)] == [True, False]
    assert figure(1.0, at_least=50_000).goal == "at least 50,000 rows/s"
    assert figure(None, at_least=1).verdict == "not measured"


@pytest.mark.parametrize(
    ("sizes", "expected"),
    [
        ([(1.0, 25_000), (2.0, 25_000), (2.1, 10)], 0),  # the last one may be small
        ([(1.0, 9_999), (2.0, 25_000)], 1),
        ([(1.0, 25_000), (2.0, 9_999), (3.0, 1)], 1),
        ([(5.0, 10), (10.1, 20), (15.1, 9)], 0),  # the time limit
        ([(5.0, 10), (8.9, 20), (15.1, 9)], 1),
        ([(1.0, 10)], 0),
    ],
)
def test_an_insert_may_be_small_only_at_the_end_or_after_the_time_limit(
    sizes: list[tuple[float, int]], expected: int
) -> None:
    load = Load([Asked(0.0, 0.1, 200)], 0.0, 20.0, [Insert(at, count) for at, count in sizes], None, 0.0)
    assert inserts_too_small(load) == expected


def test_a_load_that_misses_a_row_does_not_count() -> None:
    with embedded() as to, BulkProcess([Span(SINCE, DAY, 3000)], head=SINCE + DAY) as endpoint:
        with pytest.raises(BenchError, match="3,001 rows were served, and 3,000 are landed"):
            to.load(endpoint, 1, 3001, GOLDSKY_REQUESTS_PER_SECOND="1000")
        load = to.load(endpoint, 1, 3000, GOLDSKY_REQUESTS_PER_SECOND="1000")
        assert sum(insert.rows for insert in load.inserts) == 3000


def a_run(commit: str, value: float | None, cores: int = 2, rows: int = 10) -> dict[str, Any]:
    machine = {"cores": cores, "cpu": "one", "memory_gb": 23.5, "load": 0.1}
    run = run_of(
        {"models": [figure(value), Figure("full.a", "", value, "s", details={"rows": 7})]}, machine, False, rows
    )
    return run | {"commit": commit}


def test_the_history_keeps_values_and_what_they_were_measured_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DBT_PROJECT_DIR", str(tmp_path))
    assert remember(a_run("abc", 0.96)) is None  # no project there
    (tmp_path / "dbt_project.yml").touch()
    for _ in range(2):
        path = remember(a_run("abc", 0.96))
    assert path == tmp_path / "bench" / "history.jsonl"
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert [line["figures"] for line in lines] == [{"models": {"name": 0.96, "full.a": {"value": 0.96, "rows": 7}}}] * 2
    assert lines[0]["machine"]["cpu"] == "one" and lines[0]["rows"] == 10 and "chdb" in lines[0]["versions"]


def test_a_figure_is_compared_with_the_last_one_of_a_like_machine_and_as_many_rows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DBT_PROJECT_DIR", str(tmp_path))
    (tmp_path / "dbt_project.yml").touch()
    assert before(a_run("new", 12.0), None) == {}
    for run in (
        a_run("aaa", 9),
        a_run("bbb", 10),
        a_run("ccc", None),
        a_run("ddd", 1, cores=4),
        a_run("eee", 1, rows=20),
    ):
        remember(run)
    was = before(a_run("new", 12.0), None)
    assert was == {"models": {key: {"value": 10, "commit": "bbb"} for key in ("name", "full.a")}}
    remember(a_run("fff", 16.0), tmp_path / "kept")
    assert before(a_run("new", 12.0), tmp_path / "kept")["models"]["name"] == {"value": 16.0, "commit": "fff"}
    show({"models": [figure(12.0, at_most=11.0)]}, was, quick=False)
    assert "+20 % since bbb" in capsys.readouterr().out


# All of it


def figures_of(*words: str) -> dict[str, dict[str, Any]]:
    """Figures by name of a tiny run, which must not touch the history."""
    history = PROJECT / "bench" / "history.jsonl"
    kept = history.read_text() if history.exists() else ""
    command = [sys.executable, "-m", "loaders.cli", "bench", "--quick", "--json", *words]
    done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=True)
    assert done.stderr == ""
    assert (history.read_text() if history.exists() else "") == kept
    run = json.loads(done.stdout)
    assert run["quick"] and run.keys() >= {"date", "commit", "machine", "versions", "before"}
    return {figure["name"]: figure for ones in run["figures"].values() for figure in ones}


@pytest.mark.long
def test_the_bench_shows_every_figure_of_loading() -> None:
    figures = figures_of("--only", "loading")
    assert " ".join(figures) == FIGURES
    without = {name for name, figure in figures.items() if figure["value"] is None}
    assert without in (set(), ON_A_SERVER)
    assert all("no server" in figures[name]["note"] for name in without - {"memory_growth"})


def test_only_some_of_it() -> None:
    def bench(*words: str) -> subprocess.CompletedProcess[str]:
        words = (sys.executable, "-m", "loaders.cli", "bench", "--quick", *words)
        return subprocess.run(words, cwd=PROJECT, capture_output=True, text=True, check=False)

    done = bench("--only", "mixed")
    assert done.returncode == 0 and "mixed" in done.stdout and "crowd" not in done.stdout
    assert "not comparable" in done.stderr
    done = bench("--only", "luck")
    assert done.returncode == 2 and "luck" in done.stderr
    assert all(one.name in done.stderr for one in MEASUREMENTS)


def test_ended_from_outside_it_leaves_nothing_behind(tmp_path: Path) -> None:
    words = [sys.executable, "-m", "loaders.cli", "bench", "--quick", "--only", "limit"]
    with subprocess.Popen(words, cwd=PROJECT, env=os.environ | {"TMPDIR": str(tmp_path)}) as process:
        while not list(tmp_path.glob("polyledger-bench-*/warehouse")) and process.poll() is None:
            time.sleep(0.05)
        process.terminate()
        assert process.wait(timeout=60) == 1
    assert list(tmp_path.glob("polyledger-bench-*")) == []
