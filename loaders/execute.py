"""Carry out a load: connect both ends, do the work, keep the record, report. Exit codes are those of the contract."""

import asyncio
import contextlib
import json
import os
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from typing import Any, NoReturn, TypeVar

import typer
from rich.console import Console

from loaders import __version__, journal
from loaders.embedded import folder, wait_seconds
from loaders.leases import Claim, leased
from loaders.loading import Landing, Result, batch_rows
from loaders.options import Common, UsageError
from loaders.pace import Pace
from loaders.progress import Progress
from loaders.rights import powers
from loaders.runs import ProgressFile, RunRecord, every_second
from loaders.stopping import Stopping
from loaders.subgraph import Counts, Settings, SubgraphError, Subgraphs
from loaders.target import Target, read_target
from loaders.warehouse import PATIENCE, Warehouse, WarehouseError

DONE, FAILED, WRONG_USE, INCOMPLETE = 0, 1, 2, 3

T = TypeVar("T")


@dataclass(frozen=True)
class Run:
    """What every load needs."""

    subgraphs: Subgraphs
    warehouse: Warehouse
    landing: Landing
    progress: Progress


Work = Callable[[Run], Awaitable[None]]
Plan = Callable[[Subgraphs, Warehouse | None], Awaitable[list[dict[str, Any]]]]


def execute(work: Work, plan: Plan, common: Common, claim: Claim | None, pace: Pace | None = None) -> None:
    """Do the work, or with --dry-run print its plan. Exits with the code of the contract.

    Meanwhile nobody else loads what is claimed: another load of it says who does and leaves. `pace` is that of what
    the work asks, where it does not ask the subgraphs.
    """
    if common.dry_run:
        _print_plan(peek(plan, common), common.as_json)
    else:
        _run(work, common, claim, pace)


def peek(look: Callable[[Subgraphs, Warehouse | None], Awaitable[T]], common: Common) -> T:
    """Look at both ends without changing either; the warehouse is None where nothing was ever loaded."""
    settings, where = Settings.from_environment(), read_target(common.target, common.profiles_dir)
    path = folder(where.host)

    async def main(warehouse: Warehouse | None) -> T:
        async with Subgraphs(settings) as subgraphs:
            return await look(subgraphs, warehouse)

    if path is not None and not path.exists():
        return asyncio.run(main(None))  # opening it would create it
    with connected(where, common.wait) as warehouse:
        return asyncio.run(main(warehouse if warehouse.has_tables() else None))


@contextlib.contextmanager
def connected(target: Target, wait: float) -> Iterator[Warehouse]:
    """A warehouse, waited for when it is in use."""
    if wait:
        os.environ["POLYLEDGER_WAIT"] = str(wait)
    warehouse = Warehouse(target)
    try:
        yield warehouse
    finally:
        warehouse.close()


def _run(work: Work, common: Common, claim: Claim | None, pace: Pace | None) -> NoReturn:
    settings, batch_size = Settings.from_environment(), batch_rows()
    started, where = time.monotonic(), read_target(common.target, common.profiles_dir)
    with (
        _logged(common) as log,
        connected(where, common.wait) as warehouse,
        Stopping() as stopping,
        contextlib.ExitStack() as held,
    ):
        warehouse.create_tables()
        warehouse.patience = PATIENCE
        result, counts = Result(), Counts()
        result.notes += _warning(warehouse)
        landing = Landing(warehouse, result, batch_size)
        record = RunRecord(warehouse, landing.run_id, result, counts)
        # An embedded folder serves one process at a time anyway.
        claimed = None if folder(where.host) else claim
        keep = held.enter_context(leased(warehouse, landing.run_id, claimed, wait_seconds()))

        def beat() -> None:
            record.say("running")
            keep()

        landing.beat = beat
        code, state, failure = FAILED, "failed", None
        record.say("running")
        if log:
            log.about["run_id"] = record.run_id
        journal.note("start", command=record.command, asked=record.asked, target=where.name, version=__version__)
        try:
            asyncio.run(_load(work, settings, where, landing, record, counts, stopping, common.as_json, pace))
            code = INCOMPLETE if result.open_windows or sum(result.rejected.values()) else DONE
            state = "incomplete" if code else "done"
        except (asyncio.CancelledError, KeyboardInterrupt):
            state = "stopped"
            had = "what had arrived is landed"
            if landing.failure:
                had = f"what was in hand is fetched again: {landing.failure}"
            console(stderr=True).print(f"stopped; {had}. Run the same command again to continue.")
            raise typer.Exit(FAILED) from None
        except SubgraphError as error:  # what others served is landed, and reported
            failure = error
            journal.note("failed", problem=str(error))
        finally:
            with contextlib.suppress(WarehouseError):  # it may be what failed
                record.say(state)
            journal.note("finish", state=state, open=result.open_windows, **record.figures())
    if log and log.failure:
        result.notes.append(f"--log-file {common.log_file} could not be written to its end: {log.failure}")
    _report(result, counts, landing, time.monotonic() - started, code, common.as_json)
    if failure:
        raise failure
    raise typer.Exit(code)


