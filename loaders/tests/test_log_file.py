"""--log-file: what happened in a run, a JSON object a line, without secrets."""

import json
import os
import signal
from pathlib import Path
from typing import Any

import pytest

from loaders import journal
from loaders.standin.goldsky import Faults, Goldsky, Reply, Request
from loaders.subgraph import PAGE_SIZE
from loaders.tests.conftest import Desk
from loaders.tests.test_command import CANARY, assert_one_sentence, call
from loaders.tests.test_loading import NEW_YEAR, fill, span, start, until_asked

LOADS = (
    ["load", "fills"],
    ["load", "activity"],
    ["load", "payouts"],
    ["load", "positions", "--wallet", "0x" + "a" * 40],
    ["sync", "--since", "2025-01-01"],
)


def lines(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read_text().splitlines()]


def events(file: Path, name: str) -> list[dict[str, Any]]:
    return [line for line in lines(file) if line["event"] == name]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "run.log"


@pytest.mark.parametrize("words", LOADS, ids=lambda words: " ".join(words[:2]))
def test_every_load_can_be_followed(desk: Desk, file: Path, words: list[str]) -> None:
    with Goldsky({"OrderFilledEvent": [fill(1)]}, head=NEW_YEAR + 5) as endpoint:
        desk.base_url = endpoint.base_url
        report = json.loads(call(desk, *words, "--json", "--log-file", str(file)).out)
    begin, *_, end = lines(file)
    assert begin["event"] == "start" and begin["command"] == " ".join(words[:2] if words[0] == "load" else words[:1])
    assert (end["event"], end["state"], end["open"]) == ("finish", "done", [])
    assert (end["requests"], end["rows"]) == (report["requests"], sum(report["rows"].values()))
    assert {(line["run_id"], line["pid"]) for line in lines(file)} == {(report["run_id"], os.getpid())}
    assert [line["at"] for line in lines(file)] == sorted(line["at"] for line in lines(file))


def test_what_happens_is_told(desk: Desk, file: Path) -> None:
    rows = [fill(n, NEW_YEAR + n) for n in range(PAGE_SIZE + 5)]
    rows[3] = rows[3] | {"fee": "none"}
    with Goldsky({"OrderFilledEvent": rows}, head=NEW_YEAR + 86_400) as endpoint:
        desk.base_url = endpoint.base_url
        endpoint.faults.queue.extend(["ok", "ok", "429", "502"])
        call(desk, "load", "fills", *span(0, 1), "--log-file", str(file), code=3)
    assert {head["subgraph"] for head in events(file, "head")} == {"orderbook", "fee-module"}
    assert {retry["problem"] for retry in events(file, "retry")} == {"HTTP 429", "HTTP 502"}
    assert all(retry["attempt"] == 1 and retry["rate"] > 0 for retry in events(file, "retry"))
    (insert,) = [line for line in events(file, "insert") if line["entity"] == "OrderFilledEvent"]
    assert insert["rows"] == PAGE_SIZE + 4 and insert["seconds"] > 0
    (rejected,) = events(file, "rejected")
    assert rejected["id"] == rows[3]["id"] and rejected["reason"].startswith("fee is not a whole number")
    done = [line for line in events(file, "window") if line["state"] == "complete"]
    for entity in ("OrderFilledEvent", "FeeRefundedEntity"):  # in one window or, if answers were slow, in parts
        assert min(line["since"] for line in done if line["entity"] == entity) == "2025-01-01T00:00:00+00:00"
        assert max(line["until"] for line in done if line["entity"] == entity) == "2025-01-02T00:00:00+00:00"
    assert events(file, "finish")[0]["state"] == "incomplete"


def test_runs_are_added_and_failures_are_told(desk: Desk, file: Path) -> None:
    file.write_text('{"event": "before"}\n')
    with Goldsky({}, faults=Faults(1.0, ("502",))) as endpoint:
        desk.base_url = endpoint.base_url
        call(desk, "load", "fills", "--log-file", str(file), code=1)
        call(desk, "load", "fills", "--target", "server", "--log-file", str(file), code=1, CLICKHOUSE_PORT="9")
    assert [line["event"] for line in lines(file) if line["event"] != "retry"] == [
        "before",
        "start",
        "failed",
        "finish",
        "failed",  # before anything was begun
    ]
    assert "was asked 9 times" in events(file, "failed")[0]["problem"]
    assert "does not answer" in events(file, "failed")[1]["problem"]


def test_it_is_there_while_the_run_goes_on_and_when_it_is_killed(desk: Desk, file: Path) -> None:
    with Goldsky({"OrderFilledEvent": [fill(n, NEW_YEAR + n) for n in range(3000)]}, latency=0.2) as endpoint:
        desk.base_url = endpoint.base_url
        process = start(desk, "load", "fills", *span(0, 1), "--log-file", str(file))
        until_asked(endpoint, 3, process)
        assert {line["event"] for line in lines(file)} >= {"start", "head"}
        process.kill()
        process.communicate()
        process = start(desk, "load", "fills", *span(0, 1), "--log-file", str(file))
        until_asked(endpoint, len(endpoint.requests) + 4, process)
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=60)
    assert [line["event"] for line in lines(file)].count("start") == 2
    assert lines(file)[-1]["state"] == "stopped"


def test_an_endpoint_that_repeats_the_token_does_not_get_it_written(desk: Desk, file: Path) -> None:
    class Talkative(Goldsky):
        def reply_noting(self, asked: Request, authorization: str | None, body: bytes) -> Reply:
            if "_meta" in body.decode():
                return super().reply_noting(asked, authorization, body)
            return Reply(200, json.dumps({"errors": [{"message": f"not for {authorization}"}]}).encode())

    with Talkative({}, token=CANARY) as endpoint:
        desk.base_url = endpoint.base_url
        said = call(desk, "load", "fills", "--log-file", str(file), code=3, GOLDSKY_API_TOKEN=CANARY)
    assert CANARY not in file.read_text() + said.out + said.err
    assert "not for Bearer ***" in events(file, "retry")[0]["problem"]


@pytest.mark.parametrize("words", LOADS, ids=lambda words: " ".join(words[:2]))
def test_a_file_that_cannot_be_opened_is_wrong_use(desk: Desk, tmp_path: Path, words: list[str]) -> None:
    with Goldsky({}) as endpoint:
        desk.base_url = endpoint.base_url
        for path, why in ((tmp_path, "Is a directory"), (tmp_path / "no" / "such" / "folder", "No such file")):
            said = call(desk, *words, "--log-file", str(path), code=None)
            assert_one_sentence(said, f"--log-file {path} cannot be opened: {why}")
        assert endpoint.requests == []
    assert not desk.data.exists()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full here")
def test_a_log_that_cannot_be_written_does_not_stop_the_load(desk: Desk) -> None:
    with Goldsky({"OrderFilledEvent": [fill(1)]}) as endpoint:
        desk.base_url = endpoint.base_url
        said = call(desk, "load", "fills", *span(0, 1), "--log-file", "/dev/full")
    assert "landed 1 OrderFilledEvent" in said.out
    assert "note: --log-file /dev/full could not be written to its end: [Errno 28] No space left" in said.out


def test_without_a_file_nothing_is_kept() -> None:
    journal.note("start", secret=object())
