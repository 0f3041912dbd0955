"""`polyledger demo`: the whole way on one machine, with the commands that a user would type.

What it loads is simulated (or a recording that is given), and it says so. It keeps out of warehouses with real rows.
"""

import os
import subprocess
import sys
import time
from decimal import Decimal
from pathlib import Path

from rich.console import Console
from rich.table import Table

from loaders import embedded
from loaders.standin.goldsky import Goldsky, Row, read_recording
from loaders.standin.world import simulate
from loaders.target import Target, project_folder
from loaders.warehouse import Warehouse

RUN_PREFIX = "demo-"  # of _run_id, so that the demo knows its own rows
BUILD = ("build", "--exclude-resource-type", "unit_test")  # these are of the models, and know no rows

console = Console(highlight=False)
console.soft_wrap = not console.is_terminal  # words stay whole for people, lines stay whole for programs


class DemoError(Exception):
    """The demo cannot start; the message says why and what to do."""


def run(recording: Path | None, target: Target, profiles_dir: Path | None) -> int:
    """Load, build and show. Returns the exit code. Raises DemoError."""
    if not (project_folder() / "dbt_project.yml").exists():
        raise DemoError("the demo builds the dbt project: run it in the project's folder, where dbt_project.yml is")
    entities, since, until = _rows(recording)
    _start_empty(target)
    source = (
        f"the recording {recording.name}" if recording else "a simulated world (no wallet and no market in it is real)"
    )
    started, code = time.monotonic(), 0
    with Goldsky(entities, head=until - 1) as endpoint:
        console.print(f"Serving {source} on {endpoint.base_url}, like Goldsky would.\n")
        environment = {name: value for name, value in os.environ.items() if name != "GOLDSKY_API_TOKEN"} | {
            "GOLDSKY_BASE_URL": endpoint.base_url,
            "GOLDSKY_REQUESTS_PER_SECOND": "1000",
            "POLYLEDGER_RUN_PREFIX": RUN_PREFIX,
            "POLYLEDGER_TARGET": target.name,
            # What is on loopback is not asked for through a proxy.
            "no_proxy": ",".join(filter(None, ("127.0.0.1", os.environ.get("no_proxy", os.environ.get("NO_PROXY"))))),
        }
        folder = ["--profiles-dir", str(profiles_dir)] if profiles_dir else []
        begin = ["--since", time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(since))]
        every = ["--all"] if recording else []
        for words in (
            ["load", "fills", *begin],
            ["load", "activity", *begin],
            ["load", "amm", *begin],
            ["load", "payouts", *every],
        ):
            console.print(f"$ polyledger {' '.join(words)}", style="bold")
            done = subprocess.run([sys.executable, "-m", "loaders.cli", *words, *folder], env=environment, check=False)
            if done.returncode not in (0, 3):
                return done.returncode
            code = max(code, done.returncode)  # rows kept aside are told at the end too
        console.print(f"\n$ dbt {' '.join(BUILD)}", style="bold")
        built = subprocess.run(
            [sys.executable, "-m", "dbt.cli.main", *BUILD, *folder],
            env=environment,
            cwd=project_folder(),
            capture_output=True,
            text=True,
            check=False,
        )
        summary = [line for line in built.stdout.splitlines() if "Finished running" in line or "Done." in line]
        console.print("\n".join(summary if built.returncode == 0 else [built.stdout, built.stderr]), markup=False)
        if built.returncode:
            return 1
    _show(target, recording is None, time.monotonic() - started)
    return code


def _rows(recording: Path | None) -> tuple[dict[str, list[Row]], int, int]:
    """Rows by entity, and the seconds [since, until) in which they happened."""
    if recording is None:
        world = simulate(pools=4)
        return world.entities, world.since, world.until
    try:
        entities = read_recording(recording)
    except OSError as error:
        raise DemoError(f"--recording {recording} cannot be read: {error}") from None
    except ValueError as error:
        raise DemoError(str(error)) from None
    texts = [str(row.get("timestamp", "")) for rows in entities.values() for row in rows]
    # A stamp beyond 32 bits is damaged: the loaders will say so, it is no range. Without events any moment will do.
    stamps = [int(text) for text in texts if text.isdecimal() and int(text) < 2**32] or [1_700_000_000]
    return entities, min(stamps), max(stamps) + 1


