"""status tells what is landed, what is missing and what is running, and never gets in the way of a load."""

import io
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from loaders import embedded
from loaders.checks import report, status, status_view
from loaders.checks.coverage import merged
from loaders.target import Target, read_target
from loaders.tests.conftest import PROJECT, Desk
from loaders.tests.test_loading import start
from loaders.warehouse import Warehouse, WarehouseError, opened

WALLET = "wallet:0x" + "0a" * 20
PROGRESS = {
    "run_id": "r1",
    "command": "load fills",
    "entities": {
        "OrderFilledEvent": {"rows": 1234567, "rows_per_second": 48211.4, "done": 0.42, "seconds_left": 61.2},
        "Condition": {"rows": 1000, "rows_per_second": 3.2, "done": None, "seconds_left": None},
    },
    "requests": 1240,
    "retries": 11,
    "refused": 9,
    "requests_per_second": 4.7,
    "limit_per_second": 4.75,
    "rejected": 2,
}


@pytest.fixture
def at(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> Desk:
    """A desk; this process has its environment."""
    monkeypatch.setenv("POLYLEDGER_DATA", str(desk.data))
    monkeypatch.chdir(PROJECT)
    return desk


@pytest.fixture(scope="module")
def filled(module_desk: Desk) -> Desk:
    """A warehouse with a bit of everything. Tests must leave it as it is."""
    raw = "polyledger_raw"
    day = "toDateTime('2025-01-{:02d} 00:00:00', 'UTC')".format
    windows = [
        ("OrderFilledEvent", "", 1, 3, "complete", 1),
        ("OrderFilledEvent", "", 3, 5, "complete", 1),  # touches the first
        ("OrderFilledEvent", "", 3, 4, "open", 1),  # was loaded otherwise since
        ("OrderFilledEvent", "", 7, 9, "complete", 1),  # after a gap
        ("OrderFilledEvent", "", 9, 12, "split", 2),
        ("OrderFilledEvent", "", 9, 12, "open", 1),
        ("OrderFilledEvent", "", 9, 10, "open", 1),
        ("OrderFilledEvent", "", 10, 12, "complete", 2),
        ("OrderFilledEvent", "", 10, 12, "open", 1),
        ("OrderFilledEvent", WALLET, 1, 2, "complete", 1),
        ("OrderFilledEvent", "token:7", 1, 2, "open", 1),
        ("Split", "", 1, 9, "open", 1),
        ("Condition", "id:0x" + "dd" * 32, 1, 1, "not_found", 1),
        ("Condition", "id:0x" + "aa" * 32, 1, 1, "not_found", 1),  # found since
        ("MarketData", "id:7", 1, 1, "not_found", 1),
    ]
    values = ", ".join(
        f"('{entity}', '{scope}', {day(since)}, {day(until)}, '{state}', {day(at)})"
        for entity, scope, since, until, state, at in windows
    )
    with opened(Target("embedded", f"chdb:{module_desk.data}", None, "", "", False, 300, "marts", raw)) as warehouse:
        warehouse.create_tables()
        for statement in (
            f"insert into {raw}.order_filled_events (timestamp, order_hash) "
            f"select {day(2)} + number, toString(number) from numbers(3)",
            f"insert into {raw}.order_filled_events (timestamp, order_hash) select {day(2)}, '0'",  # a copy
            f"insert into {raw}.load_windows (entity, scope, since, until, state, updated_at) values {values}",
            f"insert into {raw}.conditions (id, payout_numerators) values (unhex(repeat('aa', 32)), [])",
            f"insert into {raw}.conditions (id, payout_numerators) values (unhex(repeat('aa', 32)), ['1', '0'])",
            f"insert into {raw}.conditions (id, payout_numerators) values (unhex(repeat('bb', 32)), [])",
            f"insert into {raw}.rejected_rows (entity, row_id, reason, raw) "
            "select 'Split', toString(number), concat('amount is missing: ', toString(number)), '{}' from numbers(4)",
            f"insert into {raw}.rejected_rows (entity, reason) "
            "select 'Merge', concat('reason \033[31m', toString(number)) from numbers(6)",
            f"insert into {raw}.load_runs (run_id, command, state, started_at, updated_at, rows) "
            f"select toString(number), 'load fills', 'done', {day(1)} + number, {day(2)}, number from numbers(6)",
            f"insert into {raw}.load_runs (run_id, command, state, started_at, updated_at, rows, seconds) values "
            f"('9', 'load payouts', 'running', {day(9)}, {day(9)}, 1, 5), "
            f"('9', 'load payouts', 'running', {day(9)}, {day(9)} + 5, 1200, 90)",
        ):
            warehouse.command(statement)
    return module_desk


@pytest.fixture
def landed(filled: Desk, monkeypatch: pytest.MonkeyPatch) -> Desk:
    """A desk with that warehouse; this process has its environment."""
    monkeypatch.setenv("POLYLEDGER_DATA", str(filled.data))
    monkeypatch.chdir(PROJECT)
    return filled


def look() -> dict[str, Any]:
    return next(status.snapshots(read_target()))


def entity_of(snapshot: dict[str, Any], name: str) -> dict[str, Any]:
    return next(entity for entity in snapshot["entities"] if entity["entity"] == name)


def days(spans: list[dict[str, str]]) -> list[tuple[int, int]]:
    return [tuple(int(span[end][8:10]) for end in ("since", "until")) for span in spans]  # type: ignore[misc]


def in_words(snapshot: dict[str, Any]) -> str:
    console = Console(width=80, file=io.StringIO(), color_system=None)
    console.print(*status_view.shown(snapshot), sep="\n")
    text = console.file.getvalue()  # type: ignore[attr-defined]
    assert max(map(len, text.splitlines())) <= 80
    return str(text)


# Without a warehouse


def test_before_the_first_load_one_sentence_and_nothing_is_created(at: Desk) -> None:
    said = at.polyledger("status")
    assert said.stdout.startswith("nothing is loaded yet in ") and "polyledger load fills" in said.stdout
    assert json.loads(at.polyledger("status", "--json").stdout)["state"] == "empty"
    assert list(at.data.parent.iterdir()) == []
    at.data.mkdir()
    assert look()["state"] == "empty"


# What is landed


def test_what_is_landed_and_what_is_missing(landed: Desk) -> None:
    snapshot = look()
    fills = entity_of(snapshot, "OrderFilledEvent")
    assert fills["rows"] in (3, 4)  # copies count until the engine drops them
    assert (fills["first_at"], fills["last_at"]) == ("2025-01-02T00:00:00+00:00", "2025-01-02T00:00:02+00:00")
    assert days(fills["complete"]) == [(1, 5), (7, 9), (10, 12)]
    assert days(fills["gaps"]) == [(5, 7), (9, 10)]
    assert days(fills["open_windows"]) == [(9, 10)]
    assert (fills["scopes"], fills["open_scopes"]) == (2, 1)
    since = time.time() - datetime(2025, 1, 12, tzinfo=UTC).timestamp()
    assert abs(fills["lag_seconds"] - since) < 60
    splits = entity_of(snapshot, "Split")
    assert (splits["rows"], splits["first_at"], splits["complete"], splits["lag_seconds"]) == (0, None, [], None)
    assert days(splits["open_windows"]) == [(1, 9)]
    assert entity_of(snapshot, "Condition")["first_at"] is None


def test_payouts_quarantine_and_runs(landed: Desk) -> None:
    snapshot = look()
    assert snapshot["payouts"] == {
        "conditions": 2,
        "resolved": 1,
        "unresolved": 1,
        "not_found": 1,
        "tokens_not_found": 1,
    }
    kept = snapshot["quarantine"]
    assert kept["rows"] == 10 and len(kept["reasons"]) == 5
    assert kept["reasons"][0] == {"entity": "Split", "reason": "amount is missing", "rows": 4}
    runs = snapshot["runs"]
    assert [run["run_id"] for run in runs] == ["9", "5", "4", "3", "2"]
    assert (runs[0]["state"], runs[0]["rows"], runs[0]["seconds"]) == ("died", 1200, 90)
    assert runs[1]["state"] == "done"


def test_a_warehouse_without_the_table_of_runs(landed: Desk) -> None:
    with opened(read_target()) as warehouse:
        warehouse.command("rename table polyledger_raw.load_runs to polyledger_raw.hidden")
    assert look()["runs"] == []
    with opened(read_target()) as warehouse:
        warehouse.command("rename table polyledger_raw.hidden to polyledger_raw.load_runs")


def test_people_read_80_columns_without_control_characters(landed: Desk) -> None:
    said = landed.polyledger("status", COLUMNS="80").stdout
    assert max(map(len, said.splitlines())) <= 80
    assert "\033" not in said
    for part in (
        "OrderFilledEvent",
        "2025-01-01 2025-01-12 00:00",
        "gap: OrderFilledEvent 2025-01-05 00:00:00 to 2025-01-07 00:00:00",
        "open: OrderFilledEvent 2025-01-09 00:00:00 to 2025-01-10 00:00:00",
        "open: OrderFilledEvent under 1 of 2 filters",
        "open: Split 2025-01-01 00:00:00 to 2025-01-09 00:00:00",
        "2 conditions, 1 resolved, 1 not yet",
        "4 of Split: amount is missing",
        "load payouts  died",
    ):
        assert part in said, said


def test_large_numbers_fit_too(landed: Desk) -> None:
    snapshot = look()
    for entity in snapshot["entities"]:
        entity["rows"] = 1_234_567_890
    for run in snapshot["runs"]:
        run |= {"command": "load positions", "state": "incomplete", "rows": 123_456_789, "requests": 1_234_567}
    text = in_words(snapshot)
    assert "1,234,567,890" in text and "123,456,789 1,234,567" in text and "\u2026" not in text


def test_many_gaps_are_cut_short_for_people(landed: Desk) -> None:
    snapshot = look()
    snapshot["entities"][0]["gaps"] *= 50
    assert "and 95 more; --json has all" in in_words(snapshot)


@pytest.mark.parametrize(
    ("spans", "whole"),
    [
        ([], []),
        ([(1, 2)], [(1, 2)]),
        ([(3, 4), (1, 2)], [(1, 2), (3, 4)]),
        ([(1, 2), (2, 3)], [(1, 3)]),
        ([(1, 9), (2, 3), (4, 5)], [(1, 9)]),
        ([(1, 3), (2, 5), (5, 6), (8, 9)], [(1, 6), (8, 9)]),
    ],
)
def test_spans_are_merged(spans: list[tuple[int, int]], whole: list[tuple[int, int]]) -> None:
    def moments(given: list[tuple[int, int]]) -> list[tuple[datetime, datetime]]:
        return [(datetime(2025, 1, a, tzinfo=UTC), datetime(2025, 1, b, tzinfo=UTC)) for a, b in given]

    assert merged(moments(spans)) == moments(whole)


# While another process holds the folder

HOLDER = """
import json, os, sys, time
from pathlib import Path
from loaders import embedded
path, given = Path(sys.argv[1]), json.loads(sys.argv[2])
sys.argv = ["polyledger", "load", "fills"]
embedded.hold(path)
given["pid"] = given.get("pid", os.getpid())
path.with_name(path.name + ".progress.json").write_text(json.dumps(given))
print("held", flush=True)
sys.stdin.read()
"""


class Holder:
    """Another process that holds the folder, with a progress file beside it."""

    def __init__(self, data: Path, **progress: Any) -> None:
        given = PROGRESS | {"started_at": time.time() - 4000, "updated_at": time.time()} | progress
        words = [sys.executable, "-c", HOLDER, str(data), json.dumps(given)]
        self.process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=PROJECT)

    def __enter__(self) -> "Holder":
        assert self.process.stdout and self.process.stdout.readline() == "held\n"
        return self

    def __exit__(self, *_: object) -> None:
        self.process.communicate()  # closing its stdin ends it


