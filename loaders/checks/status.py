"""What is landed, what is missing, and what is being loaded right now. Reads only, and creates nothing.

A snapshot is a plain dict, the same for `--json` and for people. While a load holds the embedded folder, it is made of
the progress file that the load writes beside the folder.
"""

import json
import re
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from loaders import embedded
from loaders.checks.coverage import Span, coverage
from loaders.entities import CONDITIONS, ENTITIES, MARKET_DATA, USER_POSITIONS
from loaders.events import EVENTS
from loaders.target import Target
from loaders.warehouse import Warehouse, opened

Snapshot = dict[str, Any]
DEAD_SECONDS = 120.0  # a run that left no sign of life in load_runs for so long has died


def snapshots(target: Target, wait: float = 0) -> Iterator[Snapshot]:
    """One after the other, without end. Raises WarehouseError where the warehouse does not answer.

    The embedded folder is opened only when somebody else had it since: who looks must not keep a load from starting.
    """
    path = embedded.folder(target.host)
    snapshot, mark = read(target, wait)
    while True:
        yield aged(snapshot)
        if path is None or mark is None or mark != lock_mark(path):
            snapshot, mark = read(target, wait)


def read(target: Target, wait: float) -> tuple[Snapshot, int | None]:
    """A snapshot, and the mark that the embedded folder's lock bore meanwhile: None where it must be read again."""
    path = embedded.folder(target.host)
    if path is not None and not path.exists():
        return nothing(target), None  # opening it would create it
    try:
        with opened(target, wait) as warehouse:
            return read_warehouse(warehouse), lock_mark(path) if path else None
    except embedded.WarehouseBusy as busy:
        assert path is not None
        return in_use(target, path, str(busy).partition(";")[0]), None


def lock_mark(path: Path) -> int | None:
    """Changes whenever a process takes the embedded folder; None before the first one did."""
    try:
        return path.with_name(path.name + ".lock").stat().st_mtime_ns
    except FileNotFoundError:
        return None


def aged(snapshot: Snapshot) -> Snapshot:
    """A snapshot as of now: what is complete falls behind while nothing else changes."""
    now = time.time()
    entities = [
        entity
        | {
            "lag_seconds": round(now - datetime.fromisoformat(entity["complete"][-1]["until"]).timestamp())
            if entity["complete"]
            else None
        }
        for entity in snapshot.get("entities", [])
    ]
    return snapshot | {"at": now} | ({"entities": entities} if "entities" in snapshot else {})


def nothing(target: Target) -> Snapshot:
    """The snapshot before the first load."""
    path = embedded.folder(target.host)
    message = f"nothing is loaded yet in {path or target.host} (target {target.name}); begin with polyledger load fills"
    return {"state": "empty", "target": target.name, "message": message}


def in_use(target: Target, path: Path, holder: str) -> Snapshot:
    """The snapshot while another process holds the embedded folder; `progress` is None when it is no load."""
    progress = read_progress(path.with_name(path.name + ".progress.json"))
    # A load that ended long ago leaves its file behind: it counts only for the process that holds the folder.
    if progress is not None and not re.search(rf"process {progress['pid']}\b", holder):
        progress = None
    state, message = "in use", f"{holder}; what is landed can be read when it is done"
    if progress is not None:
        state, message = "loading", f"{progress['command']} is running ({holder.partition(' is in use by ')[2]})"
    return {"state": state, "target": target.name, "message": message, "progress": progress}


def read_progress(file: Path) -> Snapshot | None:
    """What a load says of itself, or None where there is no such file, or one that cannot be understood."""
    try:
        given = json.loads(file.read_text())
        return {
            "run_id": str(given["run_id"]),
            "command": str(given["command"]),
            "pid": int(given["pid"]),
            "started_at": float(given["started_at"]),
            "updated_at": float(given["updated_at"]),
            "entities": {
                str(name): {
                    "rows": int(entity["rows"]),
                    "rows_per_second": float(entity["rows_per_second"]),
                    "done": number_or_none(entity.get("done")),
                    "seconds_left": number_or_none(entity.get("seconds_left")),
                }
                for name, entity in given["entities"].items()
            },
            "requests": int(given["requests"]),
            "retries": int(given["retries"]),
            "refused": int(given["refused"]),
            "requests_per_second": float(given["requests_per_second"]),
            "limit_per_second": float(given["limit_per_second"]),
            "rejected": int(given["rejected"]),
        }
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def number_or_none(value: Any) -> float | None:
    return None if value is None else float(value)


