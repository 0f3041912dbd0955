"""Identifiers that are hostile, endpoints that are, and secrets, which are never told."""

import gzip
import json
import socketserver
import stat
import threading
from collections.abc import Iterator
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from loaders.answers import LARGEST_ANSWER
from loaders.standin.goldsky import Faults, Goldsky
from loaders.tests.conftest import SERVER_TOOL, Desk, ServerDesk, free_port
from loaders.tests.test_command import Said, assert_one_sentence, call

CANARY = "canary-8d41f07e-not-to-be-told"
WALLET, CONDITION = "0x" + "0a" * 20, "0x" + "0b" * 32

# Hostile identifiers: nothing of them may reach an endpoint or a warehouse.


def hostile(good: str) -> list[str]:
    """What an attacker, a spreadsheet or a broken script puts where an identifier belongs."""
    return [
        "'",
        '"',
        "`",
        "\\",
        "' or '1'='1",
        "'; drop table polyledger_raw.order_filled_events; --",
        f"{good}' or 1=1 --",
        f"{good}/*",
        f"{good}--",
        f"{good};",
        f"{good} ",
        f"{good}\n",
        f"{good}\r\n{good}",
        f"{good}\x00",
        f"\x1b[31m{good}",
        f"{good},{good}",
        f'{good}"}}) {{ id }} }}',
        "{{ env_var('GOLDSKY_API_TOKEN') }}",
        "{wallet:String}",
        "%s%n%x",
        "$(id)",
        "../../etc/passwd",
        "0x" + "0A" * 10_000,
        "9" * 10_000,
        "a" * 10_000,
        "\uff10\uff58" + "\uff10\uff41" * 20,
        "0x" + "\u0430" * 40,  # a Cyrillic letter
        "\u202e" + good,
        good[:-1] + "\u0661",
        good[:-1] + "\u200b",
        "\ud83d\ude00".encode("utf-16", "surrogatepass").decode("utf-16"),
        "",
        " ",
        "-1",
        "1e3",
        "NaN",
        "null",
    ]


class Silent(socketserver.BaseRequestHandler):
    """Notes that somebody connected."""

    def handle(self) -> None:
        self.server.connected += 1  # type: ignore[attr-defined]


@pytest.fixture
def guarded(desk: Desk) -> Iterator[dict[str, Any]]:
    """The environment of a server target; whoever connects to the server or asks the endpoint fails the test."""
    listener = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Silent)
    listener.connected = 0  # type: ignore[attr-defined]
    threading.Thread(target=listener.serve_forever, args=(0.02,), daemon=True).start()
    with Goldsky({}) as endpoint:
        desk.base_url = endpoint.base_url
        port = str(listener.server_address[1])
        yield {"POLYLEDGER_TARGET": "server", "CLICKHOUSE_HOST": "127.0.0.1", "CLICKHOUSE_PORT": port}
        assert endpoint.requests == []
    listener.shutdown()
    listener.server_close()
    assert listener.connected == 0  # type: ignore[attr-defined]


OPTIONS = {
    "fills --wallet": (["load", "fills", "--wallet={}"], WALLET),
    "fills --token": (["load", "fills", "--token={}"], "7"),
    "activity --wallet": (["load", "activity", "--wallet={}"], WALLET),
    "payouts --condition": (["load", "payouts", "--condition={}"], CONDITION),
    "positions --wallet": (["load", "positions", "--wallet={}"], WALLET),
    "explain": (["explain", "--", "{}"], WALLET),
    "explain --condition": (["explain", WALLET, "--condition={}"], CONDITION),
    "fills --since": (["load", "fills", "--since={}"], "2025-01-01"),
    "sync --since": (["sync", "--since={}"], "2025-01-01"),
    "--target": (["load", "fills", "--target={}"], "server"),
    "publish --target": (["publish", "--target={}"], "server"),
    "setup --target": (["setup", "--target={}"], "server"),
}
# Read as what was meant: around an identifier white space means nothing, and an empty option is none.
MEANT = {
    "wallet": {f"{WALLET} ", f"{WALLET}\n"},
    "condition": {f"{CONDITION} ", f"{CONDITION}\n", ""},
    "target": {""},
    "since": set(),
    "token": set(),
}


