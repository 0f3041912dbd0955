"""The command: words in, sentences out. The work happens in the other modules."""

import sys
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer

from loaders import (
    __version__,
    demo,
    events,
    given,
    logs,
    payouts,
    positions,
    profile,
    publish,
    ranges,
    rights,
    rpc,
    sync,
)
from loaders import explain as explaining
from loaders import export as exporting
from loaders import files as bulk
from loaders.bench.command import bench
from loaders.checks import doctor, status_view, verify, verify_ledger
from loaders.checks.report import plain
from loaders.embedded import WarehouseBusy, folder
from loaders.entities import FILE_PAYOUTS, Row
from loaders.execute import DONE, FAILED, WRONG_USE, Run, console, execute, peek
from loaders.leases import FOREVER, Claim
from loaders.options import (
    AsJson,
    Common,
    DryRun,
    LogFile,
    ProfilesDir,
    Since,
    TargetName,
    Until,
    UsageError,
    Wait,
    Wallets,
    WalletsFrom,
    read_ids,
    read_maps,
    read_moment,
    read_range,
    read_token,
    read_wallets,
)
from loaders.pace import Pace
from loaders.sources import sources
from loaders.subgraph import SettingError, SubgraphError, Subgraphs, WrongEndpointError
from loaders.target import TargetError, read_target
from loaders.warehouse import EPOCH, Warehouse, WarehouseError, opened


class LogKind(StrEnum):
    """What `load logs` can be limited to."""

    FILLS = "fills"
    RESOLUTIONS = "resolutions"


LOG_KINDS = {LogKind.FILLS: (events.ORDER_FILLS_V2,), LogKind.RESOLUTIONS: (events.RESOLUTIONS,)}


class Protocol(StrEnum):
    """Whose fills a file holds."""

    V1 = "v1"
    V2 = "v2"


app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Land what Goldsky's Polymarket subgraphs serve in ClickHouse, for the dbt models of this project.",
)
load = typer.Typer(
    no_args_is_help=True, help="Land raw rows. Running the same command again continues and doubles nothing."
)
app.add_typer(load, name="load")


@load.command("fills", epilog="Example: polyledger load fills --since 2025-01-01 --until 2025-02-01")
def load_fills(
    since: Since = None,
    until: Until = None,
    wallet: Wallets = None,
    wallets_from: WalletsFrom = None,
    token: Annotated[str | None, typer.Option("--token", help="Only fills of this outcome token (decimal).")] = None,
    target: TargetName = None,
    profiles_dir: ProfilesDir = None,
    dry_run: DryRun = False,
    as_json: AsJson = False,
    wait: Wait = 0,
    log_file: LogFile = None,
) -> None:
    """Order fills, and the fee refunds of the same range. Without --since: from the last complete moment on."""
    given = read_range(since, until)
    series = ranges.fills(read_wallets(wallet, wallets_from), read_token(token))
    asked = [(one, given) for one in series]

    async def work(run: Run) -> None:
        await ranges.load(run.subgraphs, run.warehouse, run.landing, asked, run.progress)

    async def plan(subgraphs: Subgraphs, warehouse: Warehouse | None) -> list[dict[str, Any]]:
        return await ranges.estimate(subgraphs, warehouse, asked)

    execute(work, plan, Common(target, profiles_dir, dry_run, as_json, wait, log_file), claim_on(asked))


@load.command("activity", epilog="Example: polyledger load activity --since 2025-01-01")
def load_activity(
    since: Since = None,
    until: Until = None,
    wallet: Wallets = None,
    wallets_from: WalletsFrom = None,
    target: TargetName = None,
    profiles_dir: ProfilesDir = None,
    dry_run: DryRun = False,
    as_json: AsJson = False,
    wait: Wait = 0,
    log_file: LogFile = None,
) -> None:
    """Splits, merges, redemptions, neg-risk conversions and events. Without --since: from the last moment on."""
    given = read_range(since, until)
    wallets = read_wallets(wallet, wallets_from)
    asked = [(one, given) for one in ranges.activity(wallets)]

    async def work(run: Run) -> None:
        await ranges.load(run.subgraphs, run.warehouse, run.landing, asked, run.progress)
        await run.landing.flush()
        tick = run.progress.counter("NegRiskEvent")
        await ranges.neg_risk_events(run.subgraphs, run.warehouse, run.landing, bool(wallets), tick)

    async def plan(subgraphs: Subgraphs, warehouse: Warehouse | None) -> list[dict[str, Any]]:
        return await ranges.estimate(subgraphs, warehouse, asked)

    execute(work, plan, Common(target, profiles_dir, dry_run, as_json, wait, log_file), claim_on(asked))


