"""The command: words in, sentences out. The work happens in the other modules."""

import asyncio
import contextlib
import csv
import json
import os
import re
import signal
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from loaders import __version__, demo, payouts, ranges
from loaders.checks import doctor, status_view, verify, verify_ledger
from loaders.embedded import WarehouseBusy, folder
from loaders.loading import Landing, Result, batch_rows
from loaders.progress import Progress
from loaders.runs import RunRecord, progress_file
from loaders.subgraph import Counts, SettingError, Settings, SubgraphError, Subgraphs, WrongEndpointError
from loaders.target import Target, TargetError, read_target
from loaders.warehouse import Warehouse, WarehouseError, opened

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

DONE, FAILED, WRONG_USE, INCOMPLETE = 0, 1, 2, 3
errors = Console(stderr=True, highlight=False, soft_wrap=True)


class UsageError(Exception):
    """A wrong word on the command line or in a file; the message says which and what was expected."""


TargetName = Annotated[str | None, typer.Option("--target", help="Target of profiles.yml; default: the profile's.")]
ProfilesDir = Annotated[Path | None, typer.Option("--profiles-dir", help="Folder of profiles.yml; default: as dbt.")]
Since = Annotated[str | None, typer.Option("--since", help="First moment, UTC: 2025-01-31 or 2025-01-31T12:00:00.")]
Until = Annotated[str | None, typer.Option("--until", help="End, exclusive, UTC. Default: what is indexed by now.")]
Wallets = Annotated[list[str] | None, typer.Option("--wallet", help="Only this wallet; may be repeated.")]
WalletsFrom = Annotated[
    Path | None, typer.Option("--wallets-from", help="Only these wallets: csv with a column wallet, or lines.")
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what would be asked for, and touch nothing.")]
AsJson = Annotated[bool, typer.Option("--json", help="Report as JSON.")]
Wait = Annotated[float, typer.Option("--wait", min=0, help="Seconds to wait for a warehouse that is in use.")]


@dataclass(frozen=True)
class Run:
    """What every load needs."""

    subgraphs: Subgraphs
    warehouse: Warehouse
    landing: Landing
    progress: Progress


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
) -> None:
    """Order fills, and the fee refunds of the same range. Without --since: from the last complete moment on."""
    given = read_range(since, until)
    series = ranges.fills(read_wallets(wallet, wallets_from), read_token(token))
    _load_series(series, given, target, profiles_dir, dry_run, as_json, wait)


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
) -> None:
    """Splits, merges, redemptions, neg-risk conversions and events. Without --since: from the last moment on."""
    given = read_range(since, until)
    wallets = read_wallets(wallet, wallets_from)
    _load_series(
        ranges.activity(wallets),
        given,
        target,
        profiles_dir,
        dry_run,
        as_json,
        wait,
        then=lambda run: ranges.neg_risk_events(
            run.subgraphs, run.warehouse, run.landing, bool(wallets), run.progress.counter("NegRiskEvent")
        ),
    )