@pytest.mark.parametrize("option", OPTIONS)
def test_a_hostile_identifier_is_refused_before_anything_is_asked(
    desk: Desk, guarded: dict[str, Any], option: str
) -> None:
    words, good = OPTIONS[option]
    kind = option.rpartition("--")[2] if "--" in option else "wallet"
    meant = MEANT[kind] if option != "payouts --condition" else MEANT[kind] - {""}
    for text in hostile(good):
        if text in meant or "\x00" in text:  # no process can be given a zero byte
            continue
        said = call(desk, *(word.format(text) if "{}" in word else word for word in words), code=None, **guarded)
        assert_one_sentence(said)
        assert len(said.err) < 700 and said.err.rstrip("\n").isprintable(), said.err


@pytest.mark.parametrize(("words", "option"), [("fills", "wallet"), ("positions", "wallet"), ("payouts", "condition")])
def test_a_hostile_file_is_refused_before_anything_is_asked(
    desk: Desk, guarded: dict[str, Any], tmp_path: Path, words: str, option: str
) -> None:
    good = WALLET if option == "wallet" else CONDITION
    file = tmp_path / "ids.csv"
    for text in hostile(good):
        if not text.strip() or text.strip() in (good, f"{good}\r\n{good}"):
            continue
        for content in (f"{good}\n{text}\n", f'{option},note\n{good},x\n"{text.replace(chr(34), chr(34) * 2)}",y\n'):
            file.write_text(content, newline="")
            said = call(desk, "load", words, f"--{option}s-from", str(file), code=None, **guarded)
            if said.code == 2:
                assert_one_sentence(said)
                assert len(said.err) < 700 and said.err.rstrip("\n").isprintable(), said.err
            else:  # nothing but the good one was read out of it: a cell that ends at a comma or a line
                raise AssertionError((text, said))


@pytest.mark.parametrize("variable", ["POLYLEDGER_SCHEMA", "POLYLEDGER_RAW_SCHEMA", "GOLDSKY_PNL_SUBGRAPH"])
def test_a_hostile_name_in_the_environment_is_refused(desk: Desk, guarded: dict[str, Any], variable: str) -> None:
    for text in hostile("polyledger"):
        # A subgraph's name may have a hyphen, but not begin with one.
        hyphens = variable == "GOLDSKY_PNL_SUBGRAPH" and not text.startswith("-")
        is_name = text.replace("-", "").isalnum() if hyphens else text.isidentifier()
        is_name = is_name and text.isascii() and len(text) <= 100
        if not text or "\x00" in text or is_name:
            continue
        said = call(desk, "load", "fills", code=None, **(guarded | {variable: text}))
        assert_one_sentence(said)
        assert len(said.err) < 700 and said.err.rstrip("\n").isprintable(), said.err


def test_dbt_refuses_a_hostile_name_too(desk: Desk) -> None:
    said = desk.dbt("run", "--select", "int_windows", code=None, POLYLEDGER_RAW_SCHEMA="x; drop database y")
    assert said.returncode and "is no database name" in said.stdout


# Hostile endpoints


class Hostile(BaseHTTPRequestHandler):
    """Answers every question with the same bytes."""

    def __init__(self, status: int, headers: dict[str, str], parts: list[bytes], *more: Any) -> None:
        self.status, self.more, self.parts = status, headers, parts
        super().__init__(*more)

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        self.send_response(self.status)
        for name, value in self.more.items():
            self.send_header(name, value)
        self.end_headers()
        try:
            for part in self.parts:
                self.wfile.write(part)
        except OSError:  # whoever asked has read enough
            self.close_connection = True

    def log_message(self, *_: Any) -> None:
        pass


