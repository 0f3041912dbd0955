"""Fills from files and files from tables: what comes out is what came over the wire, and nothing lands by halves."""

import csv
import gzip
import http.server
import json
import lzma
import random
import re
import signal
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

import clickhouse_connect
import pyarrow as pa
import pyarrow.parquet
import pytest

from loaders.entities import Row
from loaders.standin.goldsky import Goldsky
from loaders.standin.world import simulate
from loaders.tests.conftest import Desk, ServerDesk, free_port
from loaders.tests.processes import Process, Processes, processes
from loaders.tests.test_command import CANARY, call
from loaders.tests.test_loading import (
    ALICE,
    BOB,
    DAY,
    NEW_YEAR,
    asked,
    fill,
    hash_of,
    ids,
    landed,
    open_windows,
    raw,
    span,
    windows,
)

FILLS = [fill(n, NEW_YEAR + 1000 * n, buys=n % 3 != 0, maker=ALICE if n % 2 else BOB) for n in range(200)]
LARGEST = fill(1000, NEW_YEAR + 5, token=2**256 - 1) | {"makerAmountFilled": str(2**64 - 1), "fee": "7"}
WORLD = simulate(4, steps=120, pools=2)

Write = Callable[[Path, list[Row]], None]


def text(path: Path, rows: list[Row], separator: str = ",") -> None:
    with path.open("w", newline="") as out:
        writer = csv.DictWriter(out, list(rows[0]), delimiter=separator, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def lines(path: Path, rows: list[Row]) -> None:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


def numbers(path: Path, rows: list[Row]) -> None:
    """JSON with numbers beyond what a float holds, and a blank line."""
    lines(path, [{name: int(v) if v.isdigit() else v for name, v in row.items()} for row in rows])
    path.write_text(path.read_text() + "\n")


def parquet(path: Path, rows: list[Row], types: dict[str, Any] | None = None) -> None:
    """Columns are text, but for those whose type is given, in which a value is what int() makes of it."""
    columns = {}
    for name in rows[0]:
        kind = (types or {}).get(name, pa.string())
        columns[name] = pa.array([row[name] if kind == pa.string() else convert(row[name], kind) for row in rows], kind)
    pyarrow.parquet.write_table(pa.table(columns), path)


def convert(value: str, kind: Any) -> Any:
    if pa.types.is_fixed_size_binary(kind):
        return bytes.fromhex(value[2:])
    if pa.types.is_decimal(kind):
        return Decimal(value)
    if pa.types.is_timestamp(kind):
        return datetime.fromtimestamp(int(value), UTC)
    return float(value) if pa.types.is_floating(kind) else int(value)


TYPED = {
    "transactionHash": pa.binary(32),
    "orderHash": pa.binary(32),
    "maker": pa.binary(20),
    "timestamp": pa.timestamp("us", "UTC"),
    "makerAssetId": pa.decimal256(76, 0),
    "makerAmountFilled": pa.int64(),
    "takerAmountFilled": pa.uint64(),
    "fee": pa.decimal128(20, 0),
}


def packed(write: Write, pack: Callable[[bytes], bytes], path: Path, rows: list[Row]) -> None:
    write(path, rows)
    path.write_bytes(pack(path.read_bytes()))


def names(to: Callable[[str], str], write: Write, path: Path, rows: list[Row]) -> None:
    write(path, [{to(name): value for name, value in row.items()} for row in rows])


def snake(name: str) -> str:
    return re.sub("(?=[A-Z])", "_", name).lower()


def moments(write: Write, path: Path, rows: list[Row]) -> None:
    """Moments as people write them."""
    forms = ("%Y-%m-%dT%H:%M:%SZ", "%Y-%m-%d %H:%M:%S", "%Y-%m-%d %H:%M:%S.000 UTC", "%Y-%m-%dT%H:%M:%S+00:00")
    said = [
        row | {"timestamp": f"{datetime.fromtimestamp(int(row['timestamp']), UTC):{forms[n % 4]}}"}
        for n, row in enumerate(rows)
    ]
    write(path, said)


@pytest.fixture(scope="module")
def wire(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[Any, ...]]:
    """FILLS and LARGEST, as a load over HTTP lands them."""
    desk = Desk(tmp_path_factory.mktemp("wire") / "warehouse")
    with Goldsky({"OrderFilledEvent": [*FILLS, LARGEST]}) as endpoint:
        desk.base_url = endpoint.base_url
        call(desk, "load", "fills")
    return raw(desk, "order_filled_events")


@pytest.mark.parametrize(
    ("ending", "write"),
    [
        ("csv", text),
        ("tsv", partial(text, separator="\t")),
        ("jsonl", lines),
        ("ndjson", numbers),
        ("parquet", parquet),
        ("csv.gz", partial(packed, text, gzip.compress)),
        ("jsonl.xz", partial(packed, lines, lzma.compress)),
        ("csv", partial(names, snake, text)),
        ("parquet", partial(names, lambda name: f"{name}".upper(), parquet)),
        ("csv", partial(moments, text)),
    ],
)
def test_files_of_every_kind_land_what_the_wire_lands(
    desk: Desk, tmp_path: Path, wire: list[tuple[Any, ...]], ending: str, write: Write
) -> None:
    file = tmp_path / f"fills.{ending}"
    write(file, [*FILLS, LARGEST])
    said = call(desk, "load", "files", str(file))
    assert "landed 201 OrderFilledEvent in" in said.out
    assert raw(desk, "order_filled_events") == wire


def test_columns_of_binary_decimal_and_time_types_are_understood(desk: Desk, tmp_path: Path) -> None:
    file = tmp_path / "typed.parquet"
    rows = [row | {"makerAssetId": row["makerAssetId"][:70]} for row in FILLS]
    parquet(file, rows, TYPED)
    call(desk, "load", "files", str(file))
    text(tmp_path / "same.csv", rows)
    before = raw(desk, "order_filled_events")
    call(desk, "load", "files", str(tmp_path / "same.csv"))
    assert len(before) == 200 and raw(desk, "order_filled_events") == before


def test_a_landed_row_lands_twice_and_counts_once(desk: Desk, tmp_path: Path) -> None:
    text(tmp_path / "first.csv", FILLS[:150])
    parquet(tmp_path / "second.parquet", FILLS[100:])
    with Goldsky({"OrderFilledEvent": FILLS}) as endpoint:
        desk.base_url = endpoint.base_url
        call(desk, "load", "fills", *span(0, 1))
    before = raw(desk, "order_filled_events")
    for _ in range(2):
        call(desk, "load", "files", str(tmp_path / "first.csv"), str(tmp_path / "second.parquet"))
    after = raw(desk, "order_filled_events")
    assert set(before) < set(after) and landed(desk) == ids(FILLS) and len(after) == 200
    assert desk.rows("select count() from polyledger_raw.order_filled_events final") == [(200,)]


def test_a_pattern_is_read_as_one(desk: Desk, tmp_path: Path) -> None:
    (tmp_path / "dump").mkdir()
    for part in range(4):
        parquet(tmp_path / "dump" / f"{part}.parquet", FILLS[part * 50 : part * 50 + 50])
    call(desk, "load", "files", str(tmp_path / "dump" / "*.parquet"))
    assert landed(desk) == ids(FILLS)


def test_what_was_understood_is_shown_and_recorded(desk: Desk, tmp_path: Path) -> None:
    file = tmp_path / "fills.csv"
    text(file, [row | {"blockNumber": "5"} for row in FILLS])
    said = call(desk, "load", "files", str(file))
    assert re.search(r"^  maker_amount_filled +<- makerAmountFilled$", said.out, re.MULTILINE)
    assert "  not used: blockNumber\n" in said.out
    assert f"note: {file}: 200 fills from 2025-01-01 00:00:00 to 2025-01-03 07:16:40 UTC" in said.out
    assert "nothing is remembered as complete" in said.out and "requests" not in said.out
    report = json.loads(call(desk, "load", "files", str(file), "--json").out)
    assert report["rows"] == {"OrderFilledEvent": 200} and report["exit_code"] == 0
    (found,) = report["files"]
    assert (found["protocol"], found["rows"], found["rejected"], found["unused"]) == ("v1", 200, 0, ["blockNumber"])
    assert found["columns"]["transaction_hash"] == "transactionHash"
    runs = desk.rows(
        "select command, asked, argMax((state, rows), updated_at) from polyledger_raw.load_runs "
        "group by run_id, command, asked order by asked desc"
    )
    assert runs[0] == ("load files", json.dumps([str(file)]), ("done", 200))


# What cannot be understood


DAMAGE: list[tuple[Row, str | None]] = [
    ({"transactionHash": "0x12"}, 'transactionHash is not 0x and 64 hex digits: "0x12"'),
    ({"orderHash": "0x" + "g" * 64}, f'orderHash is not 0x and 64 hex digits: "0x{"g" * 64}"'),
    ({"maker": ""}, "maker is missing"),
    ({"maker": None}, "maker is missing"),
    ({"taker": ALICE + "00"}, f'taker is not 0x and 40 hex digits: "{ALICE}00"'),
    ({"timestamp": "yesterday"}, 'timestamp is not a moment: unix seconds, or 2025-01-31T12:00:00 in UTC: "yesterday"'),
    ({"timestamp": "1735689600000"}, None),
    ({"timestamp": "2025-02-30T00:00:00Z"}, None),
    ({"timestamp": "2025-01-31T00:00:00.5Z"}, None),
    ({"timestamp": "2025-01-31T00:00:00+01:00"}, None),
    ({"makerAmountFilled": "12.5"}, 'makerAmountFilled is not a whole number of up to 64 bits: "12.5"'),
    ({"makerAmountFilled": "1e6"}, None),
    ({"makerAmountFilled": "-1"}, None),
    ({"makerAmountFilled": "+1"}, None),
    ({"makerAmountFilled": str(2**64)}, None),
    ({"fee": "0x0"}, None),
    ({"takerAssetId": str(2**256)}, None),
    ({"takerAssetId": "1" * 200}, None),
    ({"takerAssetId": "0"}, "neither a buy nor a sell: exactly one of maker_asset_id and taker_asset_id must be 0"),
    ({"makerAssetId": "8"}, "neither a buy nor a sell: exactly one of maker_asset_id and taker_asset_id must be 0"),
    ({"id": f"{hash_of(1)}_{hash_of(2)}"}, "id is not transactionHash_orderHash"),
]


@pytest.mark.parametrize(("ending", "write"), [("csv", text), ("jsonl", lines), ("parquet", parquet)])
def test_rows_that_cannot_be_understood_are_kept_aside(desk: Desk, tmp_path: Path, ending: str, write: Write) -> None:
    damaged = [fill(5000 + n) | damage for n, (damage, _) in enumerate(DAMAGE)]
    rows = [*FILLS[:20], *damaged, *FILLS[20:40]]
    write(tmp_path / f"fills.{ending}", rows)
    said = call(desk, "load", "files", str(tmp_path / f"fills.{ending}"), code=3)
    assert f"kept aside: {len(damaged)} rows of OrderFilledEvent could not be understood" in said.out
    assert landed(desk) == ids(FILLS[:40])
    kept = desk.rows("select entity, reason, raw, _run_id != '' from polyledger_raw.rejected_rows")
    assert {(entity, is_told) for entity, _, _, is_told in kept} == {("OrderFilledEvent", True)}
    assert {reason for _, reason, _, _ in kept} >= {reason for _, reason in DAMAGE if reason}
    # As they came; a CSV has no null.
    came, found = (
        sorted(json.dumps({name: value or "" for name, value in row.items()}, sort_keys=True) for row in some)
        for some in (damaged, [json.loads(row) for _, _, row, _ in kept])
    )
    assert found == came
    # The same once more: the same rows are kept aside, and nothing else lands.
    call(desk, "load", "files", str(tmp_path / f"fills.{ending}"), code=3)
    assert desk.rows("select count() from polyledger_raw.rejected_rows final") == [(len(damaged),)]


def test_a_row_that_is_no_unicode_is_kept_legibly(desk: Desk, tmp_path: Path) -> None:
    text(tmp_path / "fills.csv", [*FILLS, fill(999) | {"fee": "caf~"}])
    (tmp_path / "fills.csv").write_bytes((tmp_path / "fills.csv").read_bytes().replace(b"caf~", b"caf\xe9"))
    call(desk, "load", "files", str(tmp_path / "fills.csv"), code=3)
    ((reason, row),) = desk.rows("select reason, raw from polyledger_raw.rejected_rows")
    assert reason == 'fee is not a whole number of up to 64 bits: "caf\ufffd"'
    assert json.loads(row)["id"] == fill(999)["id"]


def test_a_range_is_all_that_is_looked_at(desk: Desk, tmp_path: Path) -> None:
    bad = [fill(900 + n, NEW_YEAR + 3 * DAY) | {"fee": "x"} for n in range(5)]
    text(tmp_path / "fills.csv", [*FILLS, *bad])
    said = call(desk, "load", "files", str(tmp_path / "fills.csv"), *span(1, 2))
    inside = [row for row in FILLS if NEW_YEAR + DAY <= int(row["timestamp"]) < NEW_YEAR + 2 * DAY]
    assert landed(desk) == ids(inside) and len(inside) == 86
    assert f"; {len(FILLS) - len(inside) + 5} outside of the range" in said.out


# What is refused: one sentence, and nothing lands


def refused(desk: Desk, *words: str) -> str:
    said = call(desk, "load", "files", *words, code=2)
    assert said.err.startswith("error: ") and said.err.count("\n") == 1, said.err
    assert not desk.data.exists() or not desk.has_tables() or landed(desk) == set()
    return said.err


def cut(part: float, content: bytes) -> bytes:
    return content[: int(len(content) * part)]


def zeros(content: bytes) -> bytes:
    middle = len(content) // 3
    return content[:middle] + bytes(200) + content[middle + 200 :]


@pytest.mark.parametrize(
    ("ending", "write", "damage", "said"),
    [
        ("parquet", parquet, partial(cut, 0.5), "Not a Parquet file (wrong magic bytes at the end of file)"),
        ("parquet", parquet, zeros, "cannot be read: "),
        ("csv.gz", partial(packed, text, gzip.compress), partial(cut, 0.9), "inflate failed"),
        ("jsonl.xz", partial(packed, lines, lzma.compress), partial(cut, 0.9), "lzma_stream_decoder failed"),
        ("csv", text, partial(cut, 0.95), "ends in the middle of a line"),
        ("csv", text, lambda content: content + b'1,"\n', "Rows have different amount of values"),
        (
            "csv",
            text,
            lambda content: content + b"1,2,3,4,5,6,7,8,9,10,11,12\n",
            "Rows have different amount of values",
        ),
        ("jsonl", lines, partial(cut, 0.95), "cannot be read: "),
        ("jsonl", lines, lambda content: content + b"[1, 2]\n", "cannot be read: "),
        ("csv", text, lambda content: b"", "is empty"),
        ("csv", text, lambda content: content.split(b"\n")[0] + b"\n", "has no rows"),
    ],
)
def test_a_damaged_file_is_told_in_one_sentence_and_nothing_lands(
    desk: Desk, tmp_path: Path, ending: str, write: Write, damage: Callable[[bytes], bytes], said: str
) -> None:
    good, bad = tmp_path / "good.parquet", tmp_path / f"bad.{ending}"
    parquet(good, FILLS)
    write(bad, [fill(n) for n in range(3000)])
    bad.write_bytes(damage(bad.read_bytes()))
    error = refused(desk, str(good), str(bad))
    assert str(bad) in error and said in error
    assert not re.search(r"DB::Exception|Code: |\([A-Z_]+\)$", error)


@pytest.mark.parametrize(
    ("types", "said"),
    [
        (
            {"makerAmountFilled": pa.float64()},
            "(maker_amount_filled) as Float64: money and ids are never",
        ),
        ({"timestamp": pa.float32()}, "timestamp (timestamp) as Float32"),
        ({"fee": pa.decimal128(20, 6)}, "fee (fee) as Decimal(20, 6), where whole numbers, or text can be understood"),
        ({"maker": pa.binary(32)}, "maker cannot be understood"),
        ({"fee": pa.list_(pa.int64())}, "fee (fee) as Array("),
    ],
)
def test_a_wrong_type_is_told_in_one_sentence(desk: Desk, tmp_path: Path, types: dict[str, Any], said: str) -> None:
    file = tmp_path / "fills.parquet"
    if "maker" in types:
        parquet(file, [row | {"maker": row["maker"] + "00" * 12} for row in FILLS], types)
        assert "maker is not 0x and 40 hex digits" in refused(desk, str(file))
    elif pa.types.is_list(types.get("fee", pa.string())):
        table = pa.table({name: [[0] if name == "fee" else row[name] for row in FILLS] for name in FILLS[0]})
        pyarrow.parquet.write_table(table, file)
        assert said in refused(desk, str(file))
    else:
        parquet(file, FILLS, types)
        assert said in refused(desk, str(file))


def test_a_file_of_which_most_cannot_be_understood_is_refused(desk: Desk, tmp_path: Path) -> None:
    file = tmp_path / "fills.csv"
    text(file, [row | {"makerAmountFilled": f"{n}.5"} for n, row in enumerate(FILLS)])
    assert (
        f"{file}: 200 of 200 rows cannot be understood, most because makerAmountFilled is not a whole number of up to "
        "64 bits: '0.5'. Nothing was landed: see whether the columns are right"
    ) in refused(desk, str(file))


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["none.csv"], "none.csv does not exist"),
        (["*.jsonl"], "there is no such file"),
        (["{a,b}.csv"], "braces"),
        (["fills.csv", "fills.csv"], "is named twice"),
        (["fills.txt"], "the kind of a file is told by its ending"),
        (["fills.parquet.gz"], "the kind of a file is told by its ending"),
        (["ftp://127.0.0.1/fills.csv"], "files are read from a path, s3://, https:// or http://"),
        (["https://127.0.0.1/fills.csv.zst"], "download it first"),
        (["folder.csv"], "is a folder"),
        (["fills.csv", "--map", "id"], "THEIRS=OURS expected"),
        (["fills.csv", "--map", "id=price"], "OURS is one of transaction_hash"),
        (["fills.csv", "--map", "id=maker", "--map", "id=taker"], "each column can be given once"),
        (["fills.csv", "--map", "nope=maker"], "has no column 'nope', which --map names; it has id, transactionHash"),
        (["fills.csv", "--map", "maker=taker"], "has no column for maker of V1 fills"),
        (["fills.csv", "--complete"], "--complete needs --since and --until"),
        (["fills.csv", "--complete", *span(0, 1)[:2], "--until", "2100-01-01"], "--complete needs"),
        (["fills.csv", "--complete", *span(50, 60)], "hold no fill of the range"),
        (["few.csv"], "has no column for order_hash, fee of V1 fills; it has id, transactionHash"),
        (["double.csv"], "has fee, Fee: say with --map which is fee"),
        (["both.csv"], "has the columns of V1 and of V2 fills: say with --protocol"),
        (["quoted.parquet"], "rename it, quotes cannot be part of a name here"),
    ],
)
def test_what_cannot_be_meant_is_told_in_one_sentence(
    desk: Desk, tmp_path: Path, words: list[str], said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    text(tmp_path / "fills.csv", FILLS)
    (tmp_path / "folder.csv").mkdir()
    text(tmp_path / "few.csv", [{n: v for n, v in row.items() if n not in ("orderHash", "fee")} for row in FILLS])
    text(tmp_path / "double.csv", [row | {"Fee": "0"} for row in FILLS])
    text(tmp_path / "both.csv", [row | v2(row) for row in FILLS])
    quoted = "mak`er' or 1"
    parquet(tmp_path / "quoted.parquet", [{quoted if n == "maker" else n: row[n] for n in row} for row in FILLS])
    words = [*words, "--map", f"{quoted}=maker"] if "quoted" in words[0] else words
    assert said in refused(desk, *words_in(tmp_path, words))


def words_in(folder: Path, words: list[str]) -> list[str]:
    is_option = [word.startswith("--") for word in words]
    return [
        word if "://" in word or is_option[n] or (n and is_option[n - 1]) else str(folder / word)
        for n, word in enumerate(words)
    ]


def test_columns_with_other_names_are_named(desk: Desk, tmp_path: Path) -> None:
    theirs = {"transactionHash": "hash", "orderHash": "select", "fee": "a b.c", "maker": "owner=x"}
    theirs["timestamp"] = "block_time"
    text(tmp_path / "fills.csv", [{theirs.get(n, n): v for n, v in row.items() if n != "id"} for row in FILLS])
    maps = ["hash=transaction_hash", "select=order_hash", "a b.c=fee", "owner=x=maker"]
    call(desk, "load", "files", str(tmp_path / "fills.csv"), *[word for one in maps for word in ("--map", one)])
    assert landed(desk) == ids(FILLS)


def test_a_dry_run_reads_and_touches_nothing(desk: Desk, tmp_path: Path) -> None:
    text(tmp_path / "fills.csv", [*FILLS, fill(999) | {"fee": "x"}])
    said = call(desk, "load", "files", str(tmp_path / "fills.csv"), "--dry-run")
    assert "<- makerAmountFilled" in said.out and not desk.data.exists()
    assert "200 fills from 2025-01-01" in said.out and "1 rows that cannot be understood" in said.out
    (plan,) = json.loads(call(desk, "load", "files", str(tmp_path / "fills.csv"), "--dry-run", "--json").out)
    assert (plan["entity"], plan["rows"], plan["rejected"]) == ("OrderFilledEvent", 200, 1)


# What is remembered


def test_what_is_said_to_be_complete_is_not_asked_for_again(desk: Desk, tmp_path: Path) -> None:
    text(tmp_path / "fills.csv", [row for row in FILLS if int(row["timestamp"]) < NEW_YEAR + 2 * DAY])
    with Goldsky({"OrderFilledEvent": FILLS}, head=NEW_YEAR + 30 * DAY) as endpoint:
        desk.base_url = endpoint.base_url
        call(desk, "load", "files", str(tmp_path / "fills.csv"))
        assert windows(desk, "complete") == []
        said = call(desk, "load", "files", str(tmp_path / "fills.csv"), *span(0, 2), "--complete")
        assert (
            "OrderFilledEvent from 2025-01-01 00:00:00 to 2025-01-03 00:00:00 UTC is remembered as complete" in said.out
        )
        assert windows(desk, "complete") == [("", NEW_YEAR, NEW_YEAR + 2 * DAY, "")]
        call(desk, "load", "fills", *span(0, 5))
        assert {int(one["since"]) for one in asked(endpoint)} == {NEW_YEAR + 2 * DAY}
    assert landed(desk) == ids(FILLS)


def test_an_open_window_is_open_only_where_the_files_end(desk: Desk, tmp_path: Path) -> None:
    """A load of days 0 to 4 was stopped on day 0; the files hold days 1 and 2."""
    rows = [fill(n, NEW_YEAR + n * 60) for n in range(4 * 1440)]
    text(tmp_path / "first.csv", rows[:100])
    text(tmp_path / "days.csv", [row for row in rows if NEW_YEAR + DAY <= int(row["timestamp"]) < NEW_YEAR + 3 * DAY])
    call(desk, "load", "files", str(tmp_path / "first.csv"))
    cursor = f"{rows[99]['timestamp']}:{rows[99]['id']}"
    client = clickhouse_connect.get_client(interface="chdb", path=str(desk.data))
    client.command(
        "insert into polyledger_raw.load_windows (entity, scope, since, until, cursor, state) values "
        f"('OrderFilledEvent', '', {NEW_YEAR}, {NEW_YEAR + 4 * DAY}, '{cursor}', 'open')"
    )
    client.close()
    call(desk, "load", "files", str(tmp_path / "days.csv"), *span(1, 3), "--complete")
    assert windows(desk, "open") == [
        ("", NEW_YEAR, NEW_YEAR + DAY, cursor),
        ("", NEW_YEAR + 3 * DAY, NEW_YEAR + 4 * DAY, ""),
    ]
    with Goldsky({"OrderFilledEvent": rows}, head=NEW_YEAR + 30 * DAY) as endpoint:
        desk.base_url = endpoint.base_url
        call(desk, "load", "fills", *span(0, 4))
        questions = asked(endpoint)
    assert open_windows(desk) == []
    assert {int(question["until"]) for question in questions} == {NEW_YEAR + DAY, NEW_YEAR + 4 * DAY}
    assert {int(question.get("since", NEW_YEAR)) for question in questions} == {NEW_YEAR, NEW_YEAR + 3 * DAY}
    assert landed(desk) == ids(rows)


# V2


def v2(row: Row, number: int = 1) -> Row:
    """What the V2 exchange logs of such a fill, beside what both have."""
    is_buy = row["makerAssetId"] == "0"
    return {
        "side": "BUY" if is_buy else "sell",
        "tokenId": row["takerAssetId"] if is_buy else row["makerAssetId"],
        "logIndex": str(number),
        "blockNumber": "84902400",
        "contract_address": "0xE111180000d2663C0091e4f400237545B87B996B",
        "builder": "0x" + "0b" * 32,
    }


def test_v2_fills_land_as_logs_do(desk: Desk, tmp_path: Path) -> None:
    shared = ("transactionHash", "orderHash", "maker", "taker", "makerAmountFilled", "takerAmountFilled", "fee")
    rows = [{name: row[name] for name in shared} | v2(row, n) for n, row in enumerate(FILLS)]
    stamped = [row | {"block_timestamp": fill["timestamp"]} for row, fill in zip(rows, FILLS, strict=True)]
    stamped[0]["side"], stamped[1]["side"] = "1", "0"
    text(tmp_path / "fills.csv", [*stamped, stamped[0] | {"tokenId": "0"}, stamped[0] | {"side": "2"}])
    said = call(desk, "load", "files", str(tmp_path / "fills.csv"), code=3)
    assert "fills.csv: V2 fills\n" in said.out and re.search("metadata +not there: zero", said.out)
    found = desk.rows(
        """
        select id, toUnixTimestamp(timestamp), block_number, concat('0x', lower(hex(address))), side,
            toString(token_id), maker_amount_filled, hex(builder), hex(metadata)
        from polyledger_raw.order_filled_events_v2 order by log_index
        """
    )
    assert found == [
        (
            f"{row['transactionHash']}_{n:#x}",
            NEW_YEAR + 1000 * n,
            84902400,
            "0xe111180000d2663c0091e4f400237545b87b996b",
            {"buy": 0, "sell": 1, "0": 0, "1": 1}[row["side"].lower()],
            row["tokenId"],
            int(row["makerAmountFilled"]),
            "0B" * 32,
            "00" * 32,
        )
        for n, row in enumerate(stamped)
    ]
    reasons = desk.rows("select entity, reason from polyledger_raw.rejected_rows order by reason")
    assert reasons == [
        ("OrderFilledV2", 'side is neither buy (0) nor sell (1): "2"'),
        ("OrderFilledV2", "token_id is 0, which is no outcome token"),
    ]
    before = raw(desk, "order_filled_events_v2")
    call(desk, "export", "order_filled_events_v2", str(tmp_path / "v2.parquet"))
    call(desk, "load", "files", str(tmp_path / "v2.parquet"))
    assert raw(desk, "order_filled_events_v2") == before


def test_a_file_with_the_columns_of_both_is_what_is_said(desk: Desk, tmp_path: Path) -> None:
    text(tmp_path / "both.csv", [row | v2(row, n) for n, row in enumerate(FILLS)])
    call(desk, "load", "files", str(tmp_path / "both.csv"), "--protocol", "v2")
    assert desk.rows("select count() from polyledger_raw.order_filled_events_v2") == [(200,)]
    assert landed(desk) == set()


# The web


class Shelf(http.server.SimpleHTTPRequestHandler):
    """Serves a folder, parts of files too, and notes what was asked."""

    asked: list[tuple[str, dict[str, str]]] = []  # noqa: RUF012

    def send_head(self) -> Any:
        self.asked.append((self.path, dict(self.headers)))
        wanted = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        path = Path(self.translate_path(self.path))
        if not wanted or not path.is_file():
            return super().send_head()
        size, first = path.stat().st_size, int(wanted[1])
        last = min(int(wanted[2] or size), size - 1)
        self.send_response(206)
        self.send_header("Content-Range", f"bytes {first}-{last}/{size}")
        self.send_header("Content-Length", str(last - first + 1))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(path.read_bytes()[first : last + 1])
        return None

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def shelf(tmp_path: Path) -> Iterator[str]:
    """The address at which tmp_path is served."""
    Shelf.asked = []
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(Shelf, directory=tmp_path)) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.mark.parametrize(("ending", "write"), [("parquet", parquet), ("csv.gz", partial(packed, text, gzip.compress))])
def test_files_on_the_web_are_read_and_their_secrets_are_told_nobody(
    desk: Desk, tmp_path: Path, shelf: str, ending: str, write: Write
) -> None:
    write(tmp_path / f"fills.{ending}", FILLS)
    address = shelf.replace("//", f"//user:{CANARY}@") + f"/fills.{ending}?signature={CANARY}"
    said = call(desk, "load", "files", address, "--log-file", str(tmp_path / "log"))
    assert landed(desk) == ids(FILLS) and f"{shelf}/fills.{ending}: 200 fills" in said.out
    recorded = desk.rows("select * from polyledger_raw.load_runs")
    assert CANARY not in said.out + said.err + (tmp_path / "log").read_text() + repr(recorded)
    assert any(CANARY in path for path, _ in Shelf.asked)
    gone = call(desk, "load", "files", address.replace("fills.", "gone."), code=1)
    assert f"{shelf}/gone.{ending} cannot be read: " in gone.err and "404" in gone.err and CANARY not in gone.err
    away = call(desk, "load", "files", f"http://127.0.0.1:{free_port()}/fills.{ending}", code=1)
    assert "cannot be read: Connection refused" in away.err


