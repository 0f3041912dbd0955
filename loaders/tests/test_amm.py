"""Automated market makers: from rows over HTTP to the marts, against the pools' own books. Amounts are base units."""

import json
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction

import clickhouse_connect
import pytest

from loaders.standin.faults import Faults
from loaders.standin.goldsky import Goldsky
from loaders.standin.world import HOUSES, World, simulate
from loaders.tests.conftest import Desk

RAW = ("fpmms", "fpmm_transactions", "fpmm_funding_additions", "fpmm_funding_removals")
ENTITIES = ("FixedProductMarketMaker", "FpmmTransaction", "FpmmFundingAddition", "FpmmFundingRemoval")


@dataclass(frozen=True)
class Told:
    """A world with market makers, and a desk where it is loaded and built."""

    world: World
    desk: Desk

    @property
    def pools(self) -> dict[str, str]:
        """Condition of each pool."""
        return {row["id"]: row["conditions"][0] for row in self.world.entities["FixedProductMarketMaker"]}

    @property
    def liquidity(self) -> Counter[tuple[str, str]]:
        """Additions and removals, by wallet and condition. The contract rounds what it owes at each of them."""
        rows = [*self.world.entities["FpmmFundingAddition"], *self.world.entities["FpmmFundingRemoval"]]
        return Counter((row["funder"], self.pools[row["fpmm"]]) for row in rows)


@pytest.fixture(scope="module", params=[71, pytest.param(72, marks=pytest.mark.long)], ids=lambda seed: f"world_{seed}")
def told(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Told]:
    """Loaded twice, data tests and all."""
    world = simulate(request.param, steps=2500, pools=6)
    with Goldsky(world.entities, head=world.until) as endpoint:
        desk = Desk(tmp_path_factory.mktemp("amm") / "warehouse", endpoint.base_url)
        desk.polyledger("load", "amm")
        desk.load_everything()
        desk.dbt("build", "--exclude-resource-type", "unit_test")
        yield Told(world, desk)


def landed(desk: Desk) -> dict[str, list[tuple[object, ...]]]:
    """Rows as they were served, each once."""
    return {
        table: desk.rows(f"select distinct * except (_loaded_at, _run_id) from polyledger_raw.{table} order by id")
        for table in RAW
    }


def test_settled_pnl_is_what_the_pools_and_the_chain_know(told: Told) -> None:
    settled = {
        (wallet, condition): int(pnl)
        for wallet, condition, pnl in told.desk.rows(
            "select wallet, condition_id, reinterpretAsInt128(assumeNotNull(settled_pnl_usdc)) "
            "from polyledger.fct_realized_pnl_by_market where is_resolved"
        )
    }
    expected = {key: pnl for key, pnl in told.world.settled.items() if key[0] not in HOUSES}
    liquidity = told.liquidity
    assert not {key for key in expected.keys() - settled.keys() if expected[key]}
    for key, pnl in settled.items():
        assert abs(pnl - expected[key]) <= 3 + told.world.ledger[key].conversions + liquidity[key], key
    providers = [key for key, account in told.world.ledger.items() if any(account.pooled_shares)]
    assert sum(key in settled for key in providers) > 3


def test_every_condition_with_a_pool_balances(told: Told) -> None:
    audited = {
        unit: (status, reason)
        for unit, status, reason in told.desk.rows("select unit_id, status, reason from polyledger.audit_double_entry")
    }
    assert {audited[condition] for condition in told.pools.values()} == {("balanced", None)}
    sums: dict[str, Fraction] = defaultdict(Fraction)
    for (_, condition), pnl in told.world.settled.items():
        sums[condition] += pnl
    assert {condition for condition in told.pools.values() if condition in sums}, "none is resolved"
    # The fee modules are among them; a redemption is rounded down by outcome.
    redeemed = Counter(row["condition"] for row in told.world.entities["Redemption"])
    for (_, condition), rounded in told.liquidity.items():
        redeemed[condition] += rounded
    assert all(abs(sums[condition]) <= 2 * redeemed[condition] for condition in told.pools.values())


