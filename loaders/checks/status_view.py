"""Show snapshots of status.py: tables on a terminal, plain lines in a log, JSON for programs."""

import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime

from rich.console import Group, RenderableType
from rich.live import Live
from rich.text import Text

from loaders.checks import report
from loaders.checks.report import duration
from loaders.checks.status import Snapshot, snapshots
from loaders.target import Target
from loaders.warehouse import WarehouseError

SILENT_SECONDS = 15.0  # a load that wrote no progress for so long is stuck
MOST_LINES = 8  # of gaps and open windows that people are shown


def show(target: Target, as_json: bool, wait: float) -> None:
    """Print one snapshot."""
    snapshot = next(snapshots(target, wait))
    if as_json:
        print(json.dumps(snapshot, indent=2))
    else:
        report.console().print(*shown(snapshot), sep="\n")


def watch(target: Target, every: float, as_json: bool, wait: float) -> None:
    """Show a snapshot every so many seconds until Ctrl-C: in place on a terminal, as lines elsewhere."""
    console = report.console()
    try:
        if as_json or not console.is_terminal:
            for snapshot in patient(target, wait):
                print(json.dumps(snapshot) if as_json else line(snapshot), flush=True)
                time.sleep(every)
            return
        with Live(console=console, auto_refresh=False) as live:
            for snapshot in patient(target, wait):
                live.update(Group(*shown(snapshot)), refresh=True)
                time.sleep(every)
    except KeyboardInterrupt:
        return


def patient(target: Target, wait: float) -> Iterator[Snapshot]:
    """Snapshots without end; a warehouse that goes away may come back."""
    while True:
        try:
            yield from snapshots(target, wait)
        except WarehouseError as error:
            yield {"state": "unreachable", "target": target.name, "message": str(error), "at": time.time()}


def line(snapshot: Snapshot) -> str:
    """A snapshot in one plain line, for a log."""
    at = f"{datetime.fromtimestamp(snapshot['at'], UTC):%H:%M:%S}"
    if progress := snapshot.get("progress"):
        said = [
            f"{name} {entity['rows']:,} rows, {entity['rows_per_second']:,.0f}/s{left(entity)}"
            for name, entity in progress["entities"].items()
        ]
        return f"{at} {'; '.join([*said, requests_said(progress)])}"
    if snapshot["state"] != "ready":
        return f"{at} {report.plain(snapshot['message'])}"
    said = [f"{entity['entity']} {entity['rows']:,}" for entity in snapshot["entities"] if entity["rows"]]
    return f"{at} landed: {', '.join(said) or 'nothing yet'}"


def left(entity: Snapshot) -> str:
    done = "" if entity["done"] is None else f", {entity['done']:.0%} done"
    return done + ("" if entity["seconds_left"] is None else f", {duration(entity['seconds_left'])} left")


def requests_said(progress: Snapshot) -> str:
    return (
        f"{progress['requests']:,} requests ({progress['requests_per_second']:.1f}/s of "
        f"{progress['limit_per_second']:.1f}/s), {progress['retries']:,} retried, "
        f"{progress['refused']:,} refused (429), {progress['rejected']:,} rows kept aside"
    )


def shown(snapshot: Snapshot) -> list[RenderableType]:
    """A snapshot for people, 80 columns wide."""
    if snapshot["state"] == "ready":
        return shown_warehouse(snapshot)
    message = [Text(report.plain(snapshot["message"]))]
    return [*message, *shown_progress(snapshot["progress"], snapshot["at"])] if snapshot.get("progress") else [*message]


def shown_progress(progress: Snapshot, now: float) -> list[RenderableType]:
    """A load that is under way."""
    rows = [
        (
            name,
            f"{entity['rows']:,}",
            "" if entity["done"] is None else f"{entity['done']:.0%}",
            f"{entity['rows_per_second']:,.0f}",
            "" if entity["seconds_left"] is None else duration(entity["seconds_left"]),
        )
        for name, entity in progress["entities"].items()
    ]
    found: list[RenderableType] = [
        report.table(
            f"Running for {duration(now - progress['started_at'])}", ("", "rows", "done", "rows/s", "left"), rows
        ),
        Text(requests_said(progress)),
    ]
    silent = now - progress["updated_at"]
    if silent > SILENT_SECONDS:
        found.append(Text(f"no sign of life for {duration(silent)}", style="yellow"))
    return found


