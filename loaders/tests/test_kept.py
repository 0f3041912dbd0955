"""A build makes anew the tables whose rows may be others, and no more."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from loaders.standin.goldsky import Goldsky
from loaders.standin.world import simulate
from loaders.target import read_target
from loaders.tests.conftest import Desk, copied_project, edit
from loaders.tests.test_command import call
from loaders.tests.test_incremental import build, parts, written
from loaders.warehouse import opened


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    desk = Desk(tmp_path_factory.mktemp("kept") / "warehouse")
    world = simulate(4, steps=300)
    with Goldsky(world.entities, head=world.until) as endpoint:
        desk.base_url = endpoint.base_url
        desk.load_everything()
    build(desk, "polyledger")
    yield desk


def made(desk: Desk, *words: str, **env: str) -> set[str]:
    before = parts(desk)
    build(desk, "polyledger", *words, **env)
    return written(desk, before)


def write(desk: Desk, statement: str) -> None:
    """Straight into the raw tables, as a load would."""
    settings = replace(read_target("embedded"), host=f"chdb:{desk.data}", raw_schema="polyledger_raw")
    with opened(settings) as warehouse:
        warehouse.command(statement)


LATER = "now64(6) as _loaded_at"


def test_where_nothing_is_new_nothing_is_made(built: Desk) -> None:
    assert made(built) == set()


def views(desk: Desk) -> dict[str, tuple[str, str]]:
    """By name: which one it is, and what it reads."""
    rows = desk.rows(
        "select name, toString(uuid), as_select from system.tables where database = 'polyledger' and engine = 'View'"
    )
    return {name: (uuid, text) for name, uuid, text in rows}


def test_a_view_is_kept_as_long_as_it_would_come_out_as_it_stands(built: Desk) -> None:
    before = views(built)
    comment = built.rows("select comment from system.tables where database = 'polyledger' and name = 'fct_fills'")[0][0]
    assert comment.startswith("inputs ")
    write(built, "alter table polyledger_raw.splits add column noted UInt8")
    write(
        built, f"create or replace view polyledger.fct_fills comment '{comment}' as select * from polyledger.int_fills"
    )
    write(built, "create or replace view polyledger.fct_positions as select 1 as x")
    assert made(built) == set(), "no table has other rows"
    after = views(built)
    write(built, "alter table polyledger_raw.splits drop column noted")
    assert {name: text for name, (_, text) in after.items()} == {name: text for name, (_, text) in before.items()}
    changed = {name for name in after if after[name][0] != before[name][0]}
    assert changed == {"stg_goldsky__splits", "fct_fills", "fct_positions"}, "columns, another text, no comment"


def test_what_reads_a_table_that_is_too_large_to_hash_is_kept_too(built: Desk) -> None:
    words = ("--select", "int_entries", "int_token_prices", "--vars", "{most_rows_hashed: 10}")
    assert made(built, *words, "--full-refresh") == {"int_entries", "int_token_prices"}
    assert made(built, *words) == set()


@pytest.mark.long
def test_a_build_in_full_makes_all(built: Desk) -> None:
    tables = set(parts(built)) - {"system_addresses", "dome_baseline"}
    assert made(built, "--full-refresh") == tables
    assert len(tables) > 25


def test_rows_landed_again_end_where_the_copies_are_told_apart(built: Desk) -> None:
    write(
        built,
        f"""
        insert into polyledger_raw.order_filled_events
        select * replace ({LATER}) from polyledger_raw.order_filled_events
        """,
    )
    found = made(built)
    assert {"int_entries", "int_markets", "int_moved_fills"} <= found
    assert not found & {"int_positions", "int_tokens", "int_wallets", "leaderboard", "audit_double_entry"}
    checks = json.loads(call(built, "verify", "--json", code=None).out)["checks"]
    models = next(check for check in checks if check["name"] == "models")
    assert models["verdict"] == "pass", "a table that was kept is not older than the rows"


def test_a_payout_makes_what_is_valued_and_no_fill(built: Desk) -> None:
    write(
        built,
        f"""
        insert into polyledger_raw.conditions
        select * replace ({LATER}, arrayReverse(payout_numerators) as payout_numerators) from polyledger_raw.conditions
        where payout_numerators[1] != payout_numerators[2] limit 1
        """,
    )
    before = dict(built.rows("select wallet, settled_pnl_usdc from polyledger.fct_wallet_pnl"))
    found = made(built)
    assert {"int_conditions", "int_wallets", "leaderboard"} <= found
    assert not found & {"int_entries", "int_markets", "int_moved_fills"}  # token maps came out the same
    assert before != dict(built.rows("select wallet, settled_pnl_usdc from polyledger.fct_wallet_pnl"))


@pytest.mark.long
def test_rows_taken_away_are_seen(built: Desk) -> None:
    write(
        built,
        """
        alter table polyledger_raw.order_filled_events delete
        where timestamp = (select max(timestamp) from polyledger_raw.order_filled_events)
        settings mutations_sync = 2
        """,
    )
    assert {"int_entries", "int_positions", "int_wallets"} <= made(built)


def test_a_table_that_was_emptied_and_filled_again_is_seen(built: Desk) -> None:
    """Its engine counts blocks from one again: the table has the same as before, and other rows."""
    raw = "polyledger_raw.conditions"

    def fill_again(columns: str) -> list[tuple[str]]:
        write(built, f"create or replace table {raw}_aside engine = MergeTree order by id as select * from {raw} final")
        write(built, f"truncate table {raw}")
        write(built, f"insert into {raw} select {columns} from {raw}_aside")
        built_parts = (
            "select name from system.parts where database = 'polyledger_raw' and table = 'conditions' and active"
        )
        return built.rows(built_parts)

    blocks = fill_again(f"* replace ({LATER})")
    build(built, "polyledger")
    before = built.rows("select * from polyledger.vw_resolutions_truth order by condition_id")
    assert fill_again(f"* replace ({LATER}, arrayReverse(payout_numerators) as payout_numerators)") == blocks
    assert {"int_conditions", "int_wallets"} <= made(built)
    assert before != built.rows("select * from polyledger.vw_resolutions_truth order by condition_id")


def test_another_query_or_seed_is_seen(built: Desk, tmp_path: Path) -> None:
    """In a copy of the project. A comment in a query changes no row, so nothing that reads the table is made."""
    project = copied_project(tmp_path / "project")
    words = ("--project-dir", str(project), "--profiles-dir", str(project))
    edit(project / "models/intermediate/int_tokens.sql", "select * from best", "-- again\nselect * from best")
    assert made(built, *words) == {"int_tokens"}
    # A view, which two tables read.
    edit(
        project / "models/intermediate/int_units.sql",
        "coalesce(questions.question, 0)",
        "coalesce(questions.question, 7)",
    )
    edit(project / "seeds/system_addresses.csv", ",ctf_exchange,CTF Exchange V1", ",ctf_exchange,CTF Exchange 1")
    found = made(built, *words)
    assert {"int_condition_balances", "int_entries"} & found
    assert not {"int_tokens", "int_moved_fills"} & found


@pytest.mark.long
def test_what_cannot_be_told_is_made_each_time(built: Desk) -> None:
    """Somebody's own view in the place of a raw table."""
    write(built, "rename table polyledger_raw.file_payouts to polyledger_raw.theirs")
    write(built, "create view polyledger_raw.file_payouts as select * from polyledger_raw.theirs")
    assert "int_payout_vectors" in made(built)
    assert made(built) == {"int_payout_vectors"}