def ask(desk: Desk, status: int, headers: dict[str, str], *parts: bytes) -> Said:
    """What a load says of an endpoint that always answers so."""
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Hostile, status, headers, list(parts))) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        desk.base_url = f"http://127.0.0.1:{server.server_address[1]}/subgraphs"
        try:
            return call(desk, "load", "fills", "--since", "2025-01-01", code=None, GOLDSKY_API_TOKEN=CANARY)
        finally:
            server.shutdown()


def test_an_answer_that_is_too_large_is_not_read_to_its_end(desk: Desk) -> None:
    megabyte = b" " * 1_000_000
    said = ask(desk, 200, {"content-type": "application/json"}, b'{"data": {', *[megabyte] * 200)
    assert said.code == 1 and "an answer of more than 16 MB" in said.err


def test_an_answer_that_unpacks_to_too_much_is_not_unpacked(desk: Desk) -> None:
    bomb = gzip.compress(b" " * (20 * LARGEST_ANSWER))
    assert len(bomb) < 400_000
    said = ask(desk, 200, {"content-encoding": "gzip"}, bomb)
    assert said.code == 1 and "an answer of more than 16 MB" in said.err


@pytest.mark.parametrize("packed", ["gzip, gzip", "zstd", "br", "deflate"])
def test_an_answer_that_is_packed_as_nobody_asked_is_not_unpacked(desk: Desk, packed: str) -> None:
    said = ask(desk, 200, {"content-encoding": packed}, b"x" * 100)
    assert said.code == 1 and f"an answer packed as '{packed}', which was not asked for" in said.err


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_redirect_is_not_followed(desk: Desk, status: int) -> None:
    """Neither the question nor the token goes where an answer points."""
    with Goldsky({}) as other:
        said = ask(desk, status, {"location": f"{other.base_url}/orderbook-subgraph/0.0.1/gn"})
        assert said.code == 2 and f"HTTP {status}, a redirect, and none is followed" in said.err
        assert other.requests == []


def test_more_rows_than_were_asked_for_are_no_answer(desk: Desk) -> None:
    row = {"id": "0x" + "a" * 64 + "_0x" + "b" * 64, "timestamp": "1735689600"}
    data = {"_meta": {"block": {"number": 7, "timestamp": 1767225600}, "deployment": "x"}, "rows": [row] * 1001}
    said = ask(desk, 200, {"content-type": "application/json"}, json.dumps({"data": data}).encode())
    assert said.code == 3 and "1,001 rows where 1,000 were asked for" in said.out
    assert "landed nothing new" in said.out


def test_json_nested_beyond_measure_is_broken_json(desk: Desk) -> None:
    said = ask(desk, 200, {}, b'{"data":' + b"[" * 1_000_000 + b"]" * 1_000_000 + b"}")
    assert said.code == 1 and "broken JSON" in said.err


# Secrets


