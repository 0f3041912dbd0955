"""After any sequence of loads, models that were built after each of them are what a full build makes of the same rows.

A run that fails says its seed and what had been loaded: POLYLEDGER_SEED=N runs that one by itself.
"""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from loaders.standin.world import simulate
from loaders.tests.conftest import Desk
from loaders.tests.increments import Arrival

SEEDS = [int(os.environ["POLYLEDGER_SEED"])] if "POLYLEDGER_SEED" in os.environ else [1]
FULL = "polyledger_full"
SHOWN = 3  # differing rows of each kind
# In a world this small every table would be made anew as a whole. States are told by the rows, or by the inputs alone.
PATCHED = "{least_rows_patched: 0, most_keys_patched: 1000000, most_rows_hashed: %s}"
AT_ONCE = 200  # positions, in a full build


def build(desk: Desk, schema: str, *words: str) -> None:
    """All models and seeds, no tests; each schema with a folder of its own for what dbt remembers."""
    folder = desk.data.with_name(f"target_{schema}")
    resources = ("--resource-type", "model", "--resource-type", "seed")
    desk.dbt("build", *resources, *words, POLYLEDGER_SCHEMA=schema, DBT_TARGET_PATH=str(folder), DBT_WRITE_JSON="true")


def build_in_full(desk: Desk) -> None:
    """In steps of wallets, which a build of what is new never is. Each step inserts one block."""
    build(desk, FULL, "--full-refresh", "--vars", f"{{most_rows_at_once: {AT_ONCE}}}")
    inserted = desk.rows(
        f"""
        select table, max(max_block_number) from system.parts
        where database = '{FULL}' and table in ('int_wallets', 'int_wallet_days') and active
        group by table order by table
        """
    )
    assert inserted == [("int_wallet_days", steps(desk, FULL)), ("int_wallets", steps(desk, FULL))]


def steps(desk: Desk, schema: str) -> int:
    return 1 + int(desk.rows(f"select count() from {schema}.int_positions")[0][0]) // AT_ONCE


def nodes(desk: Desk, schema: str) -> list[dict[str, Any]]:
    manifest = json.loads((desk.data.with_name(f"target_{schema}") / "manifest.json").read_text())
    return [node for node in manifest["nodes"].values() if node["resource_type"] == "model"]


def differences(desk: Desk, relations: list[str]) -> list[str]:
    """Rows that one of the two schemas has more often than the other."""
    counted = "select toString(tuple(*)) as text, count() as times from {}.{} group by text"
    queries = {}
    for relation in relations:
        one, other = counted.format("polyledger", relation), counted.format(FULL, relation)
        for what, more, less in (("only incrementally", one, other), ("only in full", other, one)):
            queries[f"{relation}, {what}"] = (
                f"select * from ({more} except distinct {less}) order by text limit {SHOWN}"
            )
    return [
        f"{where}: {text} ({times} times)"
        for where, rows in zip(queries, desk.all_rows(list(queries.values())), strict=True)
        for text, times in rows
    ]


def parts(desk: Desk) -> dict[str, tuple[Any, ...]]:
    """Of each table what changes when rows are written to it: which table it is, and its newest blocks."""
    return {
        row[0]: row[1:]
        for row in desk.rows(
            """
            select name, toString(any(tables.uuid)), groupArraySorted(1000)((partition_id, newest))
            from system.tables as tables
            left join (
                select table, partition_id, max(max_block_number) as newest from system.parts
                where database = 'polyledger' and active group by table, partition_id
            ) as parts on tables.name = parts.table
            where database = 'polyledger' and engine like '%MergeTree%'
            group by name
            """
        )
    }


def written(desk: Desk, before: dict[str, tuple[Any, ...]]) -> set[str]:
    """Tables of models that were written to, or made anew, since parts() was read."""
    tables = {node["name"] for node in nodes(desk, "polyledger") if node["config"]["materialized"] == "table"}
    now = parts(desk)
    assert tables <= set(now)
    return {name for name in tables if now[name] != before[name]}


def check(folder: Path, seed: int, loads: int, happenings: int) -> None:
    desk = Desk(folder / "warehouse")
    words = ("--vars", PATCHED % (1_000_000 if seed % 2 else 0))
    arrival = Arrival(desk, simulate(seed, steps=900, leftovers=True, pools=3), seed)
    with arrival.warehouse() as warehouse:
        warehouse.create_tables()
    arrival.begin()
    build(desk, "polyledger", *words)
    told = []
    for number in range(1, loads + 1):
        told.append(f"{number}. " + "; ".join(arrival.step(happenings)))
        build(desk, "polyledger", *words)
        build_in_full(desk)
        shown = [node["name"] for node in nodes(desk, FULL) if node["path"].startswith(("marts/", "audit/"))]
        found = differences(desk, shown)
        story = "\n".join(told)
        assert not found, f"seed {seed}, after\n{story}\na full build is another:\n" + "\n".join(found)
    before = parts(desk)
    build(desk, "polyledger", *words)
    touched = sorted(written(desk, before))
    assert not touched, f"seed {seed}: nothing was new, and these were written: {', '.join(touched)}"


@pytest.mark.parametrize("seed", SEEDS)
def test_built_load_by_load_it_is_the_same(tmp_path: Path, seed: int) -> None:
    check(tmp_path, seed, loads=1, happenings=14)


@pytest.mark.long
@pytest.mark.parametrize("seed", range(2, 12))
def test_built_load_by_load_it_is_the_same_for_long(tmp_path: Path, seed: int) -> None:
    check(tmp_path, seed, loads=5, happenings=4)
