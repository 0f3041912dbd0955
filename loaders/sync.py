"""Bring everything that was ever loaded up to now: what a scheduler calls every few minutes.

load_windows tells what that is: each filter (all, a wallet, a token) under which fills, activity or trades with market
makers were loaded, the logs of the chain that were, and the wallets whose positions were. Events come first, since they
name conditions; then payouts; then positions, so that the record to reconcile with is never older than the fills.
"""

import os
from datetime import datetime
from typing import Any

from loaders import logs, payouts, positions, ranges, rpc
from loaders.entities import (
    CONVERSIONS,
    FEE_REFUNDS,
    FPMM_ADDITIONS,
    FPMM_REMOVALS,
    FPMM_TRADES,
    MERGES,
    ORDER_FILLS,
    REDEMPTIONS,
    SPLITS,
)
from loaders.events import EVENTS as LOGGED
from loaders.events import Event
from loaders.execute import Run
from loaders.pace import Pace
from loaders.ranges import Asked, Range
from loaders.subgraph import SubgraphError, Subgraphs, WrongEndpointError
from loaders.warehouse import Warehouse

AMM = (FPMM_TRADES, FPMM_ADDITIONS, FPMM_REMOVALS)
EVENTS = (ORDER_FILLS, FEE_REFUNDS, SPLITS, MERGES, REDEMPTIONS, CONVERSIONS, *AMM)


def is_anything(warehouse: Warehouse) -> bool:
    """Whether there is something to go on from."""
    known = any(warehouse.windows(entity.name) for entity in EVENTS) or bool(_begun(warehouse))
    return known or bool(positions.loaded(warehouse))


def _begun(warehouse: Warehouse) -> tuple[Event, ...]:
    """The events of which logs were loaded. Files of V2 fills are remembered too, and begin nothing."""
    return tuple(event for event in LOGGED if logs.is_begun(warehouse, event))


def remembered(warehouse: Warehouse | None, since: datetime | None) -> list[Asked]:
    """The series that were loaded before, each from where it ends; everything from `since` on where nothing was."""
    if warehouse is None or not is_anything(warehouse):
        whole = [*ranges.fills([], None), *ranges.activity([]), *ranges.amm([])] if since else []
        return [(series, Range(since, None)) for series in whole]
    known = {entity.name: warehouse.windows(entity.name) for entity in EVENTS}
    filters = dict.fromkeys(_filters(scope) for windows in known.values() for scope in windows)
    asked: list[Asked] = []
    for wallet, token in filters:
        wallets = [wallet] if wallet else []
        # A filter by token says nothing to activity.
        families = [[*ranges.fills(wallets, token), *(ranges.activity(wallets) if token is None else [])]]
        # Market makers are older than the order books: their trades go on from where they themselves were begun.
        families += [ranges.amm(wallets)] if token is None else []
        for family in families:
            begin = min((w.since for s in family for w in known[s.entity.name].get(s.scope, [])), default=None)
            for series in family if begin else []:
                is_known = series.scope in known[series.entity.name]
                asked.append((series, Range(None if is_known else begin, None)))
    return asked


def node_settings() -> rpc.Settings | None:
    """The node that POLYGON_RPC_URL names, None where it names none. Raises SettingError."""
    return rpc.Settings.from_environment() if os.environ.get("POLYGON_RPC_URL", "").strip() else None


def remembered_logs(warehouse: Warehouse | None, since: datetime | None) -> logs.Asked | None:
    """The logs that were loaded before, each from where it ends; all of them from `since` on where nothing was."""
    if warehouse is None or not is_anything(warehouse):
        return logs.Asked(LOGGED, since) if since else None
    begun = _begun(warehouse)
    return logs.Asked(begun) if begun else None


def _filters(scope: str) -> tuple[str | None, str | None]:
    """Wallet and token of a scope as ranges.py writes it; both None for everything."""
    values = dict(part.split(":", 1) for part in scope.split(",") if ":" in part)
    token = next((value for name, value in values.items() if name != "wallet"), None)
    return values.get("wallet"), token


async def load(run: Run, since: datetime | None) -> None:
    """Land what is new. A subgraph, or node, that does not answer leaves its entities open and lets the others load.

    Raises SubgraphError when no subgraph answers, SettingError when the node's settings cannot be used.
    """
    asked, wallets, node = remembered(run.warehouse, since), positions.loaded(run.warehouse), node_settings()
    of_chain = remembered_logs(run.warehouse, since)
    if asked:
        try:
            await ranges.load(run.subgraphs, run.warehouse, run.landing, asked, run.progress)
        except SubgraphError as error:
            if not run.subgraphs.heads:
                raise
            run.landing.result.open_windows.append(str(error))
        await run.landing.flush()
        is_all = any(series.scope == "" for series, _ in asked)
        await ranges.neg_risk_events(
            run.subgraphs, run.warehouse, run.landing, not is_all, run.progress.counter("NegRiskEvent")
        )
        if any(series.entity in AMM for series, _ in asked):
            tick = run.progress.counter("FixedProductMarketMaker")
            await ranges.market_makers(run.subgraphs, run.warehouse, run.landing, tick)
        await run.landing.flush()
    if of_chain:
        await _load_logs(run, node, of_chain)
    await payouts.load_named(
        run.subgraphs, run.warehouse, run.landing, payouts.Share(), run.progress.counter("Condition")
    )
    if wallets:
        await run.landing.flush()
        tick = run.progress.counter("UserPosition")
        try:
            await positions.load(run.subgraphs, run.warehouse, run.landing, wallets, tick, only_changes=True)
        except SubgraphError as error:
            run.landing.result.open_windows.append(f"UserPosition of {len(wallets):,} wallets is still open: {error}")


async def _load_logs(run: Run, settings: rpc.Settings | None, asked: logs.Asked) -> None:
    names = " and ".join(event.name for event in asked.events)
    if settings is None:
        # Whoever begins need not have a node; whoever has loaded logs misses what is new of them.
        if asked.since is None:
            run.landing.result.notes.append(f"POLYGON_RPC_URL is not set, so what is new of {names} is not loaded")
        return
    try:
        async with rpc.Node(settings, run.subgraphs.counts, Pace(settings.requests_per_second)) as node:
            await logs.load(node, run.warehouse, run.landing, asked, run.progress)
    except (SubgraphError, WrongEndpointError) as error:
        run.landing.result.open_windows.append(f"{names} is still open: {error}")
    await run.landing.flush()


async def estimate(subgraphs: Subgraphs, warehouse: Warehouse | None, since: datetime | None) -> list[dict[str, Any]]:
    """What it would ask."""
    plan = await ranges.estimate(subgraphs, warehouse, remembered(warehouse, since))
    if (settings := node_settings()) and (of_chain := remembered_logs(warehouse, since)):
        async with rpc.Node(settings, subgraphs.counts, Pace(settings.requests_per_second)) as node:
            plan += await logs.estimate(node, warehouse, of_chain)
    plan += payouts.estimate(warehouse, [], False, payouts.Share(), subgraphs.settings.requests_per_second)
    if warehouse and (wallets := positions.loaded(warehouse)):
        plan += positions.estimate(wallets)
    return plan