@load.command("amm", epilog="Example: polyledger load amm --since 2020-09-01 --until 2023-01-01")
def load_amm(
    since: Since = None,
    until: Until = None,
    wallet: Wallets = None,
    wallets_from: WalletsFrom = None,
    target: TargetName = None,
    profiles_dir: ProfilesDir = None,
    dry_run: DryRun = False,
    as_json: AsJson = False,
    wait: Wait = 0,
    log_file: LogFile = None,
) -> None:
    """Trades with automated market makers, liquidity added and removed. Without --since: from the last moment on."""
    given = read_range(since, until)
    asked = [(one, given) for one in ranges.amm(read_wallets(wallet, wallets_from))]

    async def work(run: Run) -> None:
        await ranges.load(run.subgraphs, run.warehouse, run.landing, asked, run.progress)
        await run.landing.flush()
        tick = run.progress.counter("FixedProductMarketMaker")
        await ranges.market_makers(run.subgraphs, run.warehouse, run.landing, tick)

    async def plan(subgraphs: Subgraphs, warehouse: Warehouse | None) -> list[dict[str, Any]]:
        return await ranges.estimate(subgraphs, warehouse, asked)

    execute(work, plan, Common(target, profiles_dir, dry_run, as_json, wait, log_file), claim_on(asked))


@load.command(
    "payouts",
    epilog="Example: polyledger load payouts; polyledger load payouts --from-file payouts.csv",
)
def load_payouts(
    condition: Annotated[list[str] | None, typer.Option("--condition", help="This condition; may be repeated.")] = None,
    conditions_from: Annotated[
        Path | None, typer.Option("--conditions-from", help="These conditions: csv with a column condition, or lines.")
    ] = None,
    from_file: Annotated[
        Path | None,
        typer.Option("--from-file", help="Payouts that this file gives: csv or JSON lines, condition_id and payouts."),
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="Every condition and token the subgraphs have.")] = False,
    worker: Annotated[int, typer.Option("--worker", min=1, help="Which share of the work is ours, from 1.")] = 1,
    of: Annotated[int, typer.Option("--of", min=1, max=1024, help="Number of shares.")] = 1,
    target: TargetName = None,
    profiles_dir: ProfilesDir = None,
    dry_run: DryRun = False,
    as_json: AsJson = False,
    wait: Wait = 0,
    log_file: LogFile = None,
) -> None:
    """Tokens, conditions and payout vectors. Default: all that landed rows name and whose payout is not known yet."""
    if worker > of:
        raise UsageError(f"--worker {worker} --of {of}: workers count from 1 to {of}")
    conditions = read_ids(condition, conditions_from, "condition", 32)
    if bool(everything) + bool(conditions) + (from_file is not None) > 1:
        raise UsageError("--all, --condition and --from-file exclude each other")
    common = Common(target, profiles_dir, dry_run, as_json, wait, log_file)
    if from_file is not None:
        _load_given(given.read(from_file), common)
    share = payouts.Share(worker, of)

    async def work(run: Run) -> None:
        tick = run.progress.counter("Condition")
        if conditions:
            await payouts.load_conditions(run.subgraphs, run.landing, conditions, tick)
        elif everything:
            await payouts.load_all(run.subgraphs, run.warehouse, run.landing, share, tick)
        else:
            await payouts.load_named(run.subgraphs, run.warehouse, run.landing, share, tick)
        payouts.note_not_found(run.landing.result)

    async def plan(subgraphs: Subgraphs, warehouse: Warehouse | None) -> list[dict[str, Any]]:
        return payouts.estimate(warehouse, conditions, everything, share, subgraphs.settings.requests_per_second)

    # Conditions that are asked for one by one are nobody else's work.
    claim = None if conditions else Claim((f"Condition {'all' if everything else 'named'}:{worker}/{of}",))
    execute(work, plan, common, claim)


def _load_given(rows: list[Row], common: Common) -> None:
    """Land payouts of a file; nobody is asked for anything."""

    async def work(run: Run) -> None:
        await run.landing.add(FILE_PAYOUTS, rows)

    async def plan(subgraphs: Subgraphs, warehouse: Warehouse | None) -> list[dict[str, Any]]:
        what = f"{len(rows):,} payouts of a file"
        return [{"entity": FILE_PAYOUTS.name, "scope": "", "what": what, "requests": 0, "seconds": 0.0}]

    execute(work, plan, common, None)