@load.command("payouts", epilog="Example: polyledger load payouts; polyledger load payouts --all --worker 1 --of 4")
def load_payouts(
    condition: Annotated[list[str] | None, typer.Option("--condition", help="This condition; may be repeated.")] = None,
    conditions_from: Annotated[
        Path | None, typer.Option("--conditions-from", help="These conditions: csv with a column condition, or lines.")
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="Every condition and token the subgraphs have.")] = False,
    worker: Annotated[int, typer.Option("--worker", min=1, help="Which share of the work is ours, from 1.")] = 1,
    of: Annotated[int, typer.Option("--of", min=1, max=1024, help="Number of shares.")] = 1,
    target: TargetName = None,
    profiles_dir: ProfilesDir = None,
    dry_run: DryRun = False,
    as_json: AsJson = False,
    wait: Wait = 0,
) -> None:
    """Tokens, conditions and payout vectors. Default: all that landed rows name and whose payout is not known yet."""
    if worker > of:
        raise UsageError(f"--worker {worker} --of {of}: workers count from 1 to {of}")
    conditions = read_ids(condition, conditions_from, "condition", 32)
    if everything and conditions:
        raise UsageError("--all and --condition exclude each other")
    share = payouts.Share(worker, of)

    async def work(run: Run) -> None:
        tick = run.progress.counter("Condition")
        if conditions:
            await payouts.load_conditions(run.subgraphs, run.landing, conditions, tick)
        elif everything:
            await payouts.load_all(run.subgraphs, run.warehouse, run.landing, share, tick)
        else:
            await payouts.load_named(run.subgraphs, run.warehouse, run.landing, share, tick)
        unknown = run.landing.result.not_found
        if unknown["Condition"]:
            run.landing.result.notes.append(
                f"{unknown['Condition']:,} conditions are unknown to the pnl subgraph (another project's, most "
                "likely); they are remembered as not found and asked for again after a day"
            )
        if unknown["MarketData"]:
            run.landing.result.notes.append(
                f"{unknown['MarketData']:,} tokens are registered on no exchange; activity in their conditions is not "
                "counted as Polymarket's, unless fills are landed there"
            )

    if dry_run:
        _plan_payouts(conditions, everything, share, target, profiles_dir, as_json, wait)
    else:
        _run(work, target, profiles_dir, as_json, wait)


@app.command("demo", epilog="Example: polyledger demo; polyledger demo --recording recording.json")
def run_demo(
    recording: Annotated[
        Path | None, typer.Option("--recording", help="Serve this file, {entity: [rows]}, instead of the sample world.")
    ] = None,
    target: TargetName = None,
    profiles_dir: ProfilesDir = None,
) -> None:
    """Serve a small simulated world on loopback, load it over HTTP, dbt build, show the leaderboard."""
    raise typer.Exit(demo.run(recording, read_target(target, profiles_dir), profiles_dir))


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


def _load_series(
    series: list[ranges.Series],
    given: ranges.Range,
    target: str | None,
    profiles_dir: Path | None,
    dry_run: bool,
    as_json: bool,
    wait: float,
    then: Callable[[Run], Awaitable[None]] | None = None,
) -> None:
    async def work(run: Run) -> None:
        await ranges.load(run.subgraphs, run.warehouse, run.landing, series, given, run.progress)
        if then:
            await run.landing.flush()
            await then(run)

    async def show(subgraphs: Subgraphs, warehouse: Warehouse | None) -> list[dict[str, Any]]:
        return await ranges.estimate(subgraphs, warehouse, series, given)

    if dry_run:
        _print_plan(_peek(show, target, profiles_dir, wait), as_json)
    else:
        _run(work, target, profiles_dir, as_json, wait)


def _run(
    work: Callable[[Run], Awaitable[None]], target: str | None, profiles_dir: Path | None, as_json: bool, wait: float
) -> None:
    """Connect both ends, do the work, report; exits with the code of the contract."""
    settings, batch_size = Settings.from_environment(), batch_rows()
    started, where = time.monotonic(), read_target(target, profiles_dir)
    path = folder(where.host)
    with _warehouse(where, wait) as warehouse:
        warehouse.create_tables()
        result, counts = Result(), Counts()
        landing = Landing(warehouse, result, batch_size)
        record = RunRecord(warehouse, landing.run_id, result, counts)

        async def main() -> None:
            task = asyncio.current_task()
            if task is not None:
                asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
            landing.beat = lambda: record.say("running")
            # Interrupted or failed: leaving the landing, what is in hand is landed and recorded all the same.
            async with Subgraphs(settings, counts) as subgraphs, landing:
                with Progress(counts, quiet=as_json) as progress:
                    told = path.with_name(path.name + ".progress.json") if path else None
                    async with progress_file(told, lambda: _figures(record, result, subgraphs, progress)):
                        await work(Run(subgraphs, warehouse, landing, progress))

        state = "failed"
        record.say("running")
        try:
            asyncio.run(main())
            code = INCOMPLETE if result.open_windows or sum(result.rejected.values()) else DONE
            state = "incomplete" if code else "done"
        except (asyncio.CancelledError, KeyboardInterrupt):
            state = "stopped"
            errors.print("stopped; what had arrived is landed. Run the same command again to continue.")
            raise typer.Exit(FAILED) from None
        finally:
            with contextlib.suppress(WarehouseError):  # it may be what failed
                record.say(state)
    seconds = time.monotonic() - started
    if as_json:
        report = {
            "run_id": landing.run_id,
            "rows": result.rows,
            "rejected": result.rejected,
            "not_found": result.not_found,
            "open_windows": result.open_windows,
            "notes": result.notes,
            "requests": counts.requests,
            "retries": counts.retries,
            "refused": counts.refused,
            "seconds": round(seconds, 3),
            "exit_code": code,
        }
        typer.echo(json.dumps(report, indent=2))
    else:
        _print_result(result, seconds, f"{counts.requests:,} requests, {counts.retries:,} retried", warehouse.raw)
    raise typer.Exit(code)


