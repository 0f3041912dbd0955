"""A world that moves from V1 to V2 in the middle: the same wallets and tokens, other exchanges, other fees.

The world's ledger keeps no fees here, so what V2 charges is known from the logs that are served, and is all that may
differ from it.
"""

import json
from collections import defaultdict
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from loaders.standin.goldsky import Goldsky
from loaders.standin.node import FIRST_BLOCK, FIRST_TIME, SUCCESSORS, Log, Node, fill_log
from loaders.standin.world import World, simulate
from loaders.tests.conftest import Desk
from loaders.tests.test_logs import load

BASE_UNITS = 10**6


class Cutover:
    """The world, what it was told by, and what V2 charged by wallet and condition. Base units."""

    def __init__(self, desk: Desk, world: World, fees: dict[tuple[str, str], int], logs: list[Log]) -> None:
        self.desk, self.world, self.fees, self.logs = desk, world, fees, logs


@pytest.fixture(scope="module")
def cutover(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cutover]:
    world = simulate(71, steps=2000, wallets=30, fees=False, start=FIRST_TIME - 30 * 86_400)
    fills = world.entities["OrderFilledEvent"]
    condition_of = {row["id"]: row["condition"] for row in world.entities["MarketData"]}
    exchange_of = {row["transactionHash"]: row["taker"] for row in fills if row["taker"] in SUCCESSORS}
    late = [row for row in fills if int(row["timestamp"]) >= FIRST_TIME]
    assert 500 < len(late) < len(fills) - 500
    fees: dict[tuple[str, str], int] = defaultdict(int)
    logs = []
    for number, row in enumerate(late):
        block = FIRST_BLOCK + (int(row["timestamp"]) - FIRST_TIME) // 2
        # Takers pay 1 % of the collateral, makers nothing.
        buys, is_taker = row["makerAssetId"] == "0", row["taker"] in SUCCESSORS
        usdc = int(row["makerAmountFilled"] if buys else row["takerAmountFilled"])
        fee = usdc // 100 if is_taker else 0
        token = row["takerAssetId"] if buys else row["makerAssetId"]
        fees[row["maker"], condition_of[token]] += fee
        exchange = SUCCESSORS[exchange_of[row["transactionHash"]]]
        logs.append(fill_log(row, block, number, fee=fee, exchange=exchange))
    early = [row for row in fills if int(row["timestamp"]) < FIRST_TIME]
    desk = Desk(tmp_path_factory.mktemp("cutover") / "warehouse", "")
    with (
        Goldsky(world.entities | {"OrderFilledEvent": early}, head=world.until) as endpoint,
        Node(logs, head=max(log.block for log in logs) + 300) as node,
    ):
        desk.base_url = endpoint.base_url
        desk.polyledger("load", "fills", "--since", "2022-11-21")
        desk.polyledger("load", "activity")
        for _ in range(2):  # what is read again counts once
            load(desk, node, "--from-block", str(FIRST_BLOCK), "--to-block", str(max(log.block for log in logs)))
        desk.polyledger("load", "payouts")
    desk.rows(SERVED_TWICE)
    desk.rows(SETS_OF_MATCHES)
    desk.dbt("build", "--exclude-resource-type", "unit_test")
    yield Cutover(desk, world, fees, logs)


# Some fills of V1 in the shape of V2, as a source may serve both.
SERVED_TWICE = """
insert into polyledger_raw.order_filled_events_v2 (
    transaction_hash, log_index, block_number, timestamp, address, order_hash, maker, taker, side, token_id,
    maker_amount_filled, taker_amount_filled, fee
)
select transaction_hash, 1, 1, timestamp, unhex('4bfb41d5b3570defd03c39a9a4d8de6bd8b8982e'), order_hash, maker, taker,
    maker_asset_id != 0, if(maker_asset_id = 0, taker_asset_id, maker_asset_id), maker_amount_filled,
    taker_amount_filled, fee
from polyledger_raw.order_filled_events
order by transaction_hash, order_hash limit 100
"""

# The V2 exchange stands as owner of the sets that it mints for two buyers.
SETS_OF_MATCHES = """
insert into polyledger_raw.splits (id, timestamp, stakeholder, condition, amount)
select concat('0x', lower(hex(transaction_hash)), '_0xffff'), any(timestamp), any(address), any(condition),
    sum(taker_amount_filled)
from polyledger_raw.order_filled_events_v2 as fills
inner join polyledger_raw.market_data as tokens on fills.token_id = tokens.id
where side = 0 and address = unhex('e111180000d2663c0091e4f400237545b87b996b')
group by transaction_hash
having uniqExact(token_id) = 2
"""


def test_every_fill_of_both_counts_once(cutover: Cutover) -> None:
    counts = dict(cutover.desk.rows("select protocol, count() from polyledger.fct_fills group by protocol"))
    late = len(cutover.logs)
    assert counts == {"v1": len(cutover.world.entities["OrderFilledEvent"]) - late, "v2": late}


def test_settled_pnl_is_the_ledgers_less_what_v2_charged(cutover: Cutover) -> None:
    booked = cutover.desk.rows(
        "select wallet, condition_id, toString(settled_pnl_usdc) from polyledger.fct_realized_pnl_by_market "
        "where is_resolved and not wallet in (select concat('0x', lower(hex(address))) from "
        "polyledger.int_system_addresses)"
    )
    assert len(booked) > 200
    charged = 0
    for wallet, condition, pnl in booked:
        fee = cutover.fees.get((wallet, condition), 0)
        expected = cutover.world.settled[wallet, condition] - fee
        account = cutover.world.ledger[wallet, condition]
        assert abs(Fraction(pnl) * BASE_UNITS - expected) <= 3 + account.conversions, (wallet, condition, pnl)
        charged += fee
    assert charged > 0


def test_the_books_of_all_wallets_balance_across_the_cutover(cutover: Cutover) -> None:
    found: dict[str, Any] = dict(
        cutover.desk.rows("select status, count() from polyledger.audit_double_entry group by status")
    )
    assert found.get("balanced", 0) > 10
    assert "unbalanced" not in found and "overdrawn" not in found, found


def test_it_is_told_up_to_when_the_data_is_whole(cutover: Cutover) -> None:
    ((until,),) = cutover.desk.rows("select distinct toUnixTimestamp(complete_until) from polyledger.leaderboard")
    assert until == max(FIRST_TIME + 2 * (log.block - FIRST_BLOCK) for log in cutover.logs)
    sources = cutover.desk.rows("select distinct source from polyledger.audit_coverage order by source")
    assert sources == [("v1",), ("v2",)]


def test_verify_finds_every_fill(cutover: Cutover, tmp_path: Path) -> None:
    said = cutover.desk.polyledger("verify", "--json", code=None)
    checks = {check["name"]: check for check in json.loads(said.stdout)["checks"]}
    fills = next(check for name, check in checks.items() if "landed" in check["numbers"] and "invented" in str(check))
    assert fills["verdict"] == "pass", fills