@load.command("positions", epilog="Example: polyledger load positions --wallets-from wallets.csv")
def load_positions(
    wallet: Wallets = None,
    wallets_from: WalletsFrom = None,
    target: TargetName = None,
    profiles_dir: ProfilesDir = None,
    dry_run: DryRun = False,
    as_json: AsJson = False,
    wait: Wait = 0,
    log_file: LogFile = None,
) -> None:
    """Polymarket's own record of each position of the given wallets, to reconcile with. Asked anew on every run."""
    wallets = read_wallets(wallet, wallets_from)
    if not wallets:
        raise UsageError("load positions needs to know whose: name wallets with --wallet or --wallets-from")

    async def work(run: Run) -> None:
        tick = run.progress.counter("UserPosition")
        await positions.load(run.subgraphs, run.warehouse, run.landing, wallets, tick)

    async def plan(subgraphs: Subgraphs, warehouse: Warehouse | None) -> list[dict[str, Any]]:
        return positions.estimate(wallets)

    claim = Claim(tuple(f"UserPosition wallet:{one}" for one in wallets))
    execute(work, plan, Common(target, profiles_dir, dry_run, as_json, wait, log_file), claim)


@load.command(
    "logs", epilog="Example: polyledger load logs --since 2026-09-11; polyledger load logs --only resolutions"
)
def load_logs(
    since: Since = None,
    until: Until = None,
    from_block: Annotated[
        int | None, typer.Option("--from-block", min=1, help="First block, instead of --since.")
    ] = None,
    to_block: Annotated[int | None, typer.Option("--to-block", min=1, help="Last block instead.")] = None,
    only: Annotated[LogKind | None, typer.Option("--only", help="Only fills, or only resolutions.")] = None,
    confirmations: Annotated[
        int, typer.Option("--confirmations", min=0, help="Blocks up to the newest one that may still change.")
    ] = logs.CONFIRMATIONS,
    target: TargetName = None,
    profiles_dir: ProfilesDir = None,
    dry_run: DryRun = False,
    as_json: AsJson = False,
    wait: Wait = 0,
    log_file: LogFile = None,
) -> None:
    """V2 fills and resolutions of conditions, from the logs of the Polygon node at POLYGON_RPC_URL.

    Without a range: from the last block that is landed on, or else from the first block that can have any.
    """
    given = read_range(since, until)
    blocks = (from_block, to_block)
    if (given.since and from_block) or (given.until and to_block):
        raise UsageError("give --since or --from-block, and --until or --to-block, but not both of a pair")
    if from_block and to_block and to_block < from_block:
        raise UsageError(f"--to-block {to_block} is before --from-block {from_block}")
    chosen = LOG_KINDS[only] if only else events.EVENTS
    asked = logs.Asked(chosen, given.since, given.until, *blocks, confirmations)
    settings = rpc.Settings.from_environment()
    pace = Pace(settings.requests_per_second)

    async def work(run: Run) -> None:
        async with rpc.Node(settings, run.subgraphs.counts, pace) as node:
            await logs.load(node, run.warehouse, run.landing, asked, run.progress)

    async def plan(subgraphs: Subgraphs, warehouse: Warehouse | None) -> list[dict[str, Any]]:
        async with rpc.Node(settings, subgraphs.counts, pace) as node:
            return await logs.estimate(node, warehouse, asked)

    claim = Claim(tuple(event.name for event in chosen))
    execute(work, plan, Common(target, profiles_dir, dry_run, as_json, wait, log_file), claim, pace)


