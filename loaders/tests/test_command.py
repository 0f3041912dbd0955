"""What a user reads: one clear sentence for what went wrong, plain words or JSON for what went right."""

import contextlib
import io
import json
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
import typer.main

from loaders import cli, embedded, subgraph
from loaders.standin.goldsky import Faults, Goldsky
from loaders.standin.world import simulate
from loaders.tests.conftest import PROJECT, Desk

CANARY = "canary-5f2c81d0"
WALLET = "0x" + "0a" * 20


@dataclass(frozen=True)
class Said:
    """What a command printed and how it ended."""

    code: int
    out: str
    err: str


def call(desk: Desk, *words: str, code: int | None = 0, cwd: Path = PROJECT, **env: str) -> Said:
    """Run the command as `Desk.polyledger` does, but in this process, which is several times quicker.

    Tries follow each other without the usual pauses. The exit code must be `code`, unless that is None.
    """
    out, err = io.StringIO(), io.StringIO()
    with (
        mock.patch.dict(os.environ, desk.environment(**env), clear=True),
        mock.patch.object(sys, "argv", ["polyledger", *words]),
        mock.patch.object(subgraph, "FIRST_PAUSE", 0.001),
        contextlib.chdir(cwd),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
    ):
        try:
            cli.main()
        except SystemExit as end:
            ended = end.code
        finally:
            embedded.release(desk.data)
    said = Said(int(ended or 0), out.getvalue(), err.getvalue())
    assert code is None or said.code == code, said
    assert "Traceback" not in said.err
    return said


@pytest.fixture(scope="module")
def endpoint() -> Iterator[Goldsky]:
    """A small world, served without faults."""
    world = simulate(3, steps=60)
    with Goldsky(world.entities, head=world.until) as endpoint:
        yield endpoint


@pytest.fixture
def served(desk: Desk, endpoint: Goldsky) -> Desk:
    desk.base_url = endpoint.base_url
    return desk


def assert_one_sentence(said: Said, *parts: str) -> None:
    """Wrong use: exit code 2, nothing but one line on stderr, and that line has these parts."""
    assert (said.code, said.out) == (2, ""), said
    (line,) = said.err.splitlines()
    assert line.startswith("error: ")
    for part in parts:
        assert part in line, line


# Wrong words


@pytest.mark.parametrize(
    ("words", "parts"),
    [
        (["fills", "--since", "2025-01-02", "--until", "2025-01-01"], ["--until 2025-01-01", "--since 2025-01-02"]),
        (["fills", "--since", "2025-01-01", "--until", "2025-01-01"], ["--until 2025-01-01 is not after"]),
        (["fills", "--since", "2025-01-01T02:00+02:00", "--until", "2025-01-01"], ["is not after"]),
        (["fills", "--since", "soon"], ["--since 'soon' is no moment", "2025-01-31"]),
        (["fills", "--since", "2025-02-30"], ["--since '2025-02-30' is no moment"]),
        (["fills", "--since", ""], ["--since '' is no moment"]),
        (["fills", "--since", "0001-01-01T00:00:00+14:00"], ["is no moment"]),
        (["fills", "--until", "9999-12-31T23:59:59-14:00"], ["is no moment"]),
        (["fills", "--since", "1969-12-31"], ["--since '1969-12-31' is out of range"]),
        (["fills", "--until", "2106-01-01"], ["--until '2106-01-01' is out of range"]),
        (["fills", "--since", "2025-01-01T00:00:00.5"], ["out of range: whole seconds"]),
        (["activity", "--since", "yesterday"], ["--since 'yesterday' is no moment"]),
        (["fills", "--wallet", "alice"], ["--wallet", "'alice' is no wallet", "40 hex digits"]),
        (["fills", "--wallet", WALLET + "0"], ["is no wallet"]),
        (["fills", "--wallet", "0x" + "g" * 40], ["is no wallet"]),
        (["activity", "--wallet", WALLET, "--wallet", ""], ["'' is no wallet"]),
        (["fills", "--token", "YES"], ["--token 'YES' is no token id", "decimal"]),
        (["fills", "--token", "0"], ["--token '0' is no token id"]),
        (["fills", "--token", str(2**256)], ["is no token id"]),
        (["payouts", "--condition", WALLET], ["is no condition", "64 hex digits"]),
        (["payouts", "--worker", "3", "--of", "2"], ["--worker 3 --of 2", "from 1 to 2"]),
        (
            ["payouts", "--all", "--condition", "0x" + "aa" * 32],
            ["--all, --condition and --from-file exclude each other"],
        ),
        (["fills", "--target", "nowhere"], ["no target 'nowhere'", "embedded, server, cluster"]),
        (["positions", "--wallet", "alice"], ["'alice' is no wallet"]),
    ],
)
def test_wrong_words(served: Desk, words: list[str], parts: list[str]) -> None:
    assert_one_sentence(call(served, "load", *words, code=None), *parts)
    assert not served.data.exists()


