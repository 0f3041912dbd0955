"""The same questions asked of DuckDB: duckdb.sql, in a process of its own, from the raw rows as parquet files.

`python -m loaders.bench.race FOLDER` is that process: it prints the seconds of each step and what came out, as JSON.
DuckDB comes with the extra `bench` of this project.
"""

import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
from importlib import resources, util
from pathlib import Path
from typing import Any

from loaders.bench.builds import watch
from loaders.bench.loads import BenchError
from loaders.warehouse import Warehouse, condition_of_question

# What a table is exported as. The columns as landed, but for 256-bit amounts, which DuckDB would have to take apart,
# and ids, of which it gets the parts. Keccak, which makes a question's condition, it has not.
ACTIVITY_ID = """
    id, unhex(substring(id, 3, 64))::FixedString(32) as transaction_hash,
    reinterpretAsUInt32(reverse(unhex(leftPad(substring(id, 70), 8, '0')))) as log_index, timestamp, _loaded_at
"""
EXPORTS = {
    "order_filled_events": "select * from {raw}.order_filled_events",
    "fee_refunds": "select id, unhex(substring(id, 3, 64))::FixedString(32) as transaction_hash, order_hash, "
    "toInt64(fee_refunded) as fee_refunded, _loaded_at from {raw}.fee_refunds",
    "conditions": "select id, position_ids, arrayMap(n -> toInt64(n), payout_numerators) as payout_numerators, "
    "toInt64OrZero(payout_denominator) as payout_denominator, _loaded_at from {raw}.conditions",
    "splits": f"select {ACTIVITY_ID}, stakeholder, condition, toInt64(amount) as amount from {{raw}}.splits",
    "merges": f"select {ACTIVITY_ID}, stakeholder, condition, toInt64(amount) as amount from {{raw}}.merges",
    "redemptions": f"select {ACTIVITY_ID}, redeemer, condition, toInt64(payout) as payout from {{raw}}.redemptions",
    "neg_risk_conversions": f"select {ACTIVITY_ID}, stakeholder, neg_risk_market_id, toInt64(amount) as amount, "
    "toInt64(index_set) as index_set, toInt64(question_count) as question_count from {raw}.neg_risk_conversions",
    "questions": "select id as neg_risk_market_id, toInt64(question) as question, {condition} as condition "
    "from {raw}.neg_risk_events array join range(question_count) as question",
}

# What both must agree upon, as sums in base units: of a mart's columns, and of DuckDB's. Cost that a conversion carries
# is not asked of DuckDB, so positions of YES shares that came by one are left out.
SUMS = {
    "fct_fills": {
        "1": "1",
        "1000000 * shares": "shares",
        "1000000 * usdc": "usdc",
        "1000000 * delta_shares": "delta_shares",
        "1000000 * delta_usdc": "delta_usdc",
    },
    "fct_positions": {
        "1": "1",
        "1000000 * shares": "held",
        "1000000 * unmatched_shares": "unmatched",
        "1000000 * realized_pnl_usdc": "floor_div(realized + 500000000, 1000000000)",
        "1000000 * subgraph_shares": "amount",
        "1000000 * subgraph_avg_price_usdc": "average",
        "1000000 * subgraph_realized_pnl_usdc": "pnl",
        "1000000 * subgraph_total_bought_shares": "bought",
    },
    "fct_realized_pnl_by_market": {
        "1": "1",
        "fill_count": "fill_count",
        "1000000 * volume_usdc": "volume",
        "1000000 * cash_usdc": "cash",
        "1000000 * settled_pnl_usdc": "settled",
        "1000000 * abs(settled_pnl_usdc)": "abs(settled)",
    },
    "fct_wallet_pnl": {
        "1": "1",
        "1000000 * settled_pnl_usdc": "settled",
        "1000000 * gains_usdc": "gains",
        "1000000 * losses_usdc": "losses",
        "1000000 * volume_usdc": "volume",
        "fill_count": "fill_count",
        "markets_traded": "traded",
        "markets_resolved": "resolved",
    },
    "leaderboard": {
        "1": "1",
        "rank": "rank",
        "1000000 * pnl_usdc": "settled",
        "1000000 * rank * pnl_usdc": "rank * settled",
        "1000000 * volume_usdc": "volume",
    },
}
IN_MARTS = {
    "fct_positions": """{marts}.fct_positions where not (outcome_index = 0 and (wallet, condition_id) in (
        select wallet, condition_id from {marts}.fct_position_events
        where event_type = 'conversion' and outcome_index = 0
    ))""",
    "leaderboard": "{marts}.leaderboard where window = 'all'",
}
IN_DUCKDB = {
    "fct_fills": "fills",
    "fct_positions": """positions where not (outcome = 0 and (wallet, n) in (
        select (wallet, n) from events where kind = 5 and outcome = 0
    ))""",
    "fct_realized_pnl_by_market": "markets",
    "fct_wallet_pnl": "wallets",
    "leaderboard": "leaderboard",
}