def test_the_replay_of_trades_and_of_pool_shares_is_the_subgraphs(told: Told) -> None:
    """Where rows tell the order of events; of an id that a second event of its transaction took, nothing is known."""
    share_tokens = {str(int.from_bytes(bytes.fromhex(pool[2:]), "little")) for pool in told.pools}
    replayed = {
        (f"0x{wallet}", str(token)): tuple(map(int, figures))
        for wallet, token, *figures in told.desk.rows(
            "select lower(hex(wallet)), token_id, subgraph_amount, subgraph_avg_price, subgraph_realized_pnl, "
            "subgraph_total_bought from polyledger.int_positions as positions "
            "inner join polyledger.int_tokens as tokens on positions.condition_id = tokens.condition_id "
            "and positions.outcome_index = tokens.outcome_index"
        )
    }
    recorded = {
        (row["user"], row["tokenId"]): tuple(
            int(row[name]) for name in ("amount", "avgPrice", "realizedPnl", "totalBought")
        )
        for row in told.world.entities["UserPosition"]
    }
    of_pools = {key for key in recorded if key[1] in share_tokens}
    assert len(of_pools) > 10
    assert all(replayed[key] == recorded[key] for key in of_pools)
    assert sum(replayed.get(key) == figures for key, figures in recorded.items()) > len(recorded) * 0.9


def test_trades_have_price_and_fee_and_pools_are_no_wallets(told: Told) -> None:
    served = {
        row["id"]: (row["type"].lower(), row["user"], int(row["tradeAmount"]), int(row["feeAmount"]))
        for row in told.world.entities["FpmmTransaction"]
    }
    shown = told.desk.rows(
        "select trade_id, side, wallet, reinterpretAsInt128(usdc), reinterpretAsInt128(fee_usdc), price, "
        "toFloat64(usdc) / toFloat64(shares) from polyledger.fct_amm_trades"
    )
    assert {row[0]: row[1:5] for row in shown} == served
    assert all(row[5] == row[6] for row in shown)
    events = told.desk.rows("select count(), uniqExact(event_id) from polyledger.fct_position_events")
    assert events[0][0] == events[0][1]
    ((amm,),) = told.desk.rows("select count() from polyledger.fct_position_events where event_type = 'amm'")
    assert amm > len(served)
    system = {
        f"0x{one}" for (one,) in told.desk.rows("select lower(hex(address)) from polyledger.int_system_addresses")
    }
    assert told.pools.keys() <= system
    ranked = {wallet for (wallet,) in told.desk.rows("select wallet from polyledger.leaderboard")}
    assert ranked and not ranked & told.pools.keys()


def test_explain_of_a_provider_agrees_with_the_marts(told: Told) -> None:
    wallet = max(told.world.ledger, key=lambda key: told.world.ledger[key].pooled_cash)[0]
    explained = json.loads(told.desk.polyledger("explain", wallet, "--json").stdout)
    assert explained["disagreements"] == []
    kinds = {event["event_type"] for market in explained["markets"] for event in market["events"]}
    assert "amm" in kinds


def test_loading_again_changes_nothing(told: Told) -> None:
    before = landed(told.desk)
    with Goldsky(told.world.entities, head=told.world.until) as endpoint:
        told.desk.base_url = endpoint.base_url
        assert "landed nothing new" in told.desk.polyledger("load", "amm").stdout
        # Remembered as complete, it would not be asked for again.
        client = clickhouse_connect.get_client(interface="chdb", path=str(told.desk.data))
        client.command("delete from polyledger_raw.load_windows where entity like 'Fpmm%'")
        client.close()
        told.desk.polyledger("load", "amm")
    assert landed(told.desk) == before
    assert {name: len(rows) for name, rows in before.items()} == {
        table: len(told.world.entities[entity]) for table, entity in zip(RAW, ENTITIES, strict=True)
    }


# Over the wire


@pytest.fixture(scope="module")
def small() -> World:
    return simulate(73, steps=400, pools=3)


