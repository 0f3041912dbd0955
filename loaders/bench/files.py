"""How fast fills from a file are checked and landed, and in how much memory: the real command, in its own process."""

import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import clickhouse_connect

from loaders.bench.loads import SINCE, check, embedded, peak_mb
from loaders.bench.report import Figure
from loaders.warehouse import opened

# Rows as subgraphs serve them, all text, in the order of time. A transaction hash begins with the number of its row.
ROWS = """
    select
        concat(transactionHash, '_', orderHash) as id,
        lower(hex(SHA256(toString(number)))) as digest,
        concat('0x', leftPad(lower(hex(number)), 16, '0'), substring(digest, 1, 48)) as transactionHash,
        toString({since:UInt32} + intDiv(number, 4)) as timestamp,
        concat('0x', lower(hex(SHA256(concat('order', toString(number)))))) as orderHash,
        concat('0x', substring(lower(hex(SHA256(toString(number * number % 200003)))), 1, 40)) as maker,
        '0x4bfb41d5b3570defd03c39a9a4d8de6bd8b8982e' as taker,
        toString(reinterpretAsUInt256(SHA256(toString(number % 50021)))) as token,
        if(number % 2 = 0, '0', token) as makerAssetId,
        if(number % 2 = 0, token, '0') as takerAssetId,
        toString(1000000 + number * 7919 % 100000007) as makerAmountFilled,
        toString(2000000 + number * 104729 % 100000007) as takerAmountFilled,
        '0' as fee
    from numbers({rows:UInt64})
"""


def files(quick: bool) -> Iterator[Figure]:
    """Fills from one Parquet file into an embedded warehouse."""
    rows, peak = 100_000 if quick else 10_000_000, None
    with tempfile.TemporaryDirectory(prefix="polyledger-bench-") as folder, embedded() as desk:
        file = Path(folder) / "fills.parquet"
        _write(file, rows)
        began = time.monotonic()
        with desk.running(["load", "files", str(file), "--json"]) as process:
            while process.poll() is None:
                peak = peak_mb(process.pid) or peak
                time.sleep(0.05)
        seconds = time.monotonic() - began
        with opened(desk.target) as warehouse:
            check(warehouse, rows)
    what = f"from one Parquet file, embedded, start of the process included: {rows:,} fills"
    note = f"{seconds:.2f} s"
    yield Figure("files", f"checked and landed {what}", rows / seconds, "rows/s", at_least=300_000, note=note)
    note = "" if peak else "this system does not tell it"
    yield Figure(
        "files_memory", f"peak memory of the command, {rows:,} fills from a file", peak, "MB", None, 2_000, note
    )


def _write(file: Path, rows: int) -> None:
    """Row groups are as large as most writers make them."""
    client = clickhouse_connect.get_client(interface="chdb")
    try:
        client.command(
            f"insert into function file({{file:String}}, 'Parquet') select * except (token, digest) from ({ROWS}) "
            "settings output_format_parquet_row_group_size = 1000000, max_threads = 1",
            parameters={"file": str(file), "rows": rows, "since": SINCE},
        )
    finally:
        client.close()