def test_a_running_load_is_shown_from_its_progress_file(landed: Desk) -> None:
    with Holder(landed.data) as holder:
        said = landed.polyledger("status", COLUMNS="80").stdout
        snapshot = look()
    assert snapshot["state"] == "loading"
    assert snapshot["progress"]["entities"] == PROGRESS["entities"]
    assert snapshot["progress"]["pid"] == holder.process.pid
    for part in ("load fills is running", str(holder.process.pid), "67 min", "1,234,567", "42%", "48,211", "61 s"):
        assert part in said, said
    assert "1,240 requests (4.7/s of 4.8/s), 11 retried, 9 refused (429), 2 rows kept aside" in said.replace("\n", " ")
    assert "no sign of life" not in said
    assert look()["state"] == "ready"


def test_a_load_that_is_stuck(landed: Desk) -> None:
    with Holder(landed.data, updated_at=time.time() - 100):
        assert "no sign of life for 2 min" in in_words(look())


@pytest.mark.parametrize("progress", [{"pid": 1}, {"entities": None}, {"requests": "many"}])
def test_a_progress_file_of_another_or_a_damaged_one_is_not_believed(landed: Desk, progress: dict[str, Any]) -> None:
    with Holder(landed.data, **progress):
        snapshot = look()
    assert (snapshot["state"], snapshot["progress"]) == ("in use", None)
    assert "is in use by process" in " ".join(in_words(snapshot).split())