@load.command("files", epilog="Example: polyledger load files 'dump/*.parquet' --map txHash=transaction_hash --dry-run")
def load_files(
    files: Annotated[
        list[str], typer.Argument(metavar="FILE", help="Paths, patterns in quotes, https:// or s3:// addresses.")
    ],
    maps: Annotated[
        list[str] | None, typer.Option("--map", metavar="THEIRS=OURS", help="Which column is which; may be repeated.")
    ] = None,
    protocol: Annotated[
        Protocol | None, typer.Option("--protocol", help="Which fills; default: by the columns.")
    ] = None,
    since: Annotated[str | None, typer.Option("--since", help="Only fills from this moment on, UTC.")] = None,
    until: Annotated[str | None, typer.Option("--until", help="Only fills before this moment, UTC.")] = None,
    complete: Annotated[
        bool,
        typer.Option("--complete", help="They are all fills from --since to --until: load fills asks for the rest."),
    ] = False,
    target: TargetName = None,
    profiles_dir: ProfilesDir = None,
    dry_run: DryRun = False,
    as_json: AsJson = False,
    wait: Wait = 0,
    log_file: LogFile = None,
) -> None:
    """Fills from Parquet, CSV or JSON lines (.gz, .zst, .xz too), V1 or V2, checked as rows from the wire are.

    Columns are recognised by name, in the source's spelling or ours. Amounts are whole base units, or text of them.
    """
    given, common = read_range(since, until), Common(target, profiles_dir, dry_run, as_json, wait, log_file)
    if complete and not (given.since and given.until and given.until <= datetime.now(UTC)):
        raise UsageError("--complete needs --since and --until, in the past: of which range are the files all fills?")
    named = sources(files)
    asked = bulk.Asked(named, read_maps(maps), protocol.value if protocol else None, given, complete)

    def say(text: str) -> None:
        if not as_json:
            typer.echo(text)

    async def work(run: Run) -> None:
        await bulk.load(run, asked, say)

    async def plan(subgraphs: Subgraphs, warehouse: Warehouse | None) -> list[dict[str, Any]]:
        return await bulk.estimate(read_target(target, profiles_dir), asked, say)

    execute(work, plan, common, Claim(tuple(f"file {one.shown}" for one in named)))


@app.command("sync", epilog="Example: polyledger sync; polyledger sync --since 2025-01-01 --log-file sync.log")
def run_sync(
    since: Annotated[
        str | None, typer.Option("--since", help="Where to begin when nothing is loaded yet, UTC: 2025-01-31.")
    ] = None,
    target: TargetName = None,
    profiles_dir: ProfilesDir = None,
    dry_run: DryRun = False,
    as_json: AsJson = False,
    wait: Wait = 0,
    log_file: LogFile = None,
) -> None:
    """Bring all that was ever loaded up to now: fills, activity, AMM, logs, payouts, positions. For schedulers.

    Logs of the chain where POLYGON_RPC_URL names a node.
    """
    begin, common = read_moment("--since", since), Common(target, profiles_dir, dry_run, as_json, wait, log_file)

    async def is_anything(subgraphs: Subgraphs, warehouse: Warehouse | None) -> bool:
        return warehouse is not None and sync.is_anything(warehouse)

    if begin is None and not peek(is_anything, common):
        raise UsageError(
            "nothing is loaded yet, so there is nothing to go on from: say with --since where to begin, "
            "or begin with polyledger load fills --wallet WALLET"
        )

    async def work(run: Run) -> None:
        await sync.load(run, begin)
        payouts.note_not_found(run.landing.result)

    async def plan(subgraphs: Subgraphs, warehouse: Warehouse | None) -> list[dict[str, Any]]:
        return await sync.estimate(subgraphs, warehouse, begin)

    everything = tuple(entity.name for entity in (*sync.EVENTS, *events.EVENTS))
    execute(work, plan, common, Claim((*everything, "Condition named:1/1", "UserPosition")))


@app.command("demo", epilog="Example: polyledger demo; polyledger demo --recording recording.json")
def run_demo(
    recording: Annotated[
        Path | None,
        typer.Option("--recording", help="Serve this file, rows of each entity, instead of the sample world."),
    ] = None,
    target: TargetName = None,
    profiles_dir: ProfilesDir = None,
) -> None:
    """Serve a small simulated world on loopback, load it over HTTP, dbt build, show the leaderboard."""
    raise typer.Exit(demo.run(recording, read_target(target, profiles_dir), profiles_dir))


@app.command("setup", epilog="Example: polyledger setup; polyledger setup --roles")
def run_setup(
    with_roles: Annotated[
        bool, typer.Option("--roles", help="Also make roles and users of a server: loader, builder and reader.")
    ] = False,
    target: TargetName = None,
    profiles_dir: ProfilesDir = None,
    wait: Wait = 0,
) -> None:
    """Create the raw tables, or bring those of an earlier version to this one. Doing it again changes nothing."""
    where = read_target(target, profiles_dir)
    if with_roles and folder(where.host):
        raise UsageError(f"target {where.name} is embedded and has no users: whoever can read its folder may read it")
    with opened(where, wait) as warehouse:
        before = warehouse.version() if warehouse.has_tables() else None
        warehouse.create_tables(on_all_nodes=True)
        now = warehouse.version()
        was = "made" if before is None else "there already" if before == now else f"upgraded from version {before}"
        typer.echo(f"raw tables in {where.raw_schema}: {was}, version {now}")
        for line in rights.apply(warehouse) if with_roles else []:
            typer.echo(line)