def read_warehouse(warehouse: Warehouse) -> Snapshot:
    """The snapshot of a warehouse that can be read. Raises WarehouseError."""
    there = warehouse.tables()
    if "load_windows" not in there:
        return nothing(warehouse.target)
    covered = coverage(warehouse)
    entities = []
    for entity in (*ENTITIES, *EVENTS):
        if entity.table not in there:
            continue
        # Counts and extremes are in the parts' own records, so this reads no rows. Copies are counted too: telling
        # them apart means reading every key.
        extremes = "min(timestamp), max(timestamp)" if entity.is_timed else "null, null"
        rows, first, last = warehouse.rows(f"select count(), {extremes} from {warehouse.raw}.{entity.table}")[0]
        known = covered[entity.name]
        entities.append(
            {
                "entity": entity.name,
                "rows": rows,
                "first_at": moment(first) if rows else None,
                "last_at": moment(last) if rows else None,
                "complete": [span_of(span) for span in known.complete],
                "gaps": [span_of(span) for span in known.gaps],
                "open_windows": [span_of(span) for span in known.open],
                "scopes": known.scopes,
                "open_scopes": known.open_scopes,
            }
        )
    return {
        "state": "ready",
        "target": warehouse.target.name,
        "message": None,
        "entities": entities,
        "payouts": payouts(warehouse),
        "positions": positions(warehouse),
        "quarantine": quarantine(warehouse),
        "runs": runs(warehouse) if "load_runs" in there else [],
    }


def payouts(warehouse: Warehouse) -> Snapshot:
    """How many conditions are landed and resolved, and how many ids no subgraph knows."""
    conditions, resolved = warehouse.rows(
        f"""
        select count(), countIf(resolved)
        from (
            select
                notEmpty(argMax(payout_numerators, _loaded_at))
                or argMax(payout_denominator, _loaded_at) not in ('', '0') as resolved
            from {warehouse.raw}.conditions
            group by id
        )
        """
    )[0]
    unknown = dict(
        warehouse.rows(
            f"""
            select entity, count()
            from (
                select entity, substring(scope, 4) as id, argMax(state, updated_at) as state
                from {warehouse.raw}.load_windows
                where startsWith(scope, 'id:')
                group by entity, scope
            )
            where state = 'not_found'
            and id not in (select concat('0x', lower(hex(id))) from {warehouse.raw}.conditions)
            and id not in (select toString(id) from {warehouse.raw}.market_data)
            group by entity
            """
        )
    )
    return {
        "conditions": conditions,
        "resolved": resolved,
        "unresolved": conditions - resolved,
        "not_found": unknown.get(CONDITIONS.name, 0),
        "tokens_not_found": unknown.get(MARKET_DATA.name, 0),
    }


def positions(warehouse: Warehouse) -> Snapshot:
    """Of how many wallets Polymarket's own record is landed, and between when it was asked for last."""
    wallets, still_open, oldest, newest = warehouse.rows(
        f"""
        select count(), countIf(state = 'open'), min(at), max(at)
        from (
            select
                argMax(state, l.updated_at) as state,
                maxOrNullIf(toDateTime(l.updated_at), l.state = 'complete') as at
            from {warehouse.raw}.load_windows as l
            where entity = {{entity:String}} and startsWith(scope, 'wallet:')
            group by scope
        )
        """,
        {"entity": USER_POSITIONS.name},
    )[0]
    return {"wallets": wallets, "open": still_open, "oldest_at": moment(oldest), "newest_at": moment(newest)}


def quarantine(warehouse: Warehouse) -> Snapshot:
    """Rows that were kept aside: how many, and the five most frequent reasons (without the value that was wrong)."""
    found = warehouse.rows(
        f"""
        select entity, splitByString(': ', reason)[1] as what, uniqExact(row_id, raw) as rows
        from {warehouse.raw}.rejected_rows
        group by entity, what
        order by rows desc, entity, what
        """
    )
    return {
        "rows": sum(rows for _, _, rows in found),
        "reasons": [{"entity": entity, "reason": reason, "rows": rows} for entity, reason, rows in found[:5]],
    }


def runs(warehouse: Warehouse) -> list[Snapshot]:
    """The last five runs, newest first. One that has died without a word says so."""
    names = ("command", "state", "rows", "rejected", "requests", "retries", "refused", "seconds", "host", "pid")
    newest = ", ".join(f"argMax({name}, l.updated_at) as {name}" for name in names)
    found = []
    for row in warehouse.rows(
        f"""
        select run_id, min(l.started_at) as started_at, max(l.updated_at) as last_at, {newest}
        from {warehouse.raw}.load_runs as l
        group by run_id
        order by started_at desc, run_id
        limit 5
        """
    ):
        run = dict(zip(("run_id", "started_at", "updated_at", *names), row, strict=True))
        silent = (datetime.now(UTC) - run["updated_at"].replace(tzinfo=UTC)).total_seconds()
        if run["state"] == "running" and silent > DEAD_SECONDS:
            run["state"] = "died"
        found.append(run | {"started_at": moment(run["started_at"]), "updated_at": moment(run["updated_at"])})
    return found


def moment(value: datetime | None) -> str | None:
    """A UTC moment of the warehouse as text."""
    return None if value is None else value.replace(tzinfo=UTC).isoformat()


def span_of(span: Span) -> dict[str, str]:
    return {"since": span[0].isoformat(), "until": span[1].isoformat()}