def is_there() -> bool:
    return util.find_spec("duckdb") is not None


def export(warehouse: Warehouse, folder: Path) -> None:
    """The raw tables as parquet files."""
    condition = condition_of_question("id", "question")
    for name, query in EXPORTS.items():
        text = query.format(raw=warehouse.raw, condition=condition)
        path = folder / f"{name}.parquet"
        warehouse.command(f"insert into function file('{path}', Parquet) {text}")


def run(folder: Path) -> tuple[dict[str, Any], float | None]:
    """Let DuckDB answer: what main() prints, and the peak memory in MB. Raises BenchError."""
    words = [sys.executable, "-m", "loaders.bench.race", str(folder)]
    with tempfile.TemporaryFile("w+") as said, tempfile.TemporaryFile("w+") as wrong:
        process = subprocess.Popen(words, stdout=said, stderr=wrong, text=True)
        _, peak = watch(process)
        wrong.seek(0)
        said.seek(0)
        if process.returncode:
            raise BenchError(f"DuckDB exited with {process.returncode}: {wrong.read().strip()[-500:]}")
        return json.loads(said.read()), peak


def differences(warehouse: Warehouse, marts: str, theirs: dict[str, list[int]]) -> list[str]:
    """Sums that are not the same in the marts."""
    found = []
    for mart, columns in SUMS.items():
        sums = ", ".join(f"sum(toInt256({column}))" for column in columns)
        place = IN_MARTS.get(mart, f"{{marts}}.{mart}").format(marts=marts)
        for column, one, other in zip(
            columns, warehouse.rows(f"select {sums} from {place}")[0], theirs[mart], strict=True
        ):
            if int(one) != other:
                found.append(f"sum of {column} in {mart}: {one} in ClickHouse, {other} in DuckDB")
    return found


def main(folder: Path) -> None:
    import duckdb

    os.chdir(folder)
    connection = duckdb.connect("race.duckdb")
    # As DuckDB's own guide advises where data is larger than memory; all else is as it comes.
    connection.execute("set preserve_insertion_order = false")
    seconds = {}
    text = resources.files("loaders").joinpath("bench", "duckdb.sql").read_text()
    for step in text.split("-- step ")[1:]:
        name, _, statements = step.partition("\n")
        began = time.perf_counter()
        connection.execute(statements)
        seconds[name] = time.perf_counter() - began
    # Integers are divided toward zero.
    connection.execute("create macro floor_div(a, b) as (a - case when a < 0 then b - 1 else 0 end) // b")
    sums = {}
    for mart, columns in SUMS.items():
        query = f"select {', '.join(f'sum({column})' for column in columns.values())} from {IN_DUCKDB[mart]}"
        sums[mart] = [int(value) for value in connection.execute(query).fetchall()[0]]
    print(json.dumps({"version": duckdb.__version__, "steps": seconds, "sums": sums}))


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        main(Path(sys.argv[1]))