@app.command("publish", epilog="Example: polyledger publish; polyledger publish --undo")
def run_publish(
    keep: Annotated[
        bool, typer.Option("--keep/--no-keep", help="Keep what was there before until the next publish.")
    ] = True,
    back: Annotated[bool, typer.Option("--undo", help="Put back what was there before the last publish.")] = False,
    target: TargetName = None,
    profiles_dir: ProfilesDir = None,
    wait: Wait = 0,
) -> None:
    """Full dbt build beside the marts, with all tests; what passes them takes the place of what people read."""
    where = read_target(target, profiles_dir)
    if back:
        publish.undo(where, wait)
    else:
        publish.publish(where, profiles_dir, keep, wait)


app.command("bench", epilog="Example: polyledger bench; polyledger bench --only speed --quick")(bench)


@app.command("version", epilog="Example: polyledger version")
def version() -> None:
    """Print the version."""
    typer.echo(f"polyledger {__version__}")


@app.command("doctor", epilog="Example: polyledger doctor --since 2025-01-01 --until 2025-02-01")
def run_doctor(
    since: Since = None,
    until: Until = None,
    target: TargetName = None,
    profiles_dir: ProfilesDir = None,
    as_json: AsJson = False,
    wait: Wait = 0,
) -> None:
    """Before a run: are endpoint, warehouse and settings fit for it? Says what to do about a failure."""
    given = read_range(since, until)
    checks = doctor.examine(target, profiles_dir, given.since, given.until, wait)
    raise typer.Exit(DONE if doctor.show(checks, as_json) else FAILED)


@app.command("profile", epilog="Example: polyledger profile; polyledger profile --since 2025-01-01 --pages 20")
def run_profile(
    since: Annotated[
        str | None, typer.Option("--since", help="Fills from here on are read, UTC. Default: the first ones.")
    ] = None,
    pages: Annotated[int, typer.Option("--pages", min=1, max=100, help="Pages of 1,000 rows to read.")] = 10,
    target: TargetName = None,
    profiles_dir: ProfilesDir = None,
    as_json: AsJson = False,
    wait: Wait = 0,
) -> None:
    """Where the time of a small real load goes: query, parse, insert. Nothing of it is kept."""
    begin = read_moment("--since", since)
    measured = profile.measure(read_target(target, profiles_dir), begin, pages, wait)
    profile.show(measured, as_json)


@app.command("status", epilog="Example: polyledger status; polyledger status --watch 5")
def show_status(
    seconds: Annotated[
        float, typer.Argument(min=0.2, max=86400, help="With --watch: seconds between refreshes.")
    ] = 2.0,
    watch: Annotated[bool, typer.Option("--watch", help="Refresh until Ctrl-C.")] = False,
    target: TargetName = None,
    profiles_dir: ProfilesDir = None,
    as_json: AsJson = False,
    wait: Wait = 0,
) -> None:
    """What is landed, what is missing, and how far a load is that is running now."""
    where = read_target(target, profiles_dir)
    if watch:
        status_view.watch(where, seconds, as_json, wait)
    else:
        status_view.show(where, as_json, wait)


@app.command("verify", epilog="Example: polyledger verify; polyledger verify --json")
def run_verify(
    baselines_csv: Annotated[
        Path | None, typer.Option("--baselines-csv", help="Also write the differences from the baselines to this file.")
    ] = None,
    target: TargetName = None,
    profiles_dir: ProfilesDir = None,
    as_json: AsJson = False,
    wait: Wait = 0,
) -> None:
    """After a run and a dbt build: do the rows and the marts hold what they promise? Changes nothing."""
    if baselines_csv and (baselines_csv.is_dir() or not baselines_csv.parent.is_dir()):
        raise UsageError(f"--baselines-csv {baselines_csv}: a file in a folder that is there is expected")
    where = read_target(target, profiles_dir)
    path = folder(where.host)
    if path is not None and not path.exists():
        checks, baselines = verify.verify(None), []  # opening it would create it
    else:
        with opened(where, wait) as warehouse:
            checks, baselines = verify.verify(warehouse), verify_ledger.readable_baselines(warehouse)
    if baselines_csv:
        verify_ledger.write_csv(baselines, baselines_csv)
    raise typer.Exit(DONE if verify.show(checks, baselines, as_json) else FAILED)