def _warning(warehouse: Warehouse) -> list[str]:
    """No administrator of a server loads without a word."""
    if folder(warehouse.target.host):
        return []
    with contextlib.suppress(WarehouseError):  # a server that cannot tell stops no load
        if can := powers(warehouse):
            sentence = f"{warehouse.target.user} may {' and '.join(can)}, which no load needs"
            return [f"{sentence}: polyledger setup --roles makes users who may less"]
    return []


def _report(result: Result, counts: Counts, landing: Landing, seconds: float, code: int, as_json: bool) -> None:
    if not as_json:
        _print_result(result, seconds, counts, landing.warehouse.raw)
        return
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
    if result.files:
        report["files"] = result.files
    typer.echo(json.dumps(report, indent=2))


@contextlib.contextmanager
def _logged(common: Common) -> Iterator[journal.Journal | None]:
    """With --log-file, failures are told there too. Raises UsageError."""
    with contextlib.ExitStack() as stack:
        try:
            log = stack.enter_context(journal.kept_in(common.log_file))
        except OSError as error:
            raise UsageError(f"--log-file {common.log_file} cannot be opened: {error.strerror or error}") from None
        try:
            yield log
        except Exception as error:
            if not isinstance(error, typer.Exit):
                journal.note("failed", problem=str(error))
            raise


async def _load(
    work: Work,
    settings: Settings,
    target: Target,
    landing: Landing,
    record: RunRecord,
    counts: Counts,
    stopping: Stopping,
    quiet: bool,
    pace: Pace | None,
) -> None:
    loop, task = asyncio.get_running_loop(), asyncio.current_task()

    def stop() -> None:
        landing.warehouse.leave()
        if task and not loop.is_closed():
            loop.call_soon_threadsafe(task.cancel)

    stopping.by(stop)
    path = folder(target.host)
    told = ProgressFile(path.with_name(path.name + ".progress.json") if path else None)
    # Interrupted or failed: leaving the landing, what is in hand is landed and recorded all the same.
    async with Subgraphs(settings, counts) as subgraphs, landing:
        asked = pace or subgraphs.pace
        with Progress(counts, asked, quiet) as progress:

            def tell() -> None:
                progress.beat()
                told.write(_figures(record, asked, progress))

            try:
                async with every_second(tell):
                    await work(Run(subgraphs, landing.warehouse, landing, progress))
            finally:
                told.remove()


def _figures(record: RunRecord, pace: Pace, progress: Progress) -> dict[str, Any]:
    """How far the run is, for `status`."""
    figures = record.figures()
    return {
        "run_id": record.run_id,
        "command": record.command,
        "pid": os.getpid(),
        "started_at": record.started_at.timestamp(),
        "entities": progress.figures(),
        "requests": figures["requests"],
        "retries": figures["retries"],
        "refused": figures["refused"],
        "requests_per_second": progress.requests_per_second(),
        "limit_per_second": pace.rate,
        "rejected": figures["rejected"],
    }


def console(stderr: bool = False) -> Console:
    """Words stay whole for people, lines stay whole for programs."""
    out = Console(stderr=stderr, highlight=False, markup=False)
    out.soft_wrap = stderr or not out.is_terminal
    return out


def _print_result(result: Result, seconds: float, counts: Counts, raw: str) -> None:
    out = console()
    landed = ", ".join(f"{count:,} {name}" for name, count in result.rows.items() if count) or "nothing new"
    asked = f" ({counts.requests:,} requests, {counts.retries:,} retried)" if counts.requests else ""
    out.print(f"landed {landed} in {seconds:.1f} s{asked}")
    for note in result.notes:
        out.print(f"note: {note}")
    for name, count in result.rejected.items():
        out.print(
            f"kept aside: {count:,} rows of {name} could not be understood; see {raw}.rejected_rows for the reasons"
        )
    for sentence in result.open_windows:
        out.print(f"open: {sentence}. Run the same command again to continue.")


def _print_plan(plan: list[dict[str, Any]], as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps(plan, indent=2))
        return
    for step in plan:
        if "requests" not in step:  # nothing is asked for
            typer.echo(f"{step['entity']}: {step['what']}")
            continue
        typer.echo(
            f"{step['entity']} {step['scope']}: {step['what']}, about {step['requests']:,} requests, "
            f"{step['seconds']:,.0f} s at the limit".replace(" :", ":")
            if step["requests"] is not None
            else f"{step['entity']} {step['scope']}: {step['what']}, as many requests as it takes".replace(" :", ":")
        )
    if not plan:
        typer.echo("nothing to do: all of it is complete")
