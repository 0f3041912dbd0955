"""Before a run: is everything there that it needs? Each check says what it found and what to do about a failure.

The endpoint and the project are looked at here, the warehouse in doctor_warehouse.py. One failing thing never hides the
others.
"""

import asyncio
import os
import pkgutil
import statistics
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

import httpx
import yaml

from loaders import embedded, rpc
from loaders.checks import probe, report
from loaders.checks.doctor_warehouse import check_warehouse, clock, is_loopback
from loaders.checks.probe import Answer, Probe
from loaders.checks.report import Check, duration
from loaders.entities import V1_END
from loaders.events import ORDER_FILLS_V2
from loaders.loading import batch_rows
from loaders.logs import CONFIRMATIONS
from loaders.pace import Pace
from loaders.subgraph import Counts, SettingError, Settings, WrongEndpointError
from loaders.target import Target, TargetError, project_folder, read_target
from loaders.warehouse import WarehouseError

LAG_SECONDS = 3600.0  # of a subgraph's head, or a node's
NODE_TRIES = 4  # of a question to a node: whoever asks before a run wants to know soon


def examine(
    target_name: str | None, profiles_dir: Path | None, since: datetime | None, until: datetime | None, wait: float
) -> list[Check]:
    """All checks, for a load of the range [since, until). Waits `wait` seconds for a warehouse that is in use."""
    checks: list[Check] = []
    targets: list[Target] = []

    def try_out(name: str, look: Callable[..., Check | list[Check]], *given: Any) -> None:
        try:
            found = look(*given)
            checks.extend(found if isinstance(found, list) else [found])
        except (WarehouseError, SettingError, TargetError) as error:
            checks.append(Check(name, "fail", str(error), "mend what the message names, then run doctor again"))
        except Exception as error:  # whatever it is, the other checks are still worth having
            checks.append(Check(name, "fail", f"{type(error).__name__}: {error}", "this was not foreseen: report it"))

    def check_profile() -> Check:
        targets.append(read_target(target_name, profiles_dir))
        return Check("profile", "ok", f"target {targets[0].name}: {targets[0].host}")

    try_out("settings", check_settings)
    try_out("endpoint", check_endpoint, since, until, try_out)
    try_out("node", check_node)
    try_out("profile", check_profile)
    for target in targets:
        try_out("dbt project", check_project, target, profiles_dir)
        try_out("warehouse", check_warehouse, target, wait, try_out)
    if not targets:
        checks += [Check(name, "skipped", "the target is not known") for name in ("dbt project", "warehouse")]
    return checks


def show(checks: list[Check], as_json: bool) -> bool:
    """Print the checks; whether none of them failed."""
    lines = ((check.verdict, check.name, check.found, check.do) for check in checks)
    return report.show_checks(checks, lines, as_json)


# Settings and project


def check_settings() -> Check:
    """Whether the environment variables can be used."""
    settings, batch = Settings.from_environment(), batch_rows()
    return Check(
        "settings",
        "ok",
        f"{settings.base_url}: {settings.requests_per_second:g} requests/s at most, {settings.concurrency} at once, "
        f"batches of {batch:,} rows",
    )


def check_project(target: Target, profiles_dir: Path | None) -> Check:
    """Whether `dbt build` would find the project, and work on the warehouse that the loaders fill."""
    name, folder = "dbt project", project_folder()
    file = folder / "dbt_project.yml"
    if not file.is_file():
        return Check(name, "fail", f"no dbt_project.yml in {folder}", "run this in the project's folder")
    profile = (yaml.safe_load(file.read_text()) or {}).get("profile")
    if profile != "polyledger":
        return Check(
            name, "fail", f"{file} uses the profile {profile!r}", "the loaders read the profile polyledger: name that"
        )
    installed = {package.metadata["Name"]: package.version for package in metadata.distributions()}
    lost = [package for package in ("dbt-core", "dbt-clickhouse") if package not in installed]
    if lost:
        return Check(name, "fail", f"{' and '.join(lost)} not installed", "install the project with its dependencies")
    if target != read_target(os.environ.get("DBT_TARGET")):
        options = f"--target {target.name}" + (f" --profiles-dir {profiles_dir}" if profiles_dir else "")
        found = f"dbt by itself would not use the target {target.name} that was named here"
        return Check(name, "warn", found, f"call it as dbt build {options}")
    # As dbt itself looks for plugins; without this one it takes chdb:.. for the name of a server.
    if embedded.folder(target.host) and not any(module.name == "dbt_chdb" for module in pkgutil.iter_modules()):
        return Check(name, "fail", "dbt would not find dbt_chdb", "install the project again: pip install -e .")
    versions = f"dbt {installed['dbt-core']}, dbt-clickhouse {installed['dbt-clickhouse']}"
    return Check(name, "ok", f"{folder}, target {target.name} ({versions})")