def _figures(record: RunRecord, result: Result, subgraphs: Subgraphs, progress: Progress) -> dict[str, Any]:
    """How far the run is, for `status`."""
    counts, elapsed = subgraphs.counts, max((datetime.now(UTC) - record.started_at).total_seconds(), 1e-9)
    return {
        "run_id": record.run_id,
        "command": record.command,
        "pid": os.getpid(),
        "started_at": record.started_at.timestamp(),
        "entities": progress.figures(),
        "requests": counts.requests,
        "retries": counts.retries,
        "refused": counts.refused,
        "requests_per_second": counts.requests / elapsed,
        "limit_per_second": subgraphs.pace.rate,
        "rejected": sum(result.rejected.values()),
    }


def _print_result(result: Result, seconds: float, asked: str, raw: str) -> None:
    out = Console(highlight=False, markup=False)
    out.soft_wrap = not out.is_terminal  # words stay whole for people, lines stay whole for programs
    landed = ", ".join(f"{count:,} {name}" for name, count in result.rows.items() if count) or "nothing new"
    out.print(f"landed {landed} in {seconds:.1f} s ({asked})")
    for note in result.notes:
        out.print(f"note: {note}")
    for name, count in result.rejected.items():
        out.print(
            f"kept aside: {count:,} rows of {name} could not be understood; see {raw}.rejected_rows for the reasons"
        )
    for sentence in result.open_windows:
        out.print(f"open: {sentence}. Run the same command again to continue.")


def _peek(
    look: Callable[[Subgraphs, Warehouse | None], Awaitable[list[dict[str, Any]]]],
    target: str | None,
    profiles_dir: Path | None,
    wait: float,
) -> list[dict[str, Any]]:
    """Look at both ends without changing either."""
    settings, where = Settings.from_environment(), read_target(target, profiles_dir)
    path = folder(where.host)

    async def main(warehouse: Warehouse | None) -> list[dict[str, Any]]:
        async with Subgraphs(settings) as subgraphs:
            return await look(subgraphs, warehouse)

    if path is not None and not path.exists():
        return asyncio.run(main(None))  # opening it would create it
    with _warehouse(where, wait) as warehouse:
        return asyncio.run(main(warehouse if warehouse.has_tables() else None))


def _plan_payouts(
    conditions: list[str],
    everything: bool,
    share: payouts.Share,
    target: str | None,
    profiles_dir: Path | None,
    as_json: bool,
    wait: float,
) -> None:
    async def show(subgraphs: Subgraphs, warehouse: Warehouse | None) -> list[dict[str, Any]]:
        return payouts.estimate(warehouse, conditions, everything, share, subgraphs.settings.requests_per_second)

    _print_plan(_peek(show, target, profiles_dir, wait), as_json)


def _print_plan(plan: list[dict[str, Any]], as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps(plan, indent=2))
        return
    for step in plan:
        typer.echo(
            f"{step['entity']} {step['scope']}: {step['what']}, about {step['requests']:,} requests, "
            f"{step['seconds']:,.0f} s at the limit".replace(" :", ":")
            if step["requests"] is not None
            else f"{step['entity']} {step['scope']}: {step['what']}, as many requests as it takes"
        )
    if not plan:
        typer.echo("nothing to do: all of it is complete")