def test_an_endpoint_in_trouble_loses_nothing(desk: Desk, small: World) -> None:
    kinds = ("429", "502", "errors", "null", "not_json", "partial", "truncated", "short_json")
    faults = Faults(0.0)
    faults.queue.extend(word for kind in kinds for word in (kind, "ok"))
    with Goldsky(small.entities, head=small.until, faults=faults) as endpoint:
        desk.base_url = endpoint.base_url
        desk.polyledger("load", "amm")
        assert len([request for request in endpoint.requests if request.fault]) > 3
    assert {table: len(rows) for table, rows in landed(desk).items()} == {
        table: len(small.entities[entity]) for table, entity in zip(RAW, ENTITIES, strict=True)
    }


def test_rows_that_make_no_sense_are_kept_aside(desk: Desk, small: World) -> None:
    first, *rest = small.entities["FpmmTransaction"]
    damaged = [first | {"type": "Swap"}, *rest]
    addition, *additions = small.entities["FpmmFundingAddition"]
    entities = small.entities | {
        "FpmmTransaction": damaged,
        "FpmmFundingAddition": [addition | {"amountsAdded": ["1"]}, *additions],
    }
    with Goldsky(entities, head=small.until) as endpoint:
        desk.base_url = endpoint.base_url
        assert "kept aside" in desk.polyledger("load", "amm", code=3).stdout
    rejected = desk.rows("select entity, row_id, reason from polyledger_raw.rejected_rows order by entity")
    assert [row[:2] for row in rejected] == [
        ("FpmmFundingAddition", addition["id"]),
        ("FpmmTransaction", first["id"]),
    ]
    assert "less than two outcomes" in rejected[0][2] and "neither Buy nor Sell" in rejected[1][2]


def test_a_wallet_brings_its_trades_and_the_pools_that_they_name(desk: Desk, small: World) -> None:
    wallet = small.entities["FpmmTransaction"][0]["user"]
    with Goldsky(small.entities, head=small.until) as endpoint:
        desk.base_url = endpoint.base_url
        assert "FpmmTransaction wallet:" in desk.polyledger("load", "amm", "--wallet", wallet, "--dry-run").stdout
        assert not desk.data.exists()
        desk.polyledger("load", "amm", "--wallet", wallet)
    of_wallet = {
        entity: [row for row in small.entities[entity] if wallet in (row.get("user"), row.get("funder"))]
        for entity in ENTITIES[1:]
    }
    counts = {table: len(rows) for table, rows in landed(desk).items()}
    assert [counts[table] for table in RAW[1:]] == [len(of_wallet[entity]) for entity in ENTITIES[1:]]
    named = {row.get("market") or row["fpmm"] for rows in of_wallet.values() for row in rows}
    assert counts["fpmms"] == len(named)


def test_a_warehouse_of_an_earlier_version_gets_its_tables(desk: Desk) -> None:
    with Goldsky({}) as endpoint:
        desk.base_url = endpoint.base_url
        desk.polyledger("load", "activity")
    client = clickhouse_connect.get_client(interface="chdb", path=str(desk.data))
    for table in RAW:
        client.command(f"drop table polyledger_raw.{table}")
    client.close()
    desk.polyledger("verify", code=None)
    desk.dbt("run", "--select", "stg_goldsky__fpmms")
    assert landed(desk) == {table: [] for table in RAW}


def test_sync_goes_on_with_what_was_begun_and_begins_nothing(desk: Desk, small: World) -> None:
    with Goldsky(small.entities, head=small.until) as endpoint:
        desk.base_url = endpoint.base_url
        desk.polyledger("load", "activity")
        desk.polyledger("sync")
        assert desk.rows("select count() from polyledger_raw.fpmm_transactions") == [(0,)]
        desk.polyledger("load", "amm", "--until", "2025-01-20")
        ((before,),) = desk.rows("select count() from polyledger_raw.fpmm_transactions")
        desk.polyledger("sync")
        ((after,),) = desk.rows("select uniqExact(id) from polyledger_raw.fpmm_transactions")
    assert before < after == len(small.entities["FpmmTransaction"])