# Watching


def test_watching_in_a_log_until_ctrl_c_and_a_load_may_start_meanwhile(landed: Desk) -> None:
    with start(landed, "status", "--watch", "0.2") as watcher:
        assert watcher.stdout and watcher.stderr
        assert "landed: OrderFilledEvent" in watcher.stdout.readline()
        with Holder(landed.data):
            # Lines from before the folder was held may still be waiting to be read.
            loading = "OrderFilledEvent 1,234,567 rows, 48,211/s, 42% done, 61 s left"
            assert any(loading in watcher.stdout.readline() for _ in range(200))
        assert any("landed:" in watcher.stdout.readline() for _ in range(200))
        watcher.send_signal(signal.SIGINT)
        assert watcher.wait(timeout=60) == 0
        assert watcher.stderr.read() == ""


def test_the_folder_is_opened_again_only_after_somebody_had_it(landed: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    opened_times = []

    def count(warehouse: Warehouse) -> dict[str, Any]:
        opened_times.append(1)
        return {"state": "empty"}

    monkeypatch.setattr(status, "read_warehouse", count)
    watched = status.snapshots(read_target())
    for _ in range(5):
        next(watched)
    assert len(opened_times) == 1
    with Holder(landed.data):
        assert next(watched)["state"] == "loading"
    next(watched)
    assert len(opened_times) == 2
    embedded.hold(landed.data)  # it is free
    embedded.release(landed.data)


@pytest.mark.parametrize("as_json", [True, False])
def test_watching_outlasts_a_warehouse_that_goes_away(
    at: Desk, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], as_json: bool
) -> None:
    answers = iter([WarehouseError("gone"), None, KeyboardInterrupt()])

    def read(target: Target, wait: float) -> tuple[dict[str, Any], None]:
        answer = next(answers)
        if answer:
            raise answer
        return status.nothing(target), None

    monkeypatch.setattr(status, "read", read)
    status_view.watch(read_target(), 0.01, as_json, 0)
    first, second = capsys.readouterr().out.splitlines()
    if as_json:
        assert [json.loads(line)["state"] for line in (first, second)] == ["unreachable", "empty"]
    else:
        assert first.endswith(" gone") and "nothing is loaded yet" in second


def test_watching_on_a_terminal(landed: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    screen = Console(file=io.StringIO(), force_terminal=True, width=80, height=60)
    monkeypatch.setattr(report, "console", lambda: screen)

    def stop(seconds: float) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(time, "sleep", stop)
    status_view.watch(read_target(), 1, False, 0)
    assert "OrderFilledEvent" in screen.file.getvalue()  # type: ignore[attr-defined]


def test_wrong_use(at: Desk) -> None:
    assert at.polyledger("status", "--watch", "0", code=2).stdout == ""
    assert at.polyledger("status", "--target", "nowhere", code=2).stdout == ""
    assert os.environ["POLYLEDGER_DATA"] == str(at.data) and not at.data.exists()


@pytest.fixture(autouse=True)
def _free() -> Iterator[None]:
    """No test may leave a folder held."""
    yield
    assert not embedded._held