@pytest.mark.parametrize(
    ("words", "parts"),
    [
        (["lode"], ["no such command 'lode'", "(see polyledger --help)"]),
        (["load", "fill"], ["no such command 'fill'. Did you mean 'fills'", "(see polyledger load --help)"]),
        (
            ["load", "fills", "--sinse", "x"],
            ["no such option: --sinse", "--since", "(see polyledger load fills --help)"],
        ),
        (["load", "fills", "more"], ["unexpected extra argument(s) (more)"]),
        (["load", "fills", "--since"], ["option '--since' requires an argument", "(see polyledger load fills --help)"]),
        (["load", "fills", "--json=yes"], ["option '--json' does not take a value"]),
        (["load", "payouts", "--of", "0"], ["invalid value for '--of': it should be greater than or equal to 1"]),
        (["load", "payouts", "--worker", "0"], ["invalid value for '--worker'", "greater than or equal to 1"]),
        (["load", "payouts", "--worker", "x"], ["invalid value for '--worker'", "valid integer"]),
        (["load", "activity", "--wait", "-1"], ["invalid value for '--wait'"]),
        (["status", "0.1"], ["invalid value for 'seconds'", "greater than or equal to 0.2"]),
        (["profile", "--pages", "1000"], ["invalid value for '--pages'", "less than or equal to 100"]),
        (["--colour"], ["no such option: --colour (see polyledger --help)"]),
    ],
)
def test_unknown_words_are_wrong_use_too(served: Desk, words: list[str], parts: list[str]) -> None:
    assert_one_sentence(call(served, *words, code=None), *parts)
    assert not served.data.exists()


@pytest.mark.parametrize("words", [[], ["load"]])
def test_without_words_the_help_is_shown(desk: Desk, words: list[str]) -> None:
    said = call(desk, *words, code=2)
    assert "Usage: polyledger" in said.out and said.err == ""


@pytest.mark.parametrize(
    ("content", "parts"),
    [
        (None, ["--wallets-from", "wallets.csv cannot be read", "No such file"]),
        (b"", ["names no wallet", "a csv with a column wallet, or lines"]),
        (b"\n\n", ["names no wallet"]),
        (b"wallet\n", ["names no wallet"]),
        (bytes(range(256)), ["wallets.csv cannot be read"]),
        (b"\x7fELF\x02\x01\x01\x00\n\x00", ["is no wallet"]),
        (b"name,address\nalice,0x01\n", ["'name,address' is no wallet"]),
        (b"name,wallet\nalice\n", ["'' is no wallet"]),
        (b"wallet\n" + WALLET.encode() + b"\nbob\n", ["'bob' is no wallet"]),
        (b"x" * 100_000, ["is no wallet"]),
    ],
)
def test_a_wallets_file_that_names_none(served: Desk, tmp_path: Path, content: bytes | None, parts: list[str]) -> None:
    file = tmp_path / "wallets.csv"
    if content is not None:
        file.write_bytes(content)
    said = call(served, "load", "fills", "--wallets-from", str(file), code=None)
    assert_one_sentence(said, *parts)
    assert len(said.err) < 500


# Wrong settings


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("GOLDSKY_REQUESTS_PER_SECOND", "abc"),
        ("GOLDSKY_REQUESTS_PER_SECOND", "0"),
        ("GOLDSKY_REQUESTS_PER_SECOND", "-1"),
        ("GOLDSKY_REQUESTS_PER_SECOND", "nan"),
        ("GOLDSKY_REQUESTS_PER_SECOND", "inf"),
        ("GOLDSKY_CONCURRENCY", "0"),
        ("GOLDSKY_TIMEOUT_SECONDS", "a minute"),
        ("GOLDSKY_BASE_URL", "api.goldsky.com/subgraphs"),
        ("GOLDSKY_BASE_URL", "ftp://localhost/subgraphs"),
        ("GOLDSKY_BASE_URL", "http://"),
        ("GOLDSKY_BASE_URL", "http://localhost:port/subgraphs"),
        ("POLYLEDGER_BATCH_ROWS", "0"),
        ("POLYLEDGER_BATCH_ROWS", "many"),
        ("POLYLEDGER_BATCH_ROWS", "1.5"),
        ("POLYLEDGER_BATCH_ROWS", "\u00b2"),
        ("POLYLEDGER_WAIT", "abc"),
        ("POLYLEDGER_WAIT", "nan"),
        ("POLYLEDGER_WAIT", "-1"),
    ],
)
def test_a_setting_that_cannot_be_used_is_named(served: Desk, name: str, value: str) -> None:
    env: Any = {name: value}
    assert_one_sentence(call(served, "load", "fills", code=None, **env), name, "must be")