def test_secrets_are_never_told(desk: Desk, tmp_path: Path) -> None:
    """Every credential there is, in every command, with every kind of trouble; then all that was said and written."""
    log, said = tmp_path / "a.log", []
    secrets: dict[str, Any] = {
        "CLICKHOUSE_PASSWORD": CANARY,
        "GOLDSKY_API_TOKEN": CANARY,
        "POLYLEDGER_LOADER_PASSWORD": CANARY,
        "POLYLEDGER_BUILDER_PASSWORD": CANARY,
        "POLYLEDGER_READER_PASSWORD": CANARY,
    }
    row = {
        "id": "0x" + "a" * 64 + "_0x" + "b" * 64,
        "transactionHash": "0x" + "a" * 64,
        "timestamp": "1735689600",
        "orderHash": "0x" + "b" * 64,
        "maker": WALLET,
        "taker": WALLET,
        "makerAssetId": "0",
        "takerAssetId": "1",
        "makerAmountFilled": "1",
        "takerAmountFilled": CANARY,  # an endpoint that repeats what it was sent, in a row that is kept aside
        "fee": "0",
    }
    commands: list[list[str]] = [
        ["load", "fills", "--since", "2025-01-01", "--log-file", str(log), "--json"],
        ["load", "fills", "--dry-run"],
        ["load", "activity", "--log-file", str(log)],
        ["load", "payouts", "--json"],
        ["load", "positions", "--wallet", WALLET],
        ["sync", "--log-file", str(log)],
        ["doctor"],
        ["doctor", "--json"],
        ["status", "--json"],
        ["verify", "--json"],
        ["profile"],
        ["explain", WALLET],
        ["setup"],
        ["setup", "--roles"],
        ["publish", "--undo"],
    ]
    with Goldsky({"OrderFilledEvent": [row]}, token=CANARY) as endpoint:
        desk.base_url = endpoint.base_url
        for words in commands:
            said.append(call(desk, *words, code=None, **secrets))
        endpoint.token = "another"
        said.append(call(desk, "load", "fills", code=1, **secrets))
        endpoint.token, endpoint.faults = CANARY, Faults(1.0, ("errors",))
        said.append(call(desk, "load", "fills", "--log-file", str(log), code=1, **secrets))
    server: dict[str, Any] = {
        "POLYLEDGER_TARGET": "server",
        "CLICKHOUSE_HOST": "127.0.0.1",
        "CLICKHOUSE_PORT": str(free_port()),
    }
    for words in commands:
        said.append(call(desk, *words, code=None, **secrets, **server))
    address = f"http://me:{CANARY}@127.0.0.1:9"
    for more in ({"GOLDSKY_BASE_URL": address}, server | {"CLICKHOUSE_HOST": address}):
        said += [call(desk, *words, code=None, **(secrets | more)) for words in commands[:1] + commands[6:9]]
    said += [ask(desk, 200, {}, json.dumps({"errors": [{"message": f"Bearer {CANARY}"}]}).encode())]
    told = desk.dbt("build", "--select", "int_windows", code=None, DBT_WRITE_JSON="true", **secrets)
    said.append(Said(told.returncode, told.stdout, told.stderr))

    assert any("kept aside" in one.out for one in said) or desk.rows("select count() from polyledger_raw.rejected_rows")
    assert desk.rows("select count() > 0 from polyledger_raw.load_runs") == [(1,)]
    assert [one for one in said if CANARY in one.out + one.err] == []
    written = [file for file in tmp_path.rglob("*") if file.is_file()]
    assert log in written and any(file.name == "dbt.log" for file in written)
    assert [file for file in written if CANARY.encode() in file.read_bytes()] == []
    for table in ("load_runs", "rejected_rows", "load_windows"):
        assert CANARY not in repr(desk.rows(f"select * from polyledger_raw.{table}"))


@pytest.mark.skipif(not SERVER_TOOL.exists(), reason="there is no tools/clickhouse_server.py")
def test_secrets_are_not_told_to_a_server(server_desk: ServerDesk) -> None:
    """Not in its tables, and a password never in a statement: what setup --roles sends is a salted hash."""
    desk = server_desk
    with Goldsky({}) as endpoint:
        desk.base_url = endpoint.base_url
        call(desk, "load", "fills", "--since", "2025-01-01", GOLDSKY_API_TOKEN=CANARY)
    said = call(desk, "setup", "--roles", code=None, POLYLEDGER_LOADER_PASSWORD=CANARY)
    assert CANARY not in said.out + said.err
    assert CANARY not in repr(desk.rows("select * from polyledger_raw.load_runs"))


# Files


def test_the_embedded_folder_is_its_owners_only(desk: Desk) -> None:
    with Goldsky({}) as endpoint:
        desk.base_url = endpoint.base_url
        call(desk, "load", "fills", "--since", "2025-01-01")
    assert stat.S_IMODE(desk.data.stat().st_mode) == 0o700