# Endpoint


def check_endpoint(since: datetime | None, until: datetime | None, try_out: Callable[..., None]) -> list[Check]:
    """Everything that can be seen from outside of the subgraphs."""
    try:
        settings = Settings.from_environment()
    except SettingError:
        return [Check("endpoint", "skipped", "the settings cannot be used")]
    seen = asyncio.run(probe.look(settings))
    answered = [answer for answer in seen.answers if answer.status]
    if not answered:
        problem = next(iter(seen.heads.values())).problem
        do = "check the network, and GOLDSKY_BASE_URL"
        return [Check("endpoint", "fail", f"{settings.base_url} does not answer: {problem}", do)]
    try_out("endpoint", reachable, settings, answered)
    try_out("token", token_accepted, settings, answered)
    for name, head in seen.heads.items():
        try_out(f"{name} schema", schema_of, name, settings, seen)
        try_out(f"{name} head", head_of, name, settings, head)
    try_out("range", range_known, seen.heads, since, until)
    try_out("limit", limit_met, settings, seen)
    try_out("clock", endpoint_clock, answered)
    return []


def reachable(settings: Settings, answered: list[Answer]) -> Check:
    """Whether subgraphs answer at the address, and how quickly."""
    seconds = [answer.seconds for answer in answered if answer.data]
    if seconds:
        middle, slowest = 1000 * statistics.median(seconds), 1000 * max(seconds)
        return Check("endpoint", "ok", f"answers in {middle:,.0f} ms (median; slowest {slowest:,.0f} ms)")
    do = "check GOLDSKY_BASE_URL"
    if any(answer.status >= 500 for answer in answered):
        do = "the endpoint is in trouble: try again later"
    return Check("endpoint", "fail", f"{settings.base_url}: {probe.problems(answered)}", do)


def token_accepted(settings: Settings, answered: list[Answer]) -> Check:
    """Whether the endpoint lets us in. The token itself is never shown."""
    if any(answer.status in (401, 403) for answer in answered):
        given = "the one that is set" if settings.token else "none is set"
        do = "set GOLDSKY_API_TOKEN to a token of this project's endpoint"
        return Check("token", "fail", f"access is refused ({probe.problems(answered)}); {given}", do)
    if not settings.token:
        return Check("token", "ok", "none is set, and none is asked for")
    url = httpx.URL(settings.base_url)
    if url.scheme == "http" and not is_loopback(url.host):
        return Check("token", "warn", "accepted, and sent unencrypted", "use https:// in GOLDSKY_BASE_URL")
    return Check("token", "ok", "accepted")


def schema_of(name: str, settings: Settings, seen: Probe) -> Check:
    """Whether a subgraph has what the loaders ask it for."""
    title, missing = f"{name} schema", seen.missing.get(name)
    if missing is None:
        return Check(title, "skipped", "the subgraph does not answer")
    variable = variable_of(name)
    if isinstance(missing, str):
        return Check(title, "fail", f"introspection is answered with {missing}", f"try again; else check {variable}")
    if missing:
        do = f"it is not the version that the loaders know: check {variable}, or update polyledger"
        return Check(title, "fail", f"{settings.versions[name]}: {'; '.join(missing)}", do)
    return Check(title, "ok", f"{settings.versions[name]} has all that is asked for")


def head_of(name: str, settings: Settings, answer: Answer) -> Check:
    """How far a subgraph is indexed."""
    title = f"{name} head"
    if not answer.data or not answer.data.get("_meta"):
        found = f"{settings.versions[name]}: {answer.problem or 'an answer without _meta'}"
        do = f"check {variable_of(name)}" if answer.status in (200, 404) else "see endpoint and token"
        return Check(title, "fail", found, do)
    meta = answer.data["_meta"]
    block, moment = meta.get("block") or {}, head_time(answer)
    found = f"block {block.get('number', 0):,}"
    if meta.get("hasIndexingErrors"):
        do = "it stopped there, or what it serves is incomplete: rows after the head come when it is repaired"
        return Check(title, "warn", f"{found}: the subgraph reports indexing errors", do)
    if moment is None:
        return Check(title, "warn", f"{found}, time not told", "give loads an --until that is surely indexed")
    lag = time.time() - moment.timestamp()
    found += f", {duration(lag)} behind"
    if lag > LAG_SECONDS:
        found += f": indexed up to {moment:%Y-%m-%d %H:%M:%S} UTC"
        return Check(title, "warn", found, "loads end there; what is newer comes with a later run")
    return Check(title, "ok", found)


def head_time(answer: Answer) -> datetime | None:
    """When the last indexed block was made, where the subgraph tells."""
    block = ((answer.data or {}).get("_meta") or {}).get("block") or {}
    return datetime.fromtimestamp(int(block["timestamp"]), UTC) if block.get("timestamp") else None


