"""verify passes what the loaders and dbt made, and sees each way in which rows or marts can be wrong.

A real world is loaded and built once. Each test then damages copies of its raw tables and of five marts.
"""

import csv
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from loaders.checks import verify, verify_fills
from loaders.checks.evidence import Check
from loaders.standin.goldsky import Goldsky
from loaders.standin.world import World, simulate
from loaders.target import Target, read_target
from loaders.tests.conftest import PROJECT, Desk
from loaders.warehouse import Warehouse, declared_columns, opened

MARTS = (
    "fct_fills",
    "vw_resolutions_truth",
    "int_payout_vectors",
    "fct_realized_pnl_by_market",
    "audit_double_entry",
    "audit_subgraph_positions",
    "audit_baselines",
)
ALIASED = ("order_filled_events", "order_filled_events_v2", "condition_resolutions")  # their id is reckoned
STORED = {  # columns of each raw table that are inserted
    table: ", ".join(column for column in columns if column != "id" or table not in ALIASED)
    for table, columns in declared_columns().items()
}
OLD = "toDateTime64('2025-01-01 00:00:00', 6, 'UTC')"  # landed then: no mart is older


@pytest.fixture(scope="module")
def world() -> World:
    return simulate(5, steps=250)


@pytest.fixture(scope="module")
def built(world: World, tmp_path_factory: pytest.TempPathFactory) -> Desk:
    """A desk where the world is loaded and built once."""
    with Goldsky(world.entities, head=int(time.time())) as endpoint:
        desk = Desk(tmp_path_factory.mktemp("built") / "warehouse", endpoint.base_url)
        desk.load_everything()
    only = ["--resource-type", "model", "--resource-type", "seed", "--select", *(f"+{mart}" for mart in MARTS)]
    desk.dbt("build", *only)
    return desk


@dataclass
class Copy:
    """The copies that a test may damage."""

    warehouse: Warehouse
    raw: str
    marts: str

    def __call__(self, statement: str) -> None:
        """Run a statement in which r. is the raw database and m. that of the marts."""
        text = statement.replace(" r.", f" {self.raw}.").replace(" m.", f" {self.marts}.")
        self.warehouse.command(text + (" settings mutations_sync = 1" if text.startswith("alter") else ""))

    def checks(self) -> dict[str, Check]:
        return {check.name: check for check in verify.verify(self.warehouse)}

    def check(self, name: str, verdict: str, **numbers: Any) -> Check:
        """The named check, which must have this verdict and these numbers; no other check may fail."""
        checks = self.checks()
        assert checks[name].verdict == verdict, checks[name]
        assert checks[name].numbers | numbers == checks[name].numbers, checks[name]
        assert bool(checks[name].why) == (verdict != "pass"), checks[name]
        assert {name for name, check in checks.items() if check.verdict == "fail"} <= {name}, checks
        return checks[name]


@pytest.fixture
def target(built: Desk, monkeypatch: pytest.MonkeyPatch) -> Target:
    monkeypatch.setenv("POLYLEDGER_DATA", str(built.data))
    monkeypatch.chdir(PROJECT)
    return read_target()


@pytest.fixture
def marts(target: Target) -> Iterator[Copy]:
    """Copies of the marts; the raw tables are the real ones, so these must be left alone."""
    yield from copied(target, [])


@pytest.fixture
def copy(target: Target) -> Iterator[Copy]:
    """Copies of the marts and of the raw tables."""
    yield from copied(replace(target, raw_schema="copied_raw"), list(STORED))


def copied(target: Target, tables: list[str]) -> Iterator[Copy]:
    with opened(replace(target, schema="copied")) as warehouse:
        copy = Copy(warehouse, target.raw_schema, "copied")
        warehouse.create_tables()
        for table in tables:
            copy(f"insert into r.{table} ({STORED[table]}) select {STORED[table]} from polyledger_raw.{table}")
        warehouse.command("create database copied")
        for mart in MARTS:
            copy(f"create table m.{mart} engine = MergeTree order by tuple() as select * from polyledger.{mart}")
        yield copy
        for database in ("copied_raw", "copied"):
            # At once: else the dropped tables are kept for minutes, and each opening reads them again.
            warehouse.command(f"drop database if exists {database} sync")


# All is well


