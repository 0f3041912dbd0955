"""explain lists every event of a wallet, and what it ends with is what the marts say, digit by digit."""

import json
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import clickhouse_connect
import pytest

from loaders.standin.goldsky import Goldsky
from loaders.standin.world import World, simulate
from loaders.tests.conftest import Desk


@pytest.fixture(scope="module")
def world() -> World:
    return simulate(3, steps=500)


@pytest.fixture(scope="module")
def built(world: World, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    with Goldsky(world.entities, head=world.until) as endpoint:
        desk = Desk(tmp_path_factory.mktemp("explained") / "warehouse", endpoint.base_url)
        desk.load_everything()
    desk.dbt("build", "--resource-type", "model", "--resource-type", "seed")
    yield desk


@pytest.fixture(scope="module")
def busiest(built: Desk) -> str:
    """The wallet with most kinds of events, and of these the one with most fills."""
    ((wallet,),) = built.rows(
        "select wallet from polyledger.fct_position_events group by wallet "
        "order by uniqExact(event_type) desc, count() desc, wallet limit 1"
    )
    return str(wallet)


def explained(desk: Desk, *words: str) -> dict[str, Any]:
    return json.loads(desk.polyledger("explain", *words, "--json").stdout)  # type: ignore[no-any-return]


def test_the_last_line_of_every_position_adds_up_to_the_marts(built: Desk, busiest: str) -> None:
    told = explained(built, busiest)
    assert told["disagreements"] == []
    assert len({event["event_type"] for market in told["markets"] for event in market["events"]}) >= 4
    realized = subgraph = settled = Decimal(0)
    for market in told["markets"]:
        last = {event["outcome_index"]: event for event in market["events"]}.values()
        realized += sum(Decimal(event["realized_pnl_usdc"]) for event in last)
        subgraph += sum(Decimal(event["subgraph_realized_pnl_usdc"]) for event in last)
        assert sum(Decimal(event["cash_usdc"]) for event in last) == Decimal(market["cash_usdc"])
        if market["is_resolved"]:
            here = sum(Decimal(event["settled_pnl_usdc"]) for event in last)
            assert here == Decimal(market["settled_pnl_usdc"])
            settled += here
    assert told["totals"]["realized_pnl_usdc"] == str(realized)
    assert told["totals"]["subgraph_realized_pnl_usdc"] == str(subgraph)
    assert told["totals"]["settled_pnl_usdc"] == str(settled)


def test_every_served_event_of_the_wallet_is_listed_in_order(world: World, built: Desk, busiest: str) -> None:
    told = explained(built, busiest)
    fills = [row for row in world.entities["OrderFilledEvent"] if row["maker"] == busiest]
    listed = [e for market in told["markets"] for e in market["events"] if e["event_type"] == "fill"]
    assert sorted(e["transaction_hash"] for e in listed) == sorted(row["transactionHash"] for row in fills)
    for market in told["markets"]:
        moments = [event["happened_at"] for event in market["events"]]
        assert moments == sorted(moments)


def test_one_condition_is_what_it_is_among_all(built: Desk, busiest: str) -> None:
    market = explained(built, busiest)["markets"][0]
    alone = explained(built, busiest, "--condition", market["condition_id"])
    assert alone["markets"] == [market]
    assert alone["condition"] == market["condition_id"]


def test_a_person_reads_events_and_totals(built: Desk, busiest: str) -> None:
    told = explained(built, busiest)
    shown = built.polyledger("explain", busiest.upper().replace("0X", "0x"), COLUMNS="80").stdout
    assert "\u2026" not in shown  # which stands for what is cut
    for market in told["markets"]:
        assert market["condition_id"] in shown
    assert ["settled", "pnl", told["totals"]["settled_pnl_usdc"]] in [line.split() for line in shown.splitlines()]
    assert shown.count("\ntogether") == len(told["markets"])


def test_marts_of_another_moment_are_called_that(built: Desk, busiest: str) -> None:
    before = built.rows("select count() from polyledger.fct_wallet_pnl")
    # A fill that the ledger knows and the marts do not: a model of theirs was built again, the marts were not.

    client = clickhouse_connect.get_client(interface="chdb", path=str(built.data))
    client.command("create table polyledger.kept as polyledger.int_entries")
    client.command("insert into polyledger.kept select * from polyledger.int_entries")
    one = "(wallet, condition_id, moment) = (select wallet, condition_id, moment from polyledger.kept "
    one += f"where wallet = unhex('{busiest[2:]}') and fill_usdc > 0 order by moment limit 1)"
    client.command(f"alter table polyledger.int_entries delete where {one} settings mutations_sync = 1")
    client.close()
    try:
        failed = built.polyledger("explain", busiest, code=1)
        assert "by its events and" in failed.stdout and "run dbt build" in failed.stdout
    finally:
        client = clickhouse_connect.get_client(interface="chdb", path=str(built.data))
        client.command("exchange tables polyledger.kept and polyledger.int_entries")
        client.close()
    assert built.rows("select count() from polyledger.fct_wallet_pnl") == before
    assert explained(built, busiest)["disagreements"] == []


def test_what_cannot_be_explained_is_said_in_one_sentence(built: Desk, desk: Desk, busiest: str) -> None:
    stranger, nothing = "0x" + "1" * 40, "0x" + "2" * 64
    assert f"no mart row of wallet {stranger}" in built.polyledger("explain", stranger, code=2).stderr
    unknown = built.polyledger("explain", busiest, "--condition", nothing, code=2)
    assert f"has no event in condition {nothing}" in unknown.stderr
    assert (
        'WALLET: "0x12\'; drop table x" is no wallet'
        in built.polyledger("explain", "0x12'; drop table x", code=2).stderr
    )
    assert "is no condition" in built.polyledger("explain", busiest, "--condition", "0x1", code=2).stderr
    assert "nothing is loaded yet" in desk.polyledger("explain", busiest, code=2).stderr and not desk.data.exists()
    desk.polyledger("setup")
    assert "run dbt build first" in desk.polyledger("explain", busiest, code=2).stderr