def range_known(heads: dict[str, Answer], since: datetime | None, until: datetime | None) -> Check:
    """Whether the asked range ends before the head, and before the subgraphs became incomplete."""
    known = {name: moment for name, head in heads.items() if (moment := head_time(head))}
    if not known:
        return Check("range", "skipped", "no head is known")
    last = min(known, key=lambda name: known[name])
    end = until or max(known.values())
    asked = f"{since:%Y-%m-%d %H:%M:%S} to " if since else "up to "
    asked += f"{end:%Y-%m-%d %H:%M:%S} UTC" + ("" if until else " (the head)")
    wrong, do = [], []
    if since and since > known[last]:
        wrong.append(f"it begins after the head of {last}, so there is nothing to load yet")
        do.append("run it later")
    elif end > known[last] and until:
        wrong.append(f"{last} is indexed up to {known[last]:%Y-%m-%d %H:%M:%S} UTC only")
        do.append("run the same load again later; it ends at the head until then")
    if end > V1_END:
        wrong.append(f"from {V1_END:%Y-%m-%d %H:%M} UTC on (Polymarket's V2) the public subgraphs are incomplete")
        do.append(f"for complete rows only: --until {V1_END:%Y-%m-%dT%H:%M:%S}")
    if wrong:
        return Check("range", "warn", f"{asked}: {'; '.join(wrong)}", "; ".join(do))
    return Check("range", "ok", f"{asked}: indexed, and before the V1 era's end")


def limit_met(settings: Settings, seen: Probe) -> Check:
    """How many requests the endpoint refuses at the configured rate."""
    if not seen.burst:
        return Check("limit", "skipped", "no subgraph answers")
    refused = sum(answer.status == 429 for answer in seen.answers)
    found = (
        f"{len(seen.burst)} requests at the configured {settings.requests_per_second:g}/s: "
        f"{sum(answer.status == 429 for answer in seen.burst)} refused (429)"
    )
    others = probe.problems(answer for answer in seen.burst if answer.status != 429)
    if others:
        return Check(
            "limit", "warn", f"{found}, {others}", "the endpoint is in trouble: loads try again, and take longer"
        )
    if refused:
        do = "loads slow down by themselves; if it stays so, set a lower GOLDSKY_REQUESTS_PER_SECOND"
        return Check("limit", "warn", f"{found}, {refused} of all {len(seen.answers)} requests", do)
    return Check("limit", "ok", found)


def endpoint_clock(answered: list[Answer]) -> Check:
    """Whether the local clock agrees with that of the endpoint."""
    ahead = [answer.clock_ahead for answer in answered if answer.clock_ahead is not None]
    if not ahead:
        return Check("clock", "skipped", "the endpoint does not tell the time")
    return clock("clock", statistics.median(ahead), "the endpoint")


# Node


def check_node() -> Check:
    """Whether `load logs` can use the node that is set, of Polygon and with logs. No more than its host is shown."""
    name = "node"
    if not os.environ.get("POLYGON_RPC_URL", "").strip():
        return Check(name, "skipped", "POLYGON_RPC_URL is not set: no logs of the chain, so no fills of V2")
    settings = rpc.Settings.from_environment()
    settings = replace(settings, timeout=min(settings.timeout, probe.LONGEST_TIMEOUT))
    try:
        head, final = asyncio.run(_blocks_of(settings))
    except (rpc.NodeError, WrongEndpointError) as error:
        return Check(name, "fail", str(error), "mend that; everything but logs of the chain is loaded without it")
    old = time.time() - final.time
    found = f"{settings.host}: a node of Polygon at block {head:,}, with final logs up to {duration(old)} ago"
    if old > LAG_SECONDS:
        do = "it is behind, so loads end there; what is newer comes with a later run, or from another node"
        return Check(name, "warn", found, do)
    url = httpx.URL(settings.url)
    if url.scheme == "http" and not is_loopback(url.host):
        return Check(name, "warn", f"{found}; its address is sent unencrypted", "use https:// in POLYGON_RPC_URL")
    return Check(name, "ok", found)


async def _blocks_of(settings: rpc.Settings) -> tuple[int, rpc.Block]:
    """Number of the node's newest block, and the newest that a load would land, of which it was asked for logs."""
    async with rpc.Node(settings, Counts(), Pace(settings.requests_per_second), NODE_TRIES) as node:
        head = await node.head()
        final = max(head - CONFIRMATIONS, 1)
        logs = await node.logs(final, final, ORDER_FILLS_V2.addresses, ORDER_FILLS_V2.topic)
        return head, logs.last


def variable_of(subgraph: str) -> str:
    """The environment variable that names a subgraph's version."""
    return f"GOLDSKY_{subgraph.upper().replace('-', '_')}_SUBGRAPH"
