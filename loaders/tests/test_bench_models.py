"""The made history is one that the models accept, always the same, and what is measured on it is what is there."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from loaders.bench import history
from loaders.bench.models import QUERIES
from loaders.target import read_target
from loaders.tests.conftest import Desk
from loaders.tests.test_bench import figures_of
from loaders.warehouse import Warehouse, opened

FILLS = 30_000
# Shares that were moved outside of the exchange are sold without having been bought, three sales in a thousand.
WARNINGS = {"assert_no_holding_is_negative", "assert_nobody_holds_less_than_nothing"}


@pytest.fixture
def warehouse(tmp_path: Path) -> Iterator[Warehouse]:
    target = replace(read_target("embedded"), host=f"chdb:{tmp_path / 'warehouse'}", raw_schema="polyledger_raw")
    with opened(target) as found:
        yield found


def digests(warehouse: Warehouse, raw: str) -> dict[str, Any]:
    """Rows of each table, and a number that changes with any of them."""
    query = "select count(), sum(sipHash64(* except (updated_at))) from {}.load_windows"
    found = {"load_windows": warehouse.rows(query.format(raw))[0]}
    for table in (*history.EVENTS, "market_data", "conditions", "neg_risk_events"):
        found[table] = warehouse.rows(f"select count(), sum(sipHash64(*)) from {raw}.{table}")[0]
    return found


def count(warehouse: Warehouse, what: str, where: str = "true") -> int:
    table = f"{warehouse.raw}.order_filled_events"
    return int(warehouse.rows(f"select count({what}) from {table} where {where}")[0][0])


def test_a_history_is_the_same_at_every_call_and_in_proportion(warehouse: Warehouse) -> None:
    made = history.sized(FILLS, warehouse.raw)
    history.make(warehouse, made)
    first = digests(warehouse, warehouse.raw)
    history.make(warehouse, made)
    assert digests(warehouse, warehouse.raw) == first
    fills = count(warehouse, "distinct transaction_hash, order_hash")
    assert abs(fills / FILLS - 1) < 0.10
    # One in twenty is landed twice, some hours at a time: few hours in so small a history.
    assert 0.01 < count(warehouse, "") / fills - 1 < 0.10
    resolved = warehouse.rows(f"select avg(payout_denominator = '1') from {warehouse.raw}.conditions")[0][0]
    assert 0.6 < resolved < 0.9
    assert all(rows for rows, _ in first.values())


def test_days_and_resolutions_add_to_a_clone_and_are_forgotten(warehouse: Warehouse, tmp_path: Path) -> None:
    made = history.sized(FILLS, warehouse.raw)
    history.make(warehouse, made)
    unchanged = digests(warehouse, warehouse.raw)
    history.clone(warehouse, made, "clone")
    warehouse.raw = "clone"
    assert digests(warehouse, "clone") == unchanged

    history.add_day(warehouse, made, 1, 500)
    new = "_run_id = 'bench-day-1'"
    assert abs(count(warehouse, "", new) / 500 - 1) < 0.2
    late = count(warehouse, "", f"{new} and timestamp < {history.UNTIL}")
    assert 0 < late < 50
    assert count(warehouse, "", f"{new} and timestamp >= {history.UNTIL + history.DAY}") == 0
    history.add_day(warehouse, made, 2, 500, old=True)
    token = "greatest(maker_asset_id, taker_asset_id)"
    old_tokens = f"select {token} from clone.order_filled_events where timestamp < {history.UNTIL - 365 * history.DAY}"
    assert count(warehouse, "", "_run_id = 'bench-day-2'") > 50
    assert count(warehouse, "", f"_run_id = 'bench-day-2' and {token} not in ({old_tokens})") == 0

    open_ones = "select count() from clone.conditions final where payout_denominator != '1'"
    before = warehouse.rows(open_ones)[0][0]
    for day in (3, 4):
        history.resolve(warehouse, made, day, 5)
        assert warehouse.rows(open_ones)[0][0] == before - 5 * (day - 2)

    warehouse.raw = "polyledger_raw"
    assert digests(warehouse, "polyledger_raw") == unchanged
    history.clone(warehouse, made, "clone")
    assert digests(warehouse, "clone") == unchanged
    assert warehouse.rows(f"select distinct chapter from {made.scratch}.lots") == [("history",)]


@pytest.mark.long
def test_the_models_are_measured(tmp_path: Path) -> None:
    keep = ("--keep", str(tmp_path))
    figures = figures_of("--only", "full", "--only", "queries", *keep)
    assert {"made", "full", "full_memory", "disk"} <= figures.keys()
    assert {name for name in figures if name.startswith("query.")} == {f"query.{name}" for name in QUERIES}

    folder = next(tmp_path.glob("fills-*"))
    desk = Desk(folder / "warehouse")
    measured = {name.removeprefix("full."): figure for name, figure in figures.items() if name.startswith("full.")}
    tables = desk.rows("select name, total_rows from system.tables where database = 'polyledger' and engine != 'View'")
    built = {name: rows for name, rows in tables if name in measured}
    assert len(built) > 10
    assert {name: measured[name]["details"]["rows"] for name in built} == built
    assert all(figure["value"] > 0 for figure in measured.values())

    # What is there is used.
    figures = figures_of("--only", "full", "--select", "leaderboard", *keep)
    assert list(figures) == ["selected", "full.leaderboard"]


@pytest.mark.long
def test_a_history_and_its_days_pass_the_tests_of_the_models(tmp_path: Path) -> None:
    figures_of("--only", "full", "--only", "day", "--keep", str(tmp_path))
    folder = next(tmp_path.glob("fills-*"))
    Desk(folder / "warehouse").dbt("test", "--exclude-resource-type", "unit_test", DBT_WRITE_JSON="true")
    results = json.loads((folder / "target" / "run_results.json").read_text())["results"]
    tests = [one for one in results if one["unique_id"].startswith("test.")]
    assert {one["unique_id"].split(".")[2] for one in tests if one["status"] != "pass"} == WARNINGS


@pytest.mark.long
def test_the_bench_shows_every_figure_of_the_models() -> None:
    figures = figures_of("--only", "models")
    expected = "made full full_memory disk nothing_new day day_memory old old_memory resolutions resolutions_memory"
    expected += " growth_time growth_memory"
    assert {name for name in figures if "." not in name} == set(expected.split())
    assert all(figure["value"] is not None for figure in figures.values())


@pytest.mark.long
def test_duckdb_answers_the_same() -> None:
    pytest.importorskip("duckdb", reason="no DuckDB: requirements-bench.lock has it")
    figures = figures_of("--only", "duckdb")
    assert figures["vs_duckdb_differences"]["value"] == 0, figures["vs_duckdb_differences"]["note"]
    assert all(figures[name]["value"] > 0 for name in ("duckdb", "vs_duckdb_time", "vs_duckdb_memory"))