@app.command("explain", epilog="Example: polyledger explain 0xcce2b7c71f21e358b8e5e797e586cbc03160d58b")
def explain(
    wallet: Annotated[str, typer.Argument(help="Address of the wallet.")],
    condition: Annotated[str | None, typer.Option("--condition", help="Only this condition.")] = None,
    target: TargetName = None,
    profiles_dir: ProfilesDir = None,
    as_json: AsJson = False,
    wait: Wait = 0,
) -> None:
    """Every event of a wallet in order, with running shares, cost and P&L under the three definitions."""
    (address,) = read_ids([wallet], None, "wallet", 20, "WALLET")
    conditions = read_ids([condition] if condition else [], None, "condition", 32)
    where = read_target(target, profiles_dir)
    path = folder(where.host)
    if path is not None and not path.exists():
        raise UsageError(f"there is nothing to explain: nothing is loaded yet in {path}")
    with opened(where, wait) as warehouse:
        explained = explaining.explain(warehouse, address, conditions[0] if conditions else None)
    raise typer.Exit(DONE if explaining.show(explained, as_json) else FAILED)


@app.command("export", epilog="Example: polyledger export order_filled_events fills.parquet --since 2025-01-01")
def run_export(
    table: Annotated[str, typer.Argument(help="A raw table or a mart.")],
    file: Annotated[Path, typer.Argument(help="Where to: .parquet, .csv or .jsonl; the latter also .gz or .zst.")],
    since: Annotated[str | None, typer.Option("--since", help="Only rows from this moment on, UTC.")] = None,
    until: Annotated[str | None, typer.Option("--until", help="Only rows before this moment, UTC.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Write over a file that is there.")] = False,
    target: TargetName = None,
    profiles_dir: ProfilesDir = None,
    as_json: AsJson = False,
    wait: Wait = 0,
) -> None:
    """Write a raw table or mart to a file, each row once; what load files reads back, row by row as it was."""
    given, where = read_range(since, until), read_target(target, profiles_dir)
    path = folder(where.host)
    if path is not None and not path.exists():
        raise UsageError(f"there is no table {table[:60]!r}: nothing is loaded yet in {path}")
    with opened(where, wait) as warehouse:
        try:
            exported = exporting.export(warehouse, table, file, given, force)
        except KeyboardInterrupt:
            _fail(f"stopped; {file} is as it was", FAILED)
    exporting.show(exported, as_json)


def claim_on(asked: list[ranges.Asked]) -> Claim:
    """Series are another run's work while this one loads them."""
    things = tuple(f"{series.entity.name} {series.scope}".rstrip() for series, _ in asked)
    return Claim(things, asked[0][1].since or EPOCH, asked[0][1].until or FOREVER)


def main() -> None:
    """Run the command; every expected failure is one sentence and an exit code."""
    try:
        sys.exit(app(prog_name="polyledger", standalone_mode=False))
    except typer.TyperException as error:
        if not error.format_message():  # called without words: the help is printed
            sys.exit(WRONG_USE)
        _fail(_wrong_word(error), WRONG_USE)
    except (
        UsageError,
        TargetError,
        SettingError,
        WrongEndpointError,
        demo.DemoError,
        publish.PublishError,
        rights.RoleError,
        explaining.NothingToExplain,
    ) as error:
        _fail(str(error), WRONG_USE)
    except publish.BuildFailed as error:
        _fail(str(error), FAILED)
    except (SubgraphError, WarehouseError, WarehouseBusy, OSError) as error:
        _fail(f"{error}\nSafe to run the same command again: it continues where this one stopped.", FAILED)


def _wrong_word(error: typer.TyperException) -> str:
    """What typer found wrong with the words, as one sentence."""
    context = getattr(error, "ctx", None)
    if context is None:
        words = " ".join(word for word in sys.argv[1:3] if not word.startswith("-"))
        path = f"polyledger {words}".rstrip()
    else:
        path = context.command_path
    said = error.format_message().rstrip(".").replace("Input should", "it should")
    return f"{said[:1].lower()}{said[1:]} (see {path} --help)"


def _fail(sentence: str, code: int) -> NoReturn:
    console(stderr=True).print(f"error: {plain(sentence)}", style="red")
    sys.exit(code)


if __name__ == "__main__":
    main()
