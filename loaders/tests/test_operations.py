"""docs/operations.md: its commands work, its lists are whole; tables of earlier versions become those of this one."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jinja2
import pytest

from loaders import embedded
from loaders.checks import verify
from loaders.standin.goldsky import Goldsky
from loaders.standin.world import simulate
from loaders.target import Target
from loaders.tests.conftest import PROJECT, Desk, ServerDesk
from loaders.tests.test_command import call
from loaders.warehouse import Warehouse, declared_columns, migrations

PAGE = (PROJECT / "docs" / "operations.md").read_text()
SCHEMA = PROJECT / "loaders" / "schema.sql"
# 0.jinja: the raw tables of the first version.
SCHEMAS = PROJECT / "loaders" / "tests" / "schemas"
RAW = tuple(sorted(declared_columns()))


def script(title: str) -> str:
    """The shell commands under a comment."""
    (found,) = re.findall(rf"```sh\n# {title}[^\n]*\n(.*?)```", PAGE, re.DOTALL)
    return str(found)


def named(heading: str) -> list[str]:
    """The checks that a section tells what to do about."""
    section = PAGE.partition(f"## {heading}\n")[2].partition("\n## ")[0]
    return re.findall(r"^\| ([^|]+?) \| ", section, re.MULTILINE)[1:]


def bash(text: str, **env: str) -> None:
    subprocess.run(["bash", "-c", text], env=os.environ | env, check=True, timeout=120)


# Lists


def test_every_check_of_verify_is_explained() -> None:
    assert named("When verify says fail or warn") == ["raw tables", *(name for name, *_ in verify.CHECKS)]


def test_every_check_of_doctor_is_explained() -> None:
    text = "".join(
        (PROJECT / "loaders" / "checks" / f"{name}.py").read_text() for name in ("doctor", "doctor_warehouse")
    )
    found = re.findall(r'(?:Check|try_out|disk|clock)\(\s*f?"([^"]+)"', text) + re.findall(
        r'\("([a-z ]+)", check_', text
    )
    found += re.findall(r'(?:name|title)(?:, \w+)* = f?"([^"]+)"', text)
    assert set(named("When doctor says fail or warn")) == {name.removeprefix("{name} ") for name in found}


# Backup


def raw_rows(desk: Desk) -> dict[str, list[str]]:
    """What counts: the engine drops copies when it pleases."""
    return {table: sorted(map(repr, desk.rows(f"select * from polyledger_raw.{table} final"))) for table in RAW}


def load(desk: Desk) -> None:
    world = simulate(5, steps=60)
    with Goldsky(world.entities, head=world.until) as endpoint:
        desk.base_url = endpoint.base_url
        for words in (["load", "fills", "--since", "2022-11-21"], ["load", "activity"], ["load", "payouts"]):
            call(desk, *words)


def test_backup_and_restore_of_the_embedded_folder(desk: Desk, tmp_path: Path) -> None:
    load(desk)
    had = raw_rows(desk)
    assert had["order_filled_events"] and had["load_windows"]
    places = {"POLYLEDGER_DATA": str(desk.data), "BACKUP": str(tmp_path)}
    bash(script("backup of the embedded folder"), **places)
    other = Desk(tmp_path / "other")
    bash(script("restore of the embedded folder"), **(places | {"POLYLEDGER_DATA": str(other.data)}))
    with pytest.raises(subprocess.CalledProcessError):  # the folder is there by now
        bash(script("restore of the embedded folder"), **(places | {"POLYLEDGER_DATA": str(other.data)}))
    # Read by a process of its own, since one process has one folder open.
    code = "import sys, clickhouse_connect as c; k = c.get_client(interface='chdb', path=sys.argv[1])\n"
    code += "for t in sys.argv[2:]: print(k.query(f'select count() from polyledger_raw.{t}').result_rows[0][0])"
    done = subprocess.run(
        [sys.executable, "-c", code, str(other.data), *RAW],
        capture_output=True,
        text=True,
        check=True,
    )
    assert [int(line) for line in done.stdout.split()] == [len(had[table]) for table in RAW]


def test_backup_and_restore_of_a_server(server_desk: ServerDesk, tmp_path: Path) -> None:
    load(server_desk)
    had = raw_rows(server_desk)
    settings = server_desk.server.settings
    scheme = "https" if settings.get("CLICKHOUSE_SECURE") else "http"
    raw = server_desk.databases["polyledger_raw"]
    places = {
        "CLICKHOUSE_URL": f"{scheme}://{settings['CLICKHOUSE_HOST']}:{settings['CLICKHOUSE_PORT']}",
        "CLICKHOUSE_USER": settings.get("CLICKHOUSE_USER", "default"),
        "CLICKHOUSE_PASSWORD": settings.get("CLICKHOUSE_PASSWORD", ""),
        "BACKUP": str(tmp_path),
    }
    bash(script("backup of a server").replace("polyledger_raw", raw), **places)
    assert {file.name.partition(".")[0] for file in tmp_path.glob("*.native.gz")} == set(RAW)
    with pytest.raises(subprocess.CalledProcessError):  # a table that cannot be read
        bash(
            script("backup of a server").replace("polyledger_raw.", "nowhere.").replace("polyledger_raw", raw), **places
        )
    bash(script("backup of a server").replace("polyledger_raw", raw), **places)
    server_desk.rows(f"drop database {raw} sync")
    call(server_desk, "setup")
    for _ in range(2):  # a second time it changes nothing that counts
        bash(script("restore of a server").replace("polyledger_raw", raw), **places)
        now = raw_rows(server_desk)
        assert now | {"schema_versions": []} == had | {"schema_versions": []}  # there setup has written too


# Migration


def declared(file: Path) -> list[str]:
    """The statements of a file like schema.sql, for a database `old`."""
    module: Any = jinja2.Environment().from_string(file.read_text()).module
    return [one for one in module.raw_tables("old").split(";\n") if one.strip()]


def structure(warehouse: Warehouse) -> list[tuple[object, ...]]:
    """All that makes a table what it is; its settings have no order."""
    engines = warehouse.rows(
        f"select name, engine_full from system.tables where database = '{warehouse.raw}' order by name"
    )
    columns = warehouse.rows(
        "select table, name, type, default_kind, default_expression from system.columns "
        f"where database = '{warehouse.raw}' order by table, position"
    )
    return [(name, *sorted(re.split(" SETTINGS |, ", engine))) for name, engine in engines] + columns


@pytest.fixture
def old(tmp_path: Path) -> Iterator[Warehouse]:
    """An embedded warehouse whose raw database is called `old`."""
    path = tmp_path / "warehouse"
    warehouse = Warehouse(Target("embedded", f"chdb:{path}", None, "", "", False, 300, "polyledger", "old"))
    yield warehouse
    warehouse.close()
    embedded.release(path)


@pytest.mark.parametrize("later", [(), ("load_runs",), ("load_runs", "load_leases")], ids=len)
def test_tables_of_every_earlier_version_become_those_of_this_one(old: Warehouse, later: tuple[str, ...]) -> None:
    """With the rows that they hold. `later` came in between, without the settings of today."""
    of_later = [one for one in declared(SCHEMA) if any(f"old.{name} (" in one for name in later)]
    for statement in [*declared(SCHEMAS / "0.jinja"), *of_later]:
        old.command(re.sub(r"(?m)^settings .*$", "", statement))
    tables = old.tables()
    assert len(tables) == 12 + len(later)
    first = "select name, type from system.columns where database = 'old' and table = {table:String} "
    for table in tables:
        ((column, kind), *_) = old.rows(first + "and default_kind = '' order by position", {"table": table})
        value = "defaultValueOfTypeName({kind:String})"
        old.command(f"insert into old.{table} ({column}) select {value}", {"kind": kind})
    had = {table: old.rows(f"select * from old.{table}") for table in tables}
    assert all(len(rows) == 1 for rows in had.values())

    assert old.version() == 0
    old.create_tables()
    assert old.version() == len(migrations("old"))
    assert {table: old.rows(f"select * from old.{table}") for table in tables} == had
    upgraded = structure(old)
    old.create_tables()  # again: nothing to do
    old.raw = "fresh"
    old.create_tables()
    assert upgraded == structure(old)


def test_a_migration_that_was_cut_off_is_run_again(old: Warehouse) -> None:
    """Whatever it had done."""
    old.create_tables()
    wanted = structure(old)
    for done in range(0, len(migrations("old")[0]), 5):
        old.command("truncate table old.schema_versions")
        for table in RAW[done:]:
            if any(f"alter table old.{table} " in statement for statement in migrations("old")[0]):
                old.command(f"alter table old.{table} reset setting fsync_after_insert")
        assert old.version() == 0 and structure(old) != wanted
        old.create_tables()
        assert old.version() == len(migrations("old")) and structure(old) == wanted


def test_an_older_polyledger_does_not_load_into_newer_tables(desk: Desk) -> None:
    call(desk, "setup")
    desk.rows("insert into polyledger_raw.schema_versions (version) values (99)")
    said = call(desk, "load", "fills", code=1)
    assert "are of version 99 and this polyledger knows" in said.err and "update it" in said.err


def test_migrations_are_numbered_in_order() -> None:
    text = (PROJECT / "loaders" / "migrations.sql").read_text()
    numbers = [int(number) for number in re.findall(r"^-- (\d+)\. ", text, re.MULTILINE)]
    assert numbers == list(range(1, len(migrations("x")) + 1))
    assert all("x." in statement for step in migrations("x") for statement in step)