@pytest.mark.parametrize("key", ["", f"{CANARY}-id"])
def test_objects_of_a_bucket_are_read(desk: Desk, tmp_path: Path, shelf: str, key: str) -> None:
    (tmp_path / "bucket" / "day").mkdir(parents=True)
    parquet(tmp_path / "bucket" / "day" / "fills.parquet", FILLS)
    file = "s3://bucket/day/fills.parquet"
    said = call(
        desk, "load", "files", file, AWS_ENDPOINT_URL=shelf, AWS_ACCESS_KEY_ID=key, AWS_SECRET_ACCESS_KEY=CANARY
    )
    assert landed(desk) == ids(FILLS) and CANARY not in said.out + said.err
    assert all(path == "/bucket/day/fills.parquet" for path, _ in Shelf.asked)
    assert all(("Authorization" in {k.title() for k in headers}) == bool(key) for _, headers in Shelf.asked)


# Death at any moment


def until_it_reads(process: Process) -> None:
    """Returns when the first file's columns are understood."""
    while not process.out.exists() or "<- " not in process.out.read_text():
        assert process.poll() is None, process.said()
        time.sleep(0.02)


@pytest.fixture(scope="module")
def start(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Processes]:
    with processes(tmp_path_factory.mktemp("processes")) as started:
        yield started