def test_what_was_loaded_and_built_passes(built: Desk, world: World) -> None:
    checks = {check["name"]: check for check in json.loads(built.polyledger("verify", "--json").stdout)["checks"]}
    assert all(set(check) == {"name", "verdict", "numbers", "why"} for check in checks.values())
    unchecked = {name for name, check in checks.items() if check["verdict"] == "not checked"}
    assert unchecked == {"payout sources", "positions", "subgraph record", "baselines"}
    assert {check["verdict"] for name, check in checks.items() if name not in unchecked} == {"pass"}
    count = len(world.entities["OrderFilledEvent"])
    assert checks["fills"]["numbers"] == {
        "fills": count,
        "landed": count,
        "missing": 0,
        "invented": 0,
        "more_than_once": 0,
        "landed_copies": count,
    }
    assert 0 < checks["payouts"]["numbers"]["resolved"] < checks["payouts"]["numbers"]["conditions"]
    assert checks["traded tokens"]["numbers"]["share"] == 1


def test_people_read_80_columns_and_failures_end_with_1(built: Desk, target: Target) -> None:
    with opened(target) as warehouse:
        warehouse.command("create database damaged")
        for mart in MARTS:
            values = "* replace (2 as price)" if mart == "fct_fills" else "*"
            warehouse.command(f"create view damaged.{mart} as select {values} from polyledger.{mart}")
    said = built.polyledger("verify", code=1, COLUMNS="80", POLYLEDGER_SCHEMA="damaged").stdout
    assert max(map(len, said.splitlines())) <= 80
    assert "fail         fill values" in said and ", 1 fail" in said


def test_before_the_first_load_nothing_is_checked_and_nothing_created(desk: Desk) -> None:
    checks = json.loads(desk.polyledger("verify", "--json").stdout)["checks"]
    assert {check["verdict"] for check in checks} == {"not checked"}
    assert "begin with polyledger load fills" in checks[0]["why"]
    assert list(desk.data.parent.iterdir()) == []


def test_an_empty_warehouse_has_nothing_wrong(target: Target) -> None:
    with opened(replace(target, raw_schema="empty_raw", schema="empty")) as warehouse:
        warehouse.command("create database empty_raw")
        assert {check.verdict for check in verify.verify(warehouse)} == {"not checked"}
        warehouse.create_tables()
        checks = {check.name: check for check in verify.verify(warehouse)}
        assert not {name for name, check in checks.items() if check.verdict == "fail"}
        assert checks["payouts"].verdict == checks["fills"].verdict == "not checked"
        assert checks["traded tokens"].verdict == checks["windows"].verdict == "not checked"
        warehouse.command("drop database empty_raw")


def test_copies_of_rows_change_nothing(copy: Copy) -> None:
    copy("system stop merges r.order_filled_events")
    for table, columns in STORED.items():
        copy(f"insert into r.{table} ({columns}) select {columns} from r.{table}")
    fills = copy.check("fills", "pass").numbers
    assert fills["landed_copies"] == 2 * fills["landed"]