def shown_warehouse(snapshot: Snapshot) -> list[RenderableType]:
    """What is landed."""
    entities = [
        entity
        for entity in snapshot["entities"]
        if entity["rows"] or entity["complete"] or entity["open_windows"] or entity["scopes"]
    ]
    landed = [
        (entity["entity"], f"{entity['rows']:,}", short(entity["first_at"]), short(entity["last_at"]))
        for entity in entities
    ]
    covered = [
        (
            entity["entity"],
            short(entity["complete"][0]["since"])[:10] if entity["complete"] else "",
            short(entity["complete"][-1]["until"]) if entity["complete"] else "",
            "" if entity["lag_seconds"] is None else duration(entity["lag_seconds"]),
            str(len(entity["gaps"])),
            str(len(entity["open_windows"])),
            str(entity["scopes"]),
        )
        for entity in entities
        if entity["complete"] or entity["open_windows"] or entity["scopes"]
    ]
    found: list[RenderableType] = []
    if not landed:
        found.append(Text(f"no rows yet (target {snapshot['target']})"))
    else:
        title = f"Landed in target {snapshot['target']} (rows, copies included; UTC)"
        found.append(report.table(title, ("", "rows", "first", "last"), landed))
    if covered:
        columns = ("", "from", "complete to", "lag", "gaps", "open", "filters")
        found.append(report.table("\nComplete without a filter (UTC)", columns, covered))
    found += missing(entities)
    payouts = snapshot["payouts"]
    found.append(
        Text(
            f"\nPayouts: {payouts['conditions']:,} conditions, {payouts['resolved']:,} resolved, "
            f"{payouts['unresolved']:,} not yet; {payouts['not_found']:,} conditions and "
            f"{payouts['tokens_not_found']:,} tokens not found"
        )
    )
    if (positions := snapshot["positions"])["wallets"]:
        found.append(Text(positions_said(positions)))
    kept = snapshot["quarantine"]
    found.append(Text(f"Kept aside: {kept['rows']:,} rows", style="yellow" if kept["rows"] else ""))
    found += [
        Text(report.plain(f"  {each['rows']:,} of {each['entity']}: {each['reason']}")) for each in kept["reasons"]
    ]
    if snapshot["runs"]:
        rows = [
            (
                short(run["started_at"])[5:],
                run["command"],
                run["state"],
                f"{run['rows']:,}",
                f"{run['requests']:,}",
                f"{run['refused']:,}",
                duration(run["seconds"]),
            )
            for run in snapshot["runs"]
        ]
        columns = ("started", "command", "state", "rows", "requests", "429", "took")
        found.append(report.table("\nLast runs (UTC)", columns, rows))
    return found


def positions_said(positions: Snapshot) -> str:
    """Of whom Polymarket's own record is landed, and when it was asked for."""
    said = f"Positions: {positions['wallets']:,} wallets"
    if positions["oldest_at"]:
        spread = "" if short(positions["oldest_at"]) == short(positions["newest_at"]) else " or later"
        said += f", as of {short(positions['oldest_at'])}{spread}"
    return said + (f"; {positions['open']:,} still open" if positions["open"] else "")


def missing(entities: list[Snapshot]) -> list[RenderableType]:
    """A line for each gap and open window, as far as there is room."""
    found = []
    for entity in entities:
        for what, spans in (("gap", entity["gaps"]), ("open", entity["open_windows"])):
            found += [f"{what}: {entity['entity']} {longer(s['since'])} to {longer(s['until'])}" for s in spans]
        if entity["open_scopes"]:
            found.append(f"open: {entity['entity']} under {entity['open_scopes']:,} of {entity['scopes']:,} filters")
    more = [f"and {len(found) - MOST_LINES:,} more; --json has all"] if len(found) > MOST_LINES else []
    return [Text(line, style="yellow") for line in found[:MOST_LINES] + more]


def short(text: str | None) -> str:
    """A moment to the minute."""
    return "" if text is None else text[:16].replace("T", " ")


def longer(text: str) -> str:
    """A moment to the second."""
    return text[:19].replace("T", " ")
