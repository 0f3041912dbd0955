"""From an endpoint over HTTP to the marts, against a ledger that was kept while the world was simulated."""

import json
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import pytest

from loaders.demo import RUN_PREFIX
from loaders.standin.goldsky import Faults, Goldsky
from loaders.standin.world import HOUSES, World, simulate
from loaders.tests.conftest import MARTS, SHARED, Desk
from loaders.tests.test_command import call

RECORDINGS = SHARED / "data"
BASE_UNITS = 10**6
TEXTS = ("String", "Nullable(String)")


@pytest.fixture(scope="module")
def world() -> World:
    return simulate(7, steps=2600)


@pytest.fixture(scope="module")
def loaded(world: World, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    """A desk where the world is loaded and built once. Tests must leave its marts as they are."""
    with Goldsky(world.entities, head=world.until) as endpoint:
        desk = Desk(tmp_path_factory.mktemp("loaded") / "warehouse", endpoint.base_url)
        desk.load_everything()
        desk.dbt("build", "--exclude-resource-type", "unit_test")
        yield desk
        assert [r.error for r in endpoint.requests if r.error] == []


def test_the_world_is_large_and_mixed_enough(world: World) -> None:
    assert len(world.entities["OrderFilledEvent"]) >= 5000
    assert len(world.entities["Condition"]) >= 40
    assert len({row["maker"] for row in world.entities["OrderFilledEvent"]}) >= 50
    assert min(len(world.entities[e]) for e in ("Split", "Merge", "Redemption", "NegRiskConversion")) > 50


def test_settled_pnl_equals_the_ledger(world: World, loaded: Desk) -> None:
    booked = {
        (wallet, condition): pnl
        for wallet, condition, pnl in loaded.rows(
            "select wallet, condition_id, settled_pnl_usdc from polyledger.fct_realized_pnl_by_market where is_resolved"
        )
    }
    expected = {key: value for key, value in world.settled.items() if key[0] not in HOUSES}
    assert booked.keys() == {key for key in expected if _touched(world, key)}
    for key, pnl in booked.items():
        difference = abs(Fraction(pnl) * BASE_UNITS - expected[key])
        assert difference <= 3 + world.ledger[key].conversions, (key, pnl, expected[key])


def _touched(world: World, key: tuple[str, str]) -> bool:
    account = world.ledger[key]
    return bool(account.cash or any(account.shares) or account.conversions) or key in _active(world)


def _active(world: World) -> set[tuple[str, str]]:
    """(wallet, condition) of every served row that names both."""
    token_condition = {t: row["id"] for row in world.entities["Condition"] for t in row["positionIds"]}
    active = set()
    for row in world.entities["OrderFilledEvent"]:
        token = row["takerAssetId"] if row["makerAssetId"] == "0" else row["makerAssetId"]
        active.add((row["maker"], token_condition[token]))
    for entity, wallet in (("Split", "stakeholder"), ("Merge", "stakeholder"), ("Redemption", "redeemer")):
        active |= {(row[wallet], row["condition"]) for row in world.entities[entity]}
    return active


def test_open_shares_equal_the_ledger_where_nothing_was_redeemed(world: World, loaded: Desk) -> None:
    redeemed = {(row["redeemer"], row["condition"]) for row in world.entities["Redemption"]}
    checked = 0
    for wallet, condition, shares in loaded.rows(
        "select wallet, condition_id, open_shares from polyledger.fct_realized_pnl_by_market"
    ):
        if (wallet, condition) not in redeemed:
            assert [int(share * BASE_UNITS) for share in shares] == world.ledger[wallet, condition].shares
            checked += 1
    assert checked > 500


def test_fees_equal_the_ledger(world: World, loaded: Desk) -> None:
    found = loaded.rows("select toString(sum(fee_usdc)), toString(sum(fee_shares)) from polyledger.fct_fills")
    accounts = [account for (wallet, _), account in world.ledger.items() if wallet not in HOUSES]
    cash = sum(account.fees_cash for account in accounts)
    shares = sum(sum(account.fees_shares) for account in accounts)
    assert [Fraction(amount) * BASE_UNITS for amount in found[0]] == [cash, shares]
    assert cash > 0 and shares > 0


def test_gains_less_losses_are_the_settled_pnl_and_volume_is_in_dollars(world: World, loaded: Desk) -> None:
    assert loaded.rows(
        "select count() from polyledger.fct_wallet_pnl where gains_usdc - losses_usdc != settled_pnl_usdc"
    ) == [(0,)]
    paid = sum(
        int(row["makerAmountFilled"] if row["makerAssetId"] == "0" else row["takerAmountFilled"])
        for row in world.entities["OrderFilledEvent"]
    )
    volume = loaded.rows("select toString(sum(volume_usdc)) from polyledger.fct_wallet_pnl")[0][0]
    assert Fraction(volume) * BASE_UNITS == paid


@pytest.mark.long
def test_loading_with_faults_ends_in_the_same_marts(world: World, loaded: Desk, desk: Desk) -> None:
    faults = Faults(0.15, seed=3, hang_seconds=0.7)
    with Goldsky(world.entities, head=world.until, faults=faults) as endpoint:
        desk.base_url = endpoint.base_url
        # Small pages of work make many requests: every wallet by itself, then everything.
        wallets = sorted({row["maker"] for row in world.entities["OrderFilledEvent"]})[:15]
        only = [word for wallet in wallets for word in ("--wallet", wallet)]
        desk.polyledger("load", "fills", "--since", "2022-11-21", *only, GOLDSKY_TIMEOUT_SECONDS="0.5")
        desk.load_everything(GOLDSKY_TIMEOUT_SECONDS="0.5")
        assert len({request.fault for request in endpoint.requests} - {None}) >= 6
    desk.dbt("build", "--exclude-resource-types", "test", "unit_test")
    assert desk.marts() == loaded.marts()


def test_a_plain_client_reads_null_where_a_value_is_unknown(loaded: Desk) -> None:
    unknown = {
        "vw_resolutions_truth": ["payout_denominator", "winning_index", "resolved_at", "resolved_at_basis"],
        "fct_realized_pnl_by_market": ["settlement_usdc", "settled_pnl_usdc"],
        "fct_wallet_pnl": ["unrealized_unknown_because"],
        "leaderboard": ["roi", "win_rate", "omega_ratio", "sharpe_ratio"],
    }
    for mart, columns in unknown.items():
        counts = ", ".join(f"countIf({column} is null) > 0" for column in columns)
        assert loaded.rows(f"select {counts} from polyledger.{mart}") == [(True,) * len(columns)], mart
    for mart in MARTS:
        types = loaded.rows(f"select name, type from system.columns where database = 'polyledger' and table = '{mart}'")
        wrong = {name: f"countIf({name} in ('', '0x'))" for name, kind in types if kind in TEXTS}
        wrong |= {name: f"countIf(toYear({name}) = 1970)" for name, kind in types if "DateTime" in kind}
        (found,) = loaded.rows(f"select {', '.join(wrong.values())} from polyledger.{mart}")
        assert dict(zip(wrong, found, strict=True)) == dict.fromkeys(wrong, 0), mart


@pytest.mark.parametrize(
    ("mart", "column", "reads"),
    [("fct_wallet_pnl", "wallet", 2), ("fct_wallet_pnl_daily", "wallet", 1), ("fct_holders", "condition_id", 3)],
)
def test_a_filter_by_what_people_write_reaches_the_bytes_below(
    loaded: Desk, mart: str, column: str, reads: int
) -> None:
    some = f"(select any({column}) from polyledger.{mart})"
    plan = loaded.rows(f"explain indexes = 1 select * from polyledger.{mart} where {column} = {some}")
    assert sum(f"Name: {column}_text" in line for (line,) in plan) == reads


def test_other_projects_conditions_are_kept_in_raw_and_out_of_the_marts(world: World, loaded: Desk) -> None:
    listed = {row["condition"] for row in world.entities["MarketData"]}
    foreign = {row["condition"] for row in world.entities["Split"]} - listed
    assert len(foreign) > 1
    landed = loaded.rows("select distinct concat('0x', lower(hex(condition))) from polyledger_raw.splits")
    assert foreign <= {row[0] for row in landed}
    booked = loaded.rows(
        "select distinct condition_id from polyledger.fct_position_events where condition_id is not null"
    )
    assert not foreign & {row[0] for row in booked}


@pytest.mark.skipif(not RECORDINGS.is_dir(), reason="the real recordings are not part of the project, and not here")
def test_the_recorded_market_to_the_last_digit(desk: Desk) -> None:
    expected = json.loads((RECORDINGS / "expected_inflation_market.json").read_text())
    shown = desk.polyledger("demo", "--recording", str(RECORDINGS / "recording_v1.json")).stdout
    assert "100 fills, 606 conditions: 580 single winners, 9 ties, 17 open" in shown
    (market,) = desk.rows(
        f"""
        select fill_count, toString(open_shares[1]), toString(cash_usdc), toString(settled_pnl_usdc)
        from polyledger.fct_realized_pnl_by_market
        where wallet = '{expected["wallet"]}' and condition_id = '{expected["condition_id"]}'
        """
    )
    figures = expected["expected"]
    assert market == (65, figures["net_shares"], figures["cash_usdc"], figures["settled_pnl_usdc"])
    (replayed,) = desk.rows(
        f"""
        select reinterpretAsInt128(shares), subgraph_amount, subgraph_avg_price, subgraph_realized_pnl
        from polyledger.int_positions
        where
            wallet = unhex('{expected["wallet"][2:]}') and condition_id = unhex('{expected["condition_id"][2:]}')
            and outcome_index = 0
        """
    )
    net = int(Fraction(figures["net_shares"]) * BASE_UNITS)
    assert replayed == (net, net, figures["subgraph_avg_price"], 0)
    outcomes = desk.rows(
        "select countIf(winning_index is not null), countIf(is_resolved and winning_index is null), "
        "countIf(not is_resolved) from polyledger.vw_resolutions_truth"
    )
    assert outcomes == [(580, 9, 17)]


def test_the_demo_starts_empty_and_keeps_out_of_real_rows(desk: Desk, world: World, tmp_path: Path) -> None:
    small = tmp_path / "small.json"
    small.write_text(json.dumps(simulate(1, steps=40).entities))
    with Goldsky(world.entities, head=world.until) as endpoint:
        desk.base_url = endpoint.base_url
        call(desk, "load", "payouts", "--all", POLYLEDGER_RUN_PREFIX=RUN_PREFIX)  # as an earlier demo left them
        desk.polyledger("demo", "--recording", str(small))
        shown = {row[0] for row in desk.marts()["vw_resolutions_truth"]}
        assert shown and not shown & {row["id"] for row in world.entities["Condition"]}
    columns = "from system.columns where database = 'polyledger_raw' and name = '_run_id'"
    tables = [table for (table,) in desk.rows(f"select table {columns}")]
    assert {"order_filled_events_v2", "fpmm_transactions", "user_positions", "file_payouts"} < set(tables)
    for table in tables:
        desk.rows(f"insert into polyledger_raw.{table} (_run_id) values ('of a real load')")
        refused = call(desk, "demo", code=2).err
        assert "has rows of real loads (1)" in refused and "POLYLEDGER_DATA=" in refused, table
        desk.rows(f"delete from polyledger_raw.{table} where _run_id = 'of a real load'")
    refused = call(desk, "demo", code=2, POLYLEDGER_RAW_SCHEMA="elsewhere").err
    assert "has models of rows that were landed elsewhere" in refused