@contextlib.contextmanager
def _warehouse(target: Target, wait: float) -> Iterator[Warehouse]:
    if wait:
        os.environ["POLYLEDGER_WAIT"] = str(wait)
    warehouse = Warehouse(target)
    try:
        yield warehouse
    finally:
        warehouse.close()


def read_range(since: str | None, until: str | None) -> ranges.Range:
    """The asked range in UTC. Raises UsageError."""
    first, end = (read_moment(name, text) for name, text in (("--since", since), ("--until", until)))
    if first and end and end <= first:
        raise UsageError(f"--until {until} is not after --since {since}")
    return ranges.Range(first, end)


def read_moment(option: str, text: str | None) -> datetime | None:
    """A UTC moment on a whole second, None where none was given. Raises UsageError."""
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
        moment = moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        raise UsageError(f"{option} {text!r} is no moment: use 2025-01-31 or 2025-01-31T12:00:00 (UTC)") from None
    if moment.microsecond or not 1970 <= moment.year < 2106:
        raise UsageError(f"{option} {text!r} is out of range: whole seconds from 1970 to 2105")
    return moment


def read_wallets(given: list[str] | None, file: Path | None) -> list[str]:
    """Wallets in lower case, once each. Raises UsageError."""
    return read_ids(given, file, "wallet", 20)


def read_ids(given: list[str] | None, file: Path | None, column: str, size: int) -> list[str]:
    """Hex ids from options and a file (csv with the column, or lines), lower case, once each. Raises UsageError."""
    found = [(f"--{column}", text) for text in given or []]
    if file is not None:
        try:
            lines = file.read_text("utf-8-sig").splitlines()  # spreadsheets begin a csv with a byte order mark
        except (OSError, UnicodeDecodeError) as error:
            raise UsageError(f"--{column}s-from {file} cannot be read: {error}") from None
        header, *rows = [row for row in csv.reader(lines, skipinitialspace=True) if row] or [[]]
        header = [cell.strip().lower() for cell in header]
        places = [header.index(name) for name in (column, f"{column}_id") if name in header]
        if places:
            found += [(str(file), row[places[0]] if len(row) > places[0] else "") for row in rows]
        else:
            found += [(str(file), line) for line in lines if line.strip()]
        if len(found) == len(given or []):
            raise UsageError(f"--{column}s-from {file} names no {column}: give a csv with a column {column}, or lines")
    for place, text in found:
        if not re.fullmatch(rf"0x[0-9a-fA-F]{{{2 * size}}}", text.strip()):
            shown = text.strip() if len(text) <= 80 else f"{text[:80]}..."
            raise UsageError(f"{place}: {shown!r} is no {column}: 0x and {2 * size} hex digits expected")
    return list(dict.fromkeys(text.strip().lower() for _, text in found))


def read_token(text: str | None) -> str | None:
    """An outcome token id in decimal digits. Raises UsageError."""
    if text is not None and not (re.fullmatch(r"[1-9][0-9]{0,77}", text) and int(text) < 2**256):
        raise UsageError(f"--token {text[:90]!r} is no token id: a decimal number of up to 78 digits expected")
    return text


def main() -> None:
    """Run the command; every expected failure is one sentence and an exit code."""
    try:
        app()
    except (UsageError, TargetError, SettingError, WrongEndpointError, demo.DemoError) as error:
        _fail(str(error), WRONG_USE)
    except (SubgraphError, WarehouseError, WarehouseBusy) as error:
        _fail(f"{error}\nSafe to run the same command again: it continues where this one stopped.", FAILED)
    except OSError as error:
        _fail(f"{error}\nSafe to run the same command again: it continues where this one stopped.", FAILED)


def _fail(sentence: str, code: int) -> None:
    errors.print(f"error: {sentence}", style="red", markup=False)
    sys.exit(code)


if __name__ == "__main__":
    main()