def test_many_fills_are_compared_in_parts(marts: Copy, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = marts.check("fills", "pass").numbers
    monkeypatch.setattr(verify_fills, "FILLS_AT_ONCE", 50)
    assert marts.check("fills", "pass").numbers == whole


# Readiness


def test_raw_tables_that_are_missing(copy: Copy) -> None:
    copy("drop table r.load_runs")
    copy.check("raw tables", "warn", missing=1)
    copy("drop table r.splits")
    assert "splits" in copy.check("raw tables", "fail", missing=2).why
    assert {check.verdict for name, check in copy.checks().items() if name != "raw tables"} == {"not checked"}


def test_marts_that_are_not_built(marts: Copy) -> None:
    marts("drop table m.fct_fills")
    assert "run dbt build" in marts.check("models", "warn", not_built=1).why
    assert "fct_fills is not built" in marts.check("fills", "not checked").why


def test_marts_that_are_older_than_the_rows(copy: Copy) -> None:
    copy("insert into r.splits (id, _loaded_at) values ('x', now() + interval 1 day)")
    copy.check("models", "warn", older_than_rows=len(MARTS))
    assert "run dbt build" in copy.check("fills", "not checked").why
    copy.check("fill values", "pass")


def test_a_project_that_is_elsewhere(marts: Copy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DBT_PROJECT_DIR", str(tmp_path))
    assert "no dbt project" in marts.check("models", "warn").why


def test_rows_that_are_old(copy: Copy) -> None:
    for table, columns in STORED.items():
        copy(f"truncate table r.{table}")
        old = columns.replace("_loaded_at", "_loaded_at - interval 2 day")
        copy(f"insert into r.{table} ({columns}) select {old} from polyledger_raw.{table}")
    check = copy.check("freshness", "warn")
    assert 48 <= check.numbers["hours_ago"] < 50


def test_a_refused_query_hides_nothing_else(marts: Copy) -> None:
    marts("alter table m.fct_fills drop column price")
    assert "price" in marts.check("fill values", "fail").why


# Windows, quarantine, era

WINDOW = "insert into r.load_windows (entity, scope, since, until, state, updated_at) values"


def test_windows_that_are_open_or_missing(copy: Copy) -> None:
    copy(f"{WINDOW} ('Split', 'wallet:0x', '2030-01-01 00:00:00', '2030-01-02 00:00:00', 'open', now())")
    copy.check("windows", "fail", open_filters=1, gaps=0, open=0)
    copy(f"{WINDOW} ('Split', '', '2030-01-01 00:00:00', '2030-01-02 00:00:00', 'open', now())")
    copy.check("windows", "fail", gaps=0, open=1)
    copy(f"{WINDOW} ('Split', '', '2030-01-01 00:00:00', '2030-01-02 00:00:00', 'complete', now() + 1)")
    check = copy.check("windows", "fail", gaps=1, open=0)
    assert "Split" in check.why and "to 2030-01-01 00:00:00" in check.why


def test_filtered_loads_alone_are_not_judged(copy: Copy) -> None:
    copy("truncate table r.load_windows")
    copy(f"{WINDOW} ('Split', 'wallet:0x', '2030-01-01 00:00:00', '2030-01-02 00:00:00', 'complete', now())")
    copy.check("windows", "not checked")


def test_rows_that_were_kept_aside(copy: Copy) -> None:
    copy("insert into r.rejected_rows (entity, row_id, reason) values ('Split', 'a', 'x'), ('Merge', 'b', 'y')")
    copy.check("quarantine", "warn", rows=2, Split=1, Merge=1)


def test_fills_after_the_public_subgraphs_became_incomplete(copy: Copy) -> None:
    columns = "timestamp, order_hash, maker_asset_id, taker_asset_id, _loaded_at"
    token = "(select any(id) from r.market_data)".replace("r.", f"{copy.raw}.")
    for moment in ("2026-04-28 10:59:59", "2026-04-28 11:00:00"):
        copy(f"insert into r.order_filled_events ({columns}) values ('{moment}', '{moment}', 0, {token}, {OLD})")
    checks = copy.checks()
    assert (checks["V1 era"].verdict, checks["V1 era"].numbers) == ("warn", {"fills_after": 1})
    assert (checks["fills"].verdict, checks["fills"].numbers["missing"]) == ("fail", 2)


# Fills


def test_fills_that_are_lost_or_twice_or_were_never_landed(marts: Copy) -> None:
    marts("alter table m.fct_fills delete where fill_id = (select min(fill_id) from m.fct_fills)")
    marts.check("fills", "fail", missing=1, invented=0, more_than_once=0)
    marts("insert into m.fct_fills select * from m.fct_fills limit 1")
    marts.check("fills", "fail", missing=1, invented=0, more_than_once=1)
    marts(
        "insert into m.fct_fills select * replace (concat('0x', repeat('ab', 32), '_0x', repeat('cd', 32)) as fill_id) "
        "from m.fct_fills limit 1"
    )
    marts.check("fills", "fail", missing=1, invented=1, more_than_once=1)


def damage(copy: Copy, mart: str, values: str, where: str = "1") -> None:
    """Replace one row of a mart, another each time, by a damaged one."""
    key = {"fct_fills": "fill_id", "vw_resolutions_truth": "condition_id"}[mart]
    copy("create table if not exists m.done (id String) engine = Memory")
    whole = f"select * from m.{mart} where {where} and {key} not in (select id from m.done) order by {key} limit 1"
    copy(f"create table m.one engine = Memory as {whole}")
    copy(f"alter table m.{mart} delete where {key} in (select {key} from m.one)")
    copy(f"insert into m.{mart} select * replace ({values}) from m.one")
    copy(f"insert into m.done select {key} from m.one")
    copy("drop table m.one sync")


def test_values_that_cannot_be(marts: Copy) -> None:
    for values in ("1.000001 as price", "0 as price", "null as price", "nan as price", "0 as shares", "-1 as usdc"):
        damage(marts, "fct_fills", values)
    marts.check("fill values", "fail", price_outside=4, shares_not_positive=1, usdc_not_positive=1)


def test_ids_that_cannot_be(marts: Copy) -> None:
    for values in (
        "concat('0x', repeat('0', 40)) as wallet",
        "upper(wallet) as wallet",
        "'' as wallet",
        "concat('0x', repeat('0', 40)) as counterparty",
        "0 as token_id",
        "concat('0x', repeat('0', 64)) as transaction_hash",
        "'0x12' as order_hash",
    ):
        damage(marts, "fct_fills", values)
    numbers = {"bad_counterparties": 1, "bad_tokens": 1, "bad_transactions": 1, "bad_orders": 1}
    marts.check("fill ids", "fail", bad_wallets=3, **numbers)


def test_unknown_counterparties_are_fine(marts: Copy) -> None:
    damage(marts, "fct_fills", "null as counterparty")
    marts.check("fill ids", "pass")


# Payouts


def serve(copy: Copy, place: int, numerators: str, denominator: str) -> None:
    """A new answer about a resolved condition, the one at `place`."""
    copy(
        f"insert into r.conditions select id, position_ids, {numerators}, '{denominator}', _loaded_at + interval 1 "
        "millisecond, '' from (select * from polyledger_raw.conditions where notEmpty(payout_numerators)) "
        f"order by id limit 1 offset {place}"
    )


def test_payouts_come_in_several_forms(copy: Copy) -> None:
    serve(copy, 0, "['1', '0']", "1")
    serve(copy, 1, "['0.54', '0.46']", "")
    serve(copy, 2, "['0.54', '0.46']", "1")
    serve(copy, 3, "['540000000000000000', '460000000000000000']", str(10**18))
    copy.check("payout formats", "pass")
    copy.check("payout sums", "pass")


def test_payouts_that_are_none(copy: Copy) -> None:
    serve(copy, 0, "['1', 'x']", "")
    serve(copy, 1, "['1', '-1']", "")
    serve(copy, 2, "['1', '0']", "one")
    serve(copy, 3, "['1', '0', '0']", "")
    check = copy.checks()["payout formats"]
    assert check.verdict == "fail"
    assert list(check.numbers.values())[1:] == [2, 1, 1, 0]


def test_numerators_that_do_not_sum_to_the_denominator(copy: Copy) -> None:
    serve(copy, 0, "['1', '0.000001']", "1")
    copy.check("payout sums", "fail", other_sum=1)


def test_a_truth_that_does_not_add_up(marts: Copy) -> None:
    for values in (
        "[1, 1] as payout_numerators, 1 as payout_denominator, null as winning_index",
        "[toDecimal128('0.5', 18), toDecimal128('0.499999999999999989', 18)] as payouts",
        "false as is_resolved, null as winning_index, null as resolved_at, null as resolved_at_basis",
    ):
        damage(marts, "vw_resolutions_truth", values, "is_resolved")
    marts.check("resolutions", "fail", numerators_off=1, payouts_off_one=1, resolved_off=-1)


def test_thirds_sum_to_one_nearly(marts: Copy) -> None:
    third = "toDecimal128('0.333333333333333333', 18)"
    damage(marts, "vw_resolutions_truth", f"[{third}, {third}, {third}] as payouts", "is_resolved")
    marts.check("resolutions", "pass")


def test_a_condition_that_is_lost_or_twice(marts: Copy) -> None:
    marts("insert into m.vw_resolutions_truth select * from m.vw_resolutions_truth where not is_resolved limit 1")
    marts.check("resolutions", "fail", conditions_off=1, more_than_once=1)
    marts("truncate table m.vw_resolutions_truth")
    assert marts.check("resolutions", "fail").numbers["conditions_off"] < 0


def test_winners_that_did_not_win(marts: Copy) -> None:
    for values, where in (
        ("1 - winning_index as winning_index", "winning_index is not null"),
        ("2 as winning_index", "winning_index is not null"),
        ("null as winning_index", "winning_index is not null"),
        ("0 as winning_index", "is_resolved and winning_index is null"),
        ("0 as winning_index", "not is_resolved"),
    ):
        damage(marts, "vw_resolutions_truth", values, where)
    marts.check("winning index", "fail", wrong=5)


def test_dates_of_resolution(marts: Copy) -> None:
    marts.check("resolved dates", "pass", before_the_contract=0)
    dated = marts.checks()["resolved dates"].numbers["dated"]
    good = "toDateTime('2025-01-01 00:00:00', 'UTC')"
    for moment, basis in (("now() + interval 1 day", "'x'"), ("toDateTime(0, 'UTC')", "'x'"), (good, "null")):
        damage(marts, "vw_resolutions_truth", f"{moment} as resolved_at, {basis} as resolved_at_basis", "is_resolved")
    wrong = {"before_the_contract": 1, "in_the_future": 1, "unresolved_or_without_basis": 1}
    marts.check("resolved dates", "fail", dated=dated, **wrong)
    marts("alter table m.vw_resolutions_truth update resolved_at = null where true")
    marts.check("resolved dates", "not checked", dated=0)


# Coverage and ledger


def test_traded_tokens_without_a_condition(copy: Copy) -> None:
    copy("truncate table r.market_data")
    copy("truncate table r.conditions")
    checks = copy.checks()
    assert checks["traded tokens"].verdict == "fail" and "load payouts" in checks["traded tokens"].why
    assert checks["traded tokens"].numbers["share"] == 0
    copy(
        "insert into r.load_windows (entity, scope, state) select distinct 'MarketData', "
        "concat('id:', toString(if(maker_asset_id = 0, taker_asset_id, maker_asset_id))), 'not_found' "
        "from r.order_filled_events"
    )
    check = copy.checks()["traded tokens"]
    assert check.verdict == "warn" and check.numbers["not_found"] == check.numbers["traded"]


def test_traded_conditions_without_a_payout_row(copy: Copy) -> None:
    copy("alter table r.conditions delete where id = (select condition from r.market_data order by condition limit 1)")
    checks = copy.checks()
    assert (checks["traded conditions"].verdict, checks["traded conditions"].numbers["never_asked"]) == ("fail", 1)
    copy(
        "insert into r.load_windows (entity, scope, state) select 'Condition', "
        "concat('id:0x', lower(hex(min(condition)))), 'not_found' from r.market_data"
    )
    check = copy.checks()["traded conditions"]
    assert (check.verdict, check.numbers["not_found"], check.numbers["never_asked"]) == ("warn", 1, 0)


def test_holdings_below_nothing(marts: Copy) -> None:
    marts(
        "insert into m.fct_realized_pnl_by_market "
        "select * replace ([-1, 5] as open_shares) from m.fct_realized_pnl_by_market limit 1"
    )
    marts.check("holdings", "warn", negative=1, wallets=1)


# The ledger as a whole


def relabel(copy: Copy, status: str, reason: str, where: str = "1") -> None:
    """Another status for units of audit_double_entry."""
    copy("create table m.other engine = Memory as select * from m.audit_double_entry")
    copy(f"alter table m.audit_double_entry delete where {where}")
    values = f"'{status}' as status, '{reason}'::Nullable(String) as reason"
    copy(f"insert into m.audit_double_entry select * replace ({values}) from m.other where {where}")
    copy("drop table m.other sync")


def test_all_units_balance(marts: Copy) -> None:
    numbers = marts.check("double entry", "pass", partial=0, overdrawn=0, unbalanced=0).numbers
    assert numbers["balanced"] == numbers["units"] > 20


def test_a_unit_that_does_not_balance(marts: Copy) -> None:
    one = "unit_id = (select min(unit_id) from m.audit_double_entry)".replace(" m.", f" {marts.marts}.")
    relabel(marts, "partial", "not loaded", one)
    marts.check("double entry", "pass", partial=1)
    relabel(marts, "overdrawn", "paid out of nothing", one)
    assert "paid out of nothing" in marts.check("double entry", "warn", overdrawn=1).why
    relabel(marts, "unbalanced", "shares differ", one)
    check = marts.check("double entry", "fail", unbalanced=1, overdrawn=0)
    assert "shares differ" in check.why and "0x" in check.why


def test_a_ledger_of_which_nothing_is_whole_is_not_judged(marts: Copy) -> None:
    relabel(marts, "partial", "loaded by wallet")
    assert "loaded by wallet" in marts.check("double entry", "not checked", balanced=0).why
    marts("truncate table m.audit_double_entry")
    marts.check("double entry", "not checked", units=0)


def put_baseline(copy: Copy, figure: str, verdict: str, actual: int) -> None:
    """Another verdict for one of the figures of a wallet of which 1000 is expected."""
    wallet = "(select min(wallet) from m.audit_baselines)".replace(" m.", f" {copy.marts}.")
    copy("create table m.other engine = Memory as select * from m.audit_baselines")
    copy(f"alter table m.audit_baselines delete where wallet = {wallet} and figure = '{figure}'")
    copy(
        f"insert into m.audit_baselines select * replace (1000 as expected_usdc, {actual} as actual_usdc, "
        f"{actual - 1000} as variance_usdc, {(actual - 1000) / 10} as variance_percent, '{verdict}' as verdict, "
        f"'because' as reason) from m.other where wallet = {wallet} and figure = '{figure}'"
    )
    copy("drop table m.other sync")


def test_baselines_that_are_met_or_not(marts: Copy) -> None:
    whole = marts.check("baselines", "not checked", **{"pass": 0, "warn": 0, "fail": 0}).numbers
    assert whole["figures"] == whole["not_checked"] == 53
    put_baseline(marts, "net", "pass", 1000)
    marts.check("baselines", "pass", not_checked=52, **{"pass": 1})
    put_baseline(marts, "gains", "warn", 1100)
    assert "gains 1,100 instead of 1,000 (because)" in marts.check("baselines", "warn", warn=1).why
    put_baseline(marts, "losses", "fail", 1050)
    check = marts.check("baselines", "fail", fail=1, not_checked=50)
    assert check.why.index("losses 1,050") < check.why.index("gains 1,100")


def test_json_and_a_csv_hold_the_differences_from_the_baselines(built: Desk, tmp_path: Path) -> None:
    file = tmp_path / "baselines.csv"
    told = json.loads(built.polyledger("verify", "--json", "--baselines-csv", str(file)).stdout)["baselines"]
    with file.open(newline="") as lines:
        written = list(csv.DictReader(lines))
    assert len(written) == len(told) == 53
    seed = (PROJECT / "seeds" / "dome_baseline.csv").read_text().splitlines()
    first = next(csv.DictReader(seed))
    (net,) = [row for row in told if row["wallet"] == first["wallet"] and row["figure"] == "net"]
    assert (net["expected_usdc"], net["definition"], net["verdict"]) == ("135153.000000", "settled", "not_checked")
    assert (net["actual_usdc"], net["reason"]) == (None, "0 fills landed, 396 expected")
    (also,) = [row for row in written if row["wallet"] == first["wallet"] and row["figure"] == "net"]
    assert also == {name: "" if value in (None, []) else str(value) for name, value in net.items()}


def test_a_csv_that_has_no_place_is_told_before_anything_is_checked(desk: Desk, tmp_path: Path) -> None:
    for place in (tmp_path, tmp_path / "away" / "baselines.csv"):
        said = desk.polyledger("verify", "--baselines-csv", str(place), code=2)
        assert f"--baselines-csv {place}: a file in a folder" in said.stderr and not said.stdout


def test_marts_of_another_version_hide_no_other_check(built: Desk, target: Target) -> None:
    with opened(target) as warehouse:
        warehouse.command("create database older")
        for mart in MARTS:
            values = "* except (resembles)" if mart == "audit_baselines" else "*"
            warehouse.command(f"create view older.{mart} as select {values} from polyledger.{mart}")
    said = built.polyledger("verify", code=1, POLYLEDGER_SCHEMA="older").stdout
    assert "1 fail" in said and "resembles" in said


def test_sources_of_payouts_agree_or_are_seen_not_to(marts: Copy) -> None:
    same = "select condition_id, 'file', 3, arrayMap(n -> n * 3, payout_numerators), payout_denominator * 3"
    some = "from m.int_payout_vectors where length(payout_numerators) = 2 order by condition_id limit 5"
    marts(
        "insert into m.int_payout_vectors (condition_id, source, priority, payout_numerators, payout_denominator) "
        f"{same} {some}"
    )
    marts.check("payout sources", "pass", reported_by_several=5, disagree=0)
    marts(
        "insert into m.int_payout_vectors (condition_id, source, priority, payout_numerators, payout_denominator) "
        "select condition_id, 'chain', 1, [payout_numerators[1] + 1, payout_numerators[2]], payout_denominator + 1 "
        "from m.int_payout_vectors where source = 'file' and payout_numerators[2] > 0 order by condition_id limit 1"
    )
    marts.check("payout sources", "fail", reported_by_several=5, disagree=1)