def _start_empty(target: Target) -> None:
    """Drop what an earlier demo left. Raises DemoError where anything of a real load would be lost or mixed with it."""
    path = embedded.folder(target.host)
    if path is not None and not path.exists():
        return
    warehouse = Warehouse(target)
    try:
        landed = warehouse.rows(
            "select table from system.columns where database = {raw:String} and name = '_run_id' order by table",
            {"raw": target.raw_schema},
        )
        ours, real = 0, 0
        for (table,) in landed:
            if not table.endswith("_local"):  # of a cluster, whose rows are in the Distributed table too
                is_ours = f"startsWith(_run_id, '{RUN_PREFIX}')"
                found = f"select countIf({is_ours}), countIf(not {is_ours}) from {warehouse.raw}.{table}"
                counts = warehouse.rows(found)[0]
                ours, real = ours + counts[0], real + counts[1]
        models = warehouse.rows(
            "select 1 from system.tables where database = {models:String} and match(name, '^int_entries(_local2?)?$') "
            "and total_rows > 0",
            {"models": target.schema},
        )
        if real or (models and not ours):
            what = f"rows of real loads ({real:,})" if real else "models of rows that were landed elsewhere"
            another = (
                "folder, as in POLYLEDGER_DATA=.polyledger-demo"
                if path
                else "database, as in POLYLEDGER_RAW_SCHEMA=demo_raw POLYLEDGER_SCHEMA=demo"
            )
            raise DemoError(
                f"the warehouse of target {target.name} has {what}, and the demo starts from an empty one: "
                f"choose another {another} polyledger demo"
            )
        for database in (target.raw_schema, target.schema):
            warehouse.command(f"drop database if exists {database}{target.everywhere}")
    finally:
        warehouse.close()
        if path is not None:
            embedded.release(path)


def _show(target: Target, simulated: bool, seconds: float) -> None:
    warehouse = Warehouse(target)
    marts = target.schema
    fills = warehouse.rows(f"select count() from {marts}.fct_fills")[0][0]
    conditions, winners, resolved = warehouse.rows(
        f"select count(), countIf(winning_index is not null), countIf(is_resolved) from {marts}.vw_resolutions_truth"
    )[0]
    console.print(
        f"\n{fills:,} fills, {conditions:,} conditions: "
        f"{winners:,} single winners, {resolved - winners:,} ties, {conditions - resolved:,} open\n"
    )
    title = "Leaderboard: settled P&L, all time" + (" (simulated)" if simulated else "")
    columns = {
        "rank": "rank",
        "wallet": "wallet",
        "P&L USDC": "pnl_usdc",
        "win rate": "win_rate",
        "fills": "fill_count",
    }
    if console.width >= 110:
        columns |= {"volume USDC": "volume_usdc", "ROI": "roi", "markets": "markets_traded"}
    table = Table(title=title, title_justify="left", box=None, padding=(0, 2, 0, 0))
    for name in columns:
        table.add_column(name, justify="left" if name == "wallet" else "right", no_wrap=True)
    for row in warehouse.rows(
        f"select {', '.join(columns.values())} from {marts}.leaderboard "
        "where window = 'all' order by rank, wallet limit 10"
    ):
        table.add_row(*map(_cell, row))
    console.print(table)
    # The leaderboard is without them; a person who loaded one wallet would look for it.
    ((unknown,),) = warehouse.rows(f"select countIf(negative_holdings > 0) from {marts}.int_wallets")
    if unknown:
        console.print(f"\n{unknown:,} not ranked: gave up shares that no landed row had brought, so history is missing")
    warehouse.close()
    activate = "" if "VIRTUAL_ENV" in os.environ else f"  . {_short(Path(sys.executable).parent)}/activate\n"
    console.print(
        f"\nDone in {seconds:.0f} s. What to try next:\n"
        f"{activate}"
        "  dbt test\n"
        "  dbt show --inline \"select * from {{ ref('fct_wallet_pnl') }}\"\n"
        "  polyledger status\n"
        "Real rows, from Goldsky's public endpoint, in a folder of their own:\n"
        "  export POLYLEDGER_DATA=.polyledger-live\n"
        "  polyledger load fills --since 2025-01-01 --until 2025-01-01T01:00:00\n",
        markup=False,
    )


def _short(path: Path) -> Path:
    """The path from here where it is below, else as it is."""
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path


def _cell(value: object) -> str:
    """A value for people: ratios in percent, money with two decimals, nothing where it is unknown."""
    if isinstance(value, float):
        return f"{value:.1%}"
    return f"{value:z,.2f}" if isinstance(value, Decimal) else "" if value is None else str(value)
