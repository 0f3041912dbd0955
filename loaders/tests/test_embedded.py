"""ClickHouse in one folder, for the command and for dbt: who holds it, where it is, and that dbt needs no more."""

import json
import os
import shutil
import subprocess
import sys
import sysconfig
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from loaders import embedded
from loaders.standin.goldsky import Goldsky
from loaders.standin.world import World, simulate
from loaders.tests.conftest import MARTS, PROJECT, Desk
from loaders.tests.test_command import call

CANARY = "canary-5f2c81d0"
# Unit tests bring their own rows: they say nothing of a warehouse, and take half of the time.
WITHOUT_UNIT_TESTS = ("--exclude-resource-type", "unit_test")
HOLDER = """
import sys, time
from pathlib import Path
from loaders import embedded
embedded.hold(Path(sys.argv[1]))
print("held", flush=True)
time.sleep(600)
"""


@contextmanager
def held(folder: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process that holds the folder, killed (as by kill -9) in the end."""
    words = [sys.executable, "-c", HOLDER, str(folder)]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True, cwd=PROJECT) as process:
        try:
            assert process.stdout and process.stdout.readline() == "held\n"
            yield process
        finally:
            process.kill()


def run(python: Path | str, *words: str, cwd: Path, env: dict[str, str]) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [str(python), *words], cwd=cwd, env=env, capture_output=True, text=True, check=False, timeout=300
    )
    assert done.returncode == 0, f"{words} exited {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done


# Who holds it


def test_a_second_process_is_told_who_holds_the_folder_until_that_one_dies(desk: Desk) -> None:
    with held(desk.data) as holder:
        for words in (["load", "payouts"], ["load", "fills", "--wait", "0.3"]):
            said = call(desk, *words, code=1)
            assert f"{desk.data} is in use by process {holder.pid} " in said.err
            assert "--wait SECONDS" in said.err
        said = call(desk, "load", "payouts", "--json", code=1)
        assert said.out == "" and str(holder.pid) in said.err
        told = desk.dbt("show", "--inline", "select 1", code=None)
        assert told.returncode != 0
        assert f"is in use by process {holder.pid} " in told.stdout and "POLYLEDGER_WAIT" in told.stdout
        holder.kill()
        holder.wait()
        call(desk, "load", "payouts")


def test_who_waits_gets_the_folder_in_the_end(desk: Desk) -> None:
    with held(desk.data) as holder:
        threading.Timer(1.0, holder.kill).start()
        call(desk, "load", "payouts", "--wait", "60")
    with held(desk.data) as holder:
        threading.Timer(4.0, holder.kill).start()  # later than dbt takes to start
        desk.dbt("show", "--inline", "select 1", POLYLEDGER_WAIT="60")


def test_a_process_may_open_its_folder_again(desk: Desk) -> None:
    embedded.hold(desk.data)
    embedded.hold(desk.data)
    embedded.release(desk.data)
    embedded.release(desk.data)
    call(desk, "load", "payouts")


def test_it_begins_more_mutations_at_once_than_the_engine_would_by_itself(tmp_path: Path) -> None:
    """Else a delete from many parts waits between four of them and the next: chDB has few threads of its own."""
    asked = "select value from system.server_settings where name = 'background_merges_mutations_concurrency_ratio'"
    program = f"""
import sys
from pathlib import Path
from loaders import embedded
print(embedded.connect(Path(sys.argv[1])).query({asked!r}).result_rows)
"""
    words = [sys.executable, "-c", program, str(tmp_path / "warehouse")]
    done = subprocess.run(words, cwd=PROJECT, capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout == "[('32',)]\n"


# Where it is


def test_a_relative_folder_is_the_projects_wherever_one_works(tmp_path: Path) -> None:
    project = tmp_path / "project"
    below = project / "models" / "deep"
    below.mkdir(parents=True)
    (project / "loaders").mkdir()
    for name in ("dbt_project.yml", "profiles.yml", "loaders/schema.sql"):
        shutil.copy(PROJECT / name, project / name)
    shutil.copytree(PROJECT / "macros", project / "macros")
    desk = Desk(project / "data" / "warehouse")
    call(desk, "load", "payouts", cwd=project, POLYLEDGER_DATA="data/warehouse")
    created = desk.rows("select max(metadata_modification_time) from system.tables where database = 'polyledger_raw'")
    call(desk, "load", "payouts", cwd=below, POLYLEDGER_DATA="data/warehouse")

    shown = "select count() as tables from system.tables where name = 'load_windows'"
    relative = {"POLYLEDGER_DATA": "data/warehouse", "DBT_PROFILES_DIR": str(project)}
    dbt = ("-m", "dbt.cli.main", "show", "--output", "json", "--inline", shown)
    out = run(sys.executable, *dbt, cwd=below, env=desk.environment(**relative)).stdout
    assert '"tables": 1\n' in out
    assert created == desk.rows(
        "select max(metadata_modification_time) from system.tables where database = 'polyledger_raw'"
    )
    assert [folder for folder in tmp_path.rglob("warehouse") if folder.is_dir()] == [desk.data]


def test_an_empty_folder_is_not_the_project(desk: Desk) -> None:
    said = call(desk, "load", "payouts", code=2, POLYLEDGER_DATA="")
    assert said.err.startswith("error: POLYLEDGER_DATA is empty")


def test_home_and_links_name_the_same_folder_and_lock(desk: Desk, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path, target_is_directory=True)
    with held(desk.data) as holder:
        for name in ("~/warehouse", str(tmp_path / "link" / "warehouse")):
            said = call(desk, "load", "payouts", code=1, HOME=str(tmp_path), POLYLEDGER_DATA=name)
            assert f"{desk.data} is in use by process {holder.pid} " in said.err


def test_a_host_that_is_no_chdb_is_left_alone(desk: Desk) -> None:
    assert embedded.folder("localhost") is None
    assert embedded.folder("chdb.example.org") is None
    said = desk.dbt("debug", "--target", "server", code=1, CLICKHOUSE_PORT="9", CLICKHOUSE_PASSWORD=CANARY)
    assert "Connection refused" in said.stdout
    assert CANARY not in said.stdout + said.stderr
    assert not desk.data.exists()


# dbt on it

WRITING: dict[str, Any] = {"GOLDSKY_API_TOKEN": CANARY, "DBT_WRITE_JSON": "true"}


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> tuple[Desk, str]:
    """A warehouse that dbt has built before anything was loaded, and what dbt said."""
    desk = Desk(tmp_path_factory.mktemp("empty") / "warehouse")
    done = desk.dbt("build", "--threads", "8", *WITHOUT_UNIT_TESTS, **WRITING)
    return desk, done.stdout


def test_everything_builds_on_an_empty_warehouse(built: tuple[Desk, str]) -> None:
    desk, said = built
    assert "WARN=0 ERROR=0 SKIP=0" in said
    assert {mart: len(rows) for mart, rows in desk.marts().items()} == dict.fromkeys(MARTS, 0)


def test_dbt_works_on_it_as_on_any_other(built: tuple[Desk, str]) -> None:
    desk, _ = built
    assert '"fills": 0' in desk.dbt(
        "show", "--output", "json", "--inline", "select count() as fills from {{ ref('fct_fills') }}"
    ).stdout.replace("'", '"')
    desk.dbt("docs", "generate", **WRITING)
    catalog = json.loads((desk.data.with_name("target") / "catalog.json").read_text())
    assert {f"model.polyledger.{mart}" for mart in MARTS} <= catalog["nodes"].keys()
    assert {"wallet", "usdc"} <= catalog["nodes"]["model.polyledger.fct_fills"]["columns"].keys()
    freshness = desk.dbt("source", "freshness", **WRITING).stdout  # warns: nothing was ever loaded
    assert "WARN freshness of goldsky.order_filled_events" in freshness and "ERROR" not in freshness


def test_dbt_writes_no_token_down(built: tuple[Desk, str]) -> None:
    desk, said = built
    written = [file for file in desk.data.parent.rglob("*") if file.is_file()]
    assert any(file.name == "manifest.json" for file in written)
    assert CANARY not in said
    assert not [file for file in written if CANARY.encode() in file.read_bytes()]


@pytest.fixture(scope="module")
def world() -> World:
    return simulate(3, steps=150)


def test_one_wallet_in_renamed_databases_builds_on_one_thread(desk: Desk, world: World) -> None:
    wallet = world.entities["NegRiskConversion"][0]["stakeholder"]
    names: Any = {"POLYLEDGER_SCHEMA": "ledger", "POLYLEDGER_RAW_SCHEMA": "landed_here"}
    with Goldsky(world.entities, head=world.until) as endpoint:
        desk.base_url = endpoint.base_url
        for words in (["fills", "--wallet", wallet], ["activity", "--wallet", wallet], ["payouts"]):
            call(desk, "load", *words, **names)
    said = desk.dbt("build", "--threads", "1", "--exclude-resource-types", "test", "unit_test", **names).stdout
    assert "ERROR=0 SKIP=0" in said
    own = [row for row in world.entities["OrderFilledEvent"] if row["maker"] == wallet]
    assert desk.rows("select count(), uniqExact(wallet) from ledger.fct_fills") == [(len(own), 1)]
    databases = {row[0] for row in desk.rows("show databases")}
    assert {"ledger", "landed_here"} <= databases and not {d for d in databases if d.startswith("polyledger")}


# Installed


def new_environment(folder: Path) -> Path:
    """A virtual environment that sees the packages of this one, and ours only once it is installed there."""
    run(sys.executable, "-m", "venv", "--without-pip", str(folder), cwd=folder.parent, env=dict(os.environ))
    python = folder / "bin" / "python"
    paths = {"base": str(folder), "platbase": str(folder)}
    site_packages = Path(sysconfig.get_path("purelib", vars=paths))
    # Of a path in a .pth file, further .pth files are not read: an editable install here is not seen there.
    (site_packages / "packages.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return python


@pytest.mark.parametrize("how", ["wheel", "editable"])
def test_dbt_debug_works_from_an_installed_package(desk: Desk, tmp_path: Path, how: str) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(PROJECT / "loaders", copy / "loaders", ignore=shutil.ignore_patterns("tests", "__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE", "dbt_chdb.py", "dbt_chdb.pth"):
        shutil.copy(PROJECT / name, copy / name)
    elsewhere = tmp_path / "elsewhere"  # a project without our Python in it
    elsewhere.mkdir()
    for name in ("dbt_project.yml", "profiles.yml"):
        shutil.copy(PROJECT / name, elsewhere / name)

    python = new_environment(tmp_path / "environment")
    env = desk.environment()
    env.pop("PYTHONPATH", None)
    pip = ("-m", "pip", "--python", str(python), "install", "--no-deps", "--no-index", "--no-build-isolation")
    run(sys.executable, *pip, *(["-e"] if how == "editable" else []), str(copy), cwd=elsewhere, env=env)

    found = run(python, "-c", "import dbt_chdb; print(dbt_chdb.__file__)", cwd=elsewhere, env=env).stdout
    assert Path(found.strip()).is_relative_to(copy if how == "editable" else tmp_path / "environment")
    said = run(python, "-m", "dbt.cli.main", "debug", cwd=elsewhere, env=env).stdout
    assert "All checks passed!" in said and f"chdb:{desk.data}" in said
    # The raw tables are declared in a file of the package.
    run(python.with_name("polyledger"), "load", "payouts", cwd=elsewhere, env=env)
    assert desk.rows("select count() from polyledger_raw.load_windows") == [(0,)]