@pytest.mark.parametrize("name", ["a-b", "a b", "1st", "", "x;drop", "schéma"])
def test_a_database_name_must_be_plain(served: Desk, name: str) -> None:
    assert_one_sentence(call(served, "load", "fills", code=None, POLYLEDGER_RAW_SCHEMA=name), "is no database name")
    assert_one_sentence(call(served, "load", "fills", code=None, POLYLEDGER_SCHEMA=name), "is no database name")


def test_an_empty_variable_is_as_good_as_none(served: Desk) -> None:
    names = ("GOLDSKY_API_TOKEN", "GOLDSKY_CONCURRENCY", "GOLDSKY_PNL_SUBGRAPH", "POLYLEDGER_BATCH_ROWS")
    env: Any = dict.fromkeys((*names, "POLYLEDGER_WAIT"), "")
    call(served, "load", "payouts", "--all", **env)


@pytest.mark.parametrize(
    ("profiles", "parts"),
    [
        (None, ["no profiles.yml in", "--profiles-dir"]),
        ("", ["no profile polyledger"]),
        ("- polyledger", ["no profile polyledger"]),
        ("polyledger: {target: a, outputs: }", ["no profile polyledger"]),
        ("polyledger: {target: a, outputs: {a: 3}}", ["target 'a'", "not a mapping"]),
        ("polyledger: {target: b, outputs: {a: {host: x}}}", ["no target 'b'"]),
        ("polyledger: {target: a, outputs: {a: {host: x, port: http}}}", ["port", "whole number", "'http'"]),
        (
            """polyledger: {target: a, outputs: {a: {host: "{{ env_var('NOWHERE_SET') }}"}}}""",
            ["NOWHERE_SET", "not set"],
        ),
        ("""polyledger: {target: a, outputs: {a: {host: "{{ 1 + 'x' }}"}}}""", ["cannot be rendered"]),
        ("""polyledger: {target: a, outputs: {a: {host: "{{ env_var( }}"}}}""", ["cannot be rendered"]),
        ("polyledger: {{", ["cannot be read"]),
        ("\xff\xfe", ["cannot be read"]),
    ],
)
def test_profiles_that_cannot_be_used(served: Desk, tmp_path: Path, profiles: str | None, parts: list[str]) -> None:
    if profiles is not None:
        (tmp_path / "profiles.yml").write_text(profiles, "latin-1")
    said = call(served, "load", "fills", "--profiles-dir", str(tmp_path), code=None)
    (start, *_) = said.err.splitlines()  # what the YAML parser says has several lines
    assert (said.code, said.out) == (2, "")
    assert start.startswith("error: ") and all(part in said.err for part in parts), said.err


def test_a_server_that_does_not_answer_fails_and_says_which(served: Desk) -> None:
    said = call(served, "load", "fills", "--target", "server", code=1, CLICKHOUSE_PORT="9", CLICKHOUSE_PASSWORD=CANARY)
    assert said.err.startswith("error: localhost (target server) does not answer")
    assert CANARY not in said.out + said.err


@pytest.mark.parametrize("under_a_file", [True, False])
def test_a_data_folder_that_cannot_be_opened_fails(served: Desk, under_a_file: bool) -> None:
    served.data.write_text("a file")
    if under_a_file:
        served.data /= "inside"
    said = call(served, "load", "fills", code=1)
    assert said.err.startswith("error: ") and str(served.data.parent) in said.err


# Wrong recordings