@pytest.fixture(scope="module")
def crowd(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Fills that take some seconds to land."""
    path = tmp_path_factory.mktemp("crowd") / "fills.csv"
    text(path, [fill(n, NEW_YEAR + n) for n in range(200_000)])
    return path


def test_killed_at_any_moment_and_run_again_it_ends_the_same(desk: Desk, start: Processes, crowd: Path) -> None:
    chance = random.Random(7)
    words = ("load", "files", str(crowd), *span(0, 10), "--complete")
    for _ in range(6):
        process = start.start(desk, *words)
        time.sleep(chance.uniform(0.3, 4.0))
        process.kill()
    assert start.start(desk, *words).wait() == 0
    assert desk.rows(
        "select count(), uniqExact(order_hash), sum(maker_amount_filled) from polyledger_raw.order_filled_events final"
    ) == [(200_000, 200_000, 200_000 * 200_001 // 2)]
    assert windows(desk, "complete") == [("", NEW_YEAR, NEW_YEAR + 10 * DAY, "")]
    tables = {name for (name,) in desk.rows("select name from system.tables where database || '.' = 'polyledger_raw.'")}
    assert not [name for name in tables if "order_filled" in name and name not in TABLES]


TABLES = ("order_filled_events", "order_filled_events_v2")


@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM])
def test_it_can_be_stopped_and_run_again(desk: Desk, start: Processes, crowd: Path, stop: signal.Signals) -> None:
    process = start.start(desk, "load", "files", str(crowd))
    until_it_reads(process)
    process.send(stop)
    assert process.wait(within=30) == 1
    assert "stopped; " in process.said() and "Run the same command again to continue." in process.said()
    call(desk, "load", "files", str(crowd))
    assert desk.rows("select count() from polyledger_raw.order_filled_events final") == [(200_000,)]


# Export


RAW_TABLES = (
    "order_filled_events",
    "fee_refunds",
    "market_data",
    "splits",
    "redemptions",
    "neg_risk_conversions",
    "fpmms",
    "fpmm_transactions",
    "fpmm_funding_additions",
)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Desk:
    """A loaded world, some of it landed twice."""
    desk = Desk(tmp_path_factory.mktemp("world") / "warehouse")
    with Goldsky(WORLD.entities, head=WORLD.until) as endpoint:
        desk.base_url = endpoint.base_url
        for words in (["fills", "--since", "2022-11-21"], ["activity"], ["amm"], ["payouts"]):
            call(desk, "load", *words)
        wallet = WORLD.entities["OrderFilledEvent"][0]["maker"]
        call(desk, "load", "files", str(twice(desk.data.with_name("again.csv"), wallet)))
    return desk


def twice(path: Path, wallet: str) -> Path:
    text(path, [row for row in WORLD.entities["OrderFilledEvent"] if row["maker"] == wallet])
    return path


@pytest.mark.parametrize("ending", ["parquet", "csv", "csv.gz", "csv.zst", "jsonl", "jsonl.gz", "jsonl.zst"])
def test_what_is_exported_is_loaded_as_it_was(world: Desk, desk: Desk, tmp_path: Path, ending: str) -> None:
    file = tmp_path / f"fills.{ending}"
    said = call(world, "export", "order_filled_events", str(file))
    count = len(WORLD.entities["OrderFilledEvent"])
    assert f"exported {count:,} rows of polyledger_raw.order_filled_events to {file} (" in said.out
    assert [path.name for path in tmp_path.iterdir() if path != desk.data] == [file.name]
    call(desk, "load", "files", str(file))
    assert raw(desk, "order_filled_events") == raw(world, "order_filled_events")
    if ending.endswith("zst"):
        file.write_bytes(file.read_bytes()[:-5])
        assert "is cut off or damaged" in call(desk, "load", "files", str(file), code=2).err


@pytest.mark.parametrize("ending", ["parquet", "csv", "csv.gz", "csv.zst", "jsonl", "jsonl.gz", "jsonl.zst"])
def test_a_table_without_rows_is_exported(world: Desk, tmp_path: Path, ending: str) -> None:
    file = tmp_path / f"none.{ending}"
    said = call(world, "export", "rejected_rows", str(file))
    assert f"exported 0 rows of polyledger_raw.rejected_rows to {file} (" in said.out and file.exists()


def test_a_range_of_a_table_is_exported(world: Desk, tmp_path: Path) -> None:
    rows = sorted(int(row["timestamp"]) for row in WORLD.entities["OrderFilledEvent"])
    since, until = rows[len(rows) // 3], rows[2 * len(rows) // 3]
    moments = [f"{datetime.fromtimestamp(moment, UTC):%Y-%m-%dT%H:%M:%S}" for moment in (since, until)]
    words = (
        "export",
        "order_filled_events",
        str(tmp_path / "some.jsonl"),
        "--since",
        moments[0],
        "--until",
        moments[1],
    )
    report = json.loads(call(world, *words, "--json").out)
    found = [json.loads(line) for line in (tmp_path / "some.jsonl").read_text().splitlines()]
    assert len(found) == report["rows"] == sum(since <= moment < until for moment in rows)
    served = {row["id"]: row for row in WORLD.entities["OrderFilledEvent"]}
    for row in found:
        was = served[f"{row['transaction_hash']}_{row['order_hash']}"]
        for name in ("maker", "makerAssetId", "takerAssetId", "makerAmountFilled", "fee"):
            assert row[snake(name)] == was[name]


@pytest.mark.parametrize("table", [*RAW_TABLES, "conditions", "user_positions", "load_windows", "rejected_rows"])
def test_every_raw_table_can_be_exported(world: Desk, tmp_path: Path, table: str) -> None:
    call(world, "export", table, str(tmp_path / "rows.parquet"))
    (once,) = world.rows(f"select count() from polyledger_raw.{table} final")[0]
    exported = pyarrow.parquet.read_table(tmp_path / "rows.parquet")
    assert exported.num_rows == once
    bytes_there = [field.name for field in exported.schema if pa.types.is_binary(field.type)]
    assert bytes_there == []


def test_marts_can_be_exported(world: Desk, tmp_path: Path) -> None:
    world.dbt("build", "--quiet", "--exclude-resource-type", "test", "--exclude-resource-type", "unit_test")
    for mart, key in (
        ("fct_fills", "fill_id"),
        ("fct_amm_trades", "trade_id"),
        ("fct_wallet_pnl", "wallet"),
        ("vw_resolutions_truth", "condition_id"),
    ):
        call(world, "export", mart, str(tmp_path / f"{mart}.parquet"))
        exported = pyarrow.parquet.read_table(tmp_path / f"{mart}.parquet")
        expected = {row[0] for row in world.rows(f"select {key} from polyledger.{mart}")}
        assert set(exported[key].to_pylist()) == expected and exported.num_rows == len(expected)
    pnl = pyarrow.parquet.read_table(tmp_path / "fct_wallet_pnl.parquet")
    assert pnl.schema.field("settled_pnl_usdc").type == pa.decimal128(38, 6)
    assert (
        sum(pnl["settled_pnl_usdc"].to_pylist())
        == world.rows("select sum(settled_pnl_usdc) from polyledger.fct_wallet_pnl")[0][0]
    )


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (
            ["nothing", "a.csv"],
            "there is no table 'nothing' in polyledger_raw or polyledger; there is condition_resolutions, ",
        ),
        (["order_filled_events; drop table x", "a.csv"], "there is no table 'order_filled_events; drop table x'"),
        (["`", "a.csv"], "there is no table '`'"),
        (["order_filled_events", "a.xlsx"], "the kind of a file is told by its ending"),
        (["order_filled_events", "a.parquet.gz"], "the kind of a file is told by its ending"),
        (["order_filled_events", "a*.csv"], "cannot be in the name"),
        (["order_filled_events", "there.csv"], "exists; --force writes over it"),
        (["order_filled_events", "nowhere/a.csv"], "is no folder"),
        (["market_data", "a.csv", "--since", "2025-01-01"], "has no time, so --since and --until cannot be meant"),
    ],
)
def test_an_export_that_cannot_be_meant_is_refused(world: Desk, tmp_path: Path, words: list[str], said: str) -> None:
    (tmp_path / "there.csv").write_text("mine")
    table, file, *options = words
    refusal = call(world, "export", table, str(tmp_path / file), *options, code=2)
    assert refusal.out == "" and refusal.err.count("\n") == 1 and said in refusal.err
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("there.csv", "mine")]


def test_an_export_writes_over_a_file_where_it_is_told_to(world: Desk, tmp_path: Path) -> None:
    (tmp_path / "there.csv").write_text("mine")
    call(world, "export", "splits", str(tmp_path / "there.csv"), "--force")
    assert "mine" not in (tmp_path / "there.csv").read_text()


def test_a_stopped_export_leaves_nothing_behind(desk: Desk, start: Processes, crowd: Path, tmp_path: Path) -> None:
    call(desk, "load", "files", str(crowd))
    (tmp_path / "fills.csv.gz").write_text("mine")
    process = start.start(desk, "export", "order_filled_events", str(tmp_path / "fills.csv.gz"), "--force")
    while not (tmp_path / ".fills.part.csv.gz").exists() and process.poll() is None:
        time.sleep(0.01)
    process.send(signal.SIGINT)
    assert process.wait() == 1
    assert f"error: stopped; {tmp_path}/fills.csv.gz is as it was" in process.said()
    assert [path.read_text() for path in tmp_path.glob("*fills*")] == ["mine"]


def test_nothing_is_exported_where_nothing_is_loaded(desk: Desk, tmp_path: Path) -> None:
    assert "nothing is loaded yet" in call(desk, "export", "splits", str(tmp_path / "a.csv"), code=2).err
    assert not desk.data.exists()


# A server


def test_files_are_handed_on_to_a_server_and_back(server_desk: ServerDesk, tmp_path: Path, wire: list[Any]) -> None:
    rows = [*FILLS, LARGEST]
    text(tmp_path / "fills.csv", [*rows, fill(999) | {"fee": "x"}])
    call(server_desk, "load", "files", str(tmp_path / "fills.csv"), *span(0, 10), "--complete", code=3)
    assert raw(server_desk, "order_filled_events") == wire
    assert server_desk.rows("select reason from polyledger_raw.rejected_rows") == [
        ('fee is not a whole number of up to 64 bits: "x"',)
    ]
    assert windows(server_desk, "complete") == [("", NEW_YEAR, NEW_YEAR + 10 * DAY, "")]
    for ending in ("parquet", "csv.gz", "jsonl.zst"):
        file = tmp_path / f"back.{ending}"
        call(server_desk, "export", "order_filled_events", str(file))
        again = Desk(tmp_path / f"again-{ending}")
        call(again, "load", "files", str(file))
        assert raw(again, "order_filled_events") == wire


def test_a_file_lands_on_a_server_that_is_away_for_a_while(
    mortal_clickhouse: Any, tmp_path: Path, start: Processes, crowd: Path
) -> None:
    desk = ServerDesk(tmp_path / "warehouse", server=mortal_clickhouse)
    process = start.start(desk, "load", "files", str(crowd))
    until_it_reads(process)
    mortal_clickhouse.kill()
    time.sleep(1)
    mortal_clickhouse.start()
    assert process.wait() == 0, process.said()
    assert desk.rows("select count() from polyledger_raw.order_filled_events final") == [(200_000,)]