@pytest.mark.parametrize(
    ("content", "parts"),
    [
        (None, ["cannot be read", "No such file"]),
        (b"", ["is not JSON"]),
        (b"timestamp,maker\n", ["is not JSON"]),
        (b"\xff\xfe\x00", ["is not JSON"]),
        (b"[]", ["Expected {entity: [rows]}"]),
        (b"null", ["Expected {entity: [rows]}"]),
        (b'{"Trade": []}', ["Unknown entity 'Trade'", "OrderFilledEvent"]),
        (b'{"Split": {"id": "0x"}}', ["list of objects under 'Split'"]),
        (b'{"Split": ["0x"]}', ["list of objects under 'Split'"]),
    ],
)
def test_a_recording_that_is_none(desk: Desk, tmp_path: Path, content: bytes | None, parts: list[str]) -> None:
    file = tmp_path / "recording.json"
    if content is not None:
        file.write_bytes(content)
    assert_one_sentence(call(desk, "demo", "--recording", str(file), code=None), "recording.json", *parts)
    assert not desk.data.exists()


def test_the_demo_needs_the_project(desk: Desk, tmp_path: Path) -> None:
    (tmp_path / "profiles.yml").write_text((PROJECT / "profiles.yml").read_text())
    assert_one_sentence(call(desk, "demo", code=None, cwd=tmp_path), "run it in the project's folder")


# Wrong endpoints


def test_html_from_the_start_is_a_wrong_address(desk: Desk) -> None:
    with Goldsky({}, faults=Faults(1.0, ("not_json",))) as endpoint:
        desk.base_url = endpoint.base_url
        said = call(desk, "load", "fills", code=None)
    assert_one_sentence(said, "no subgraph at", "HTML instead of JSON", "GOLDSKY_BASE_URL")


def test_not_found_from_the_start_is_a_wrong_address(served: Desk) -> None:
    served.base_url += "/orderbook"
    said = call(served, "load", "fills", code=None)
    assert_one_sentence(said, "no subgraph at", "HTTP 404", "GOLDSKY_BASE_URL")


def test_html_after_a_good_answer_is_a_bad_moment(desk: Desk) -> None:
    with Goldsky({}, faults=Faults(1.0, ("not_json",), first=1)) as endpoint:
        desk.base_url = endpoint.base_url
        said = call(desk, "load", "fills", code=1)
    assert "asked 9 times" in said.err and "Safe to run the same command again" in said.err


def test_a_few_pages_of_html_are_survived(served: Desk, endpoint: Goldsky) -> None:
    endpoint.faults.queue.extend(["not_json"] * 3)
    call(served, "load", "fills")


def test_nobody_at_the_address_fails_in_one_sentence(desk: Desk) -> None:
    said = call(desk, "load", "fills", code=1)
    sentence, advice = said.err.splitlines()
    assert sentence.startswith("error: http://127.0.0.1:9/subgraphs/orderbook-subgraph/0.0.1/gn was asked 9 times")
    assert "Connect" in sentence
    assert advice == "Safe to run the same command again: it continues where this one stopped."


# The token


def test_the_token_is_sent_as_bearer_and_shown_nowhere(tmp_path: Path) -> None:
    desk = Desk(tmp_path / "warehouse")
    world = simulate(3, steps=60)
    world.entities["Split"][0]["condition"] = None  # a rejected row is written down
    with Goldsky(world.entities, head=world.until, token=CANARY) as endpoint:
        desk.base_url = endpoint.base_url
        said = [
            call(desk, "load", "fills", "--dry-run", GOLDSKY_API_TOKEN=CANARY),
            call(desk, "load", "fills", GOLDSKY_API_TOKEN=CANARY),
            call(desk, "load", "activity", "--json", code=3, GOLDSKY_API_TOKEN=CANARY),
            call(desk, "load", "fills", code=2, GOLDSKY_API_TOKEN=CANARY, GOLDSKY_CONCURRENCY="0"),
        ]
        assert all(request.status == 200 for request in endpoint.requests)
        endpoint.faults = Faults(1.0, ("errors",))
        said.append(call(desk, "load", "fills", code=1, GOLDSKY_API_TOKEN=f"{CANARY}\n"))  # as from a secret's file
        assert not any(request.status == 401 for request in endpoint.requests)
        endpoint.token = "another"
        said.append(call(desk, "load", "fills", code=1, GOLDSKY_API_TOKEN=CANARY))
        assert "refuses access (HTTP 401); check GOLDSKY_API_TOKEN" in said[-1].err
        said.append(call(desk, "load", "fills", code=1))
        assert "check GOLDSKY_API_TOKEN" in said[-1].err
    assert not any(CANARY in each.out + each.err for each in said)
    written = [file for file in tmp_path.rglob("*") if file.is_file()]
    assert any(file.name == "warehouse.lock" for file in written) and len(written) > 20
    assert not [file for file in written if CANARY.encode() in file.read_bytes()]


@pytest.mark.parametrize("token", [f"{CANARY} x", f"{CANARY}\nx", f"{CANARY}\u00e4", f"{CANARY}\x01"])
def test_a_token_that_is_none_is_refused_without_showing_it(served: Desk, token: str) -> None:
    said = call(served, "load", "fills", code=None, GOLDSKY_API_TOKEN=token)
    assert_one_sentence(said, "GOLDSKY_API_TOKEN")
    assert CANARY not in said.err


# Right use


def commands() -> list[list[str]]:
    """Every command there is, as words."""

    def below(group: Any, words: list[str]) -> Iterator[list[str]]:
        for name, command in group.commands.items():
            yield [*words, name]
            if hasattr(command, "commands"):
                yield from below(command, [*words, name])

    return list(below(typer.main.get_command(cli.app), []))


@pytest.mark.parametrize("words", commands(), ids=" ".join)
def test_help_has_an_example(desk: Desk, words: list[str]) -> None:
    said = call(desk, *words, "--help", COLUMNS="120")
    if words == ["load"]:
        assert all(command in said.out for command in ("fills", "activity", "payouts", "positions"))
    else:
        assert f"Example: polyledger {' '.join(words)}" in said.out


@pytest.mark.parametrize("words", [["fills"], ["activity"], ["payouts"], ["payouts", "--all"]])
def test_json_is_all_that_stdout_gets(served: Desk, words: list[str]) -> None:
    planned = json.loads(call(served, "load", *words, "--dry-run", "--json").out)
    assert isinstance(planned, list)
    said = call(served, "load", *words, "--json")
    report = json.loads(said.out)
    assert said.err == ""
    assert report.keys() >= {"run_id", "rows", "rejected", "not_found", "open_windows", "notes", "requests", "seconds"}
    assert report["exit_code"] == 0 and report["open_windows"] == []


def test_the_report_counts_what_was_landed(served: Desk, endpoint: Goldsky) -> None:
    rows = json.loads(call(served, "load", "fills", "--json").out)["rows"]
    assert rows["OrderFilledEvent"] == served.rows("select count() from polyledger_raw.order_filled_events")[0][0] > 50
    assert "landed nothing new" in call(served, "load", "fills").out


def test_a_dry_run_says_what_would_be_asked_and_touches_nothing(served: Desk, endpoint: Goldsky) -> None:
    said = call(served, "load", "fills", "--since", "2025-01-01", "--dry-run", GOLDSKY_REQUESTS_PER_SECOND="5")
    for line in said.out.splitlines():
        assert "2025-01-01 00:00:00 to 2025-" in line and "about 1 requests" in line and "s at the limit" in line
    assert [line.split(":")[0] for line in said.out.splitlines()] == ["OrderFilledEvent", "FeeRefundedEntity"]
    call(served, "load", "activity", "--dry-run")
    call(served, "load", "payouts", "--dry-run")
    assert not served.data.exists() and not served.data.with_name("warehouse.lock").exists()

    call(served, "load", "fills", "--until", "2025-01-15")
    before = [served.rows(f"select count() from polyledger_raw.{t}") for t in ("order_filled_events", "load_windows")]
    planned = json.loads(call(served, "load", "fills", "--dry-run", "--json").out)
    assert {step["since"] for step in planned} == {"2025-01-15T00:00:00+00:00"}
    assert "MarketData" in call(served, "load", "payouts", "--dry-run").out
    after = [served.rows(f"select count() from polyledger_raw.{t}") for t in ("order_filled_events", "load_windows")]
    assert after == before
    call(served, "load", "fills")
    assert "nothing to do" in call(served, "load", "fills", "--dry-run").out


def test_a_dry_run_estimates_by_the_density_of_the_first_page(desk: Desk) -> None:
    fill = simulate(3, steps=20).entities["OrderFilledEvent"][0]
    start = 1_735_689_600
    rows = [fill | {"id": f"{n:05}", "timestamp": str(start + n)} for n in range(10_000)]
    with Goldsky({"OrderFilledEvent": rows}, head=start + 9_999) as endpoint:
        desk.base_url = endpoint.base_url
        words = ["load", "fills", "--since", "2025-01-01", "--dry-run", "--json"]
        fills, refunds = json.loads(call(desk, *words, GOLDSKY_REQUESTS_PER_SECOND="2").out)
    assert fills["requests"] == 11 and refunds["requests"] == 1
    assert fills["seconds"] == 5.5
