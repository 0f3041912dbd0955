"""Events by time: which series a command loads, in what range, up to where the subgraph is indexed."""

import asyncio
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from loaders.changes import cursor_in, pages_since, remember, since_block
from loaders.engine import Engine, Job
from loaders.entities import (
    ACTIVITY_START,
    CONVERSIONS,
    FEE_REFUNDS,
    FPMM_ADDITIONS,
    FPMM_REMOVALS,
    FPMM_TRADES,
    FPMMS,
    MERGES,
    NEG_RISK_EVENTS,
    ORDER_FILLS,
    REDEMPTIONS,
    SPLITS,
    V1_END,
    V1_START,
    Entity,
)
from loaders.loading import Landing, Series, default_since, last_second, plan
from loaders.progress import Progress
from loaders.subgraph import (
    PAGE_SIZE,
    Filter,
    Head,
    SubgraphError,
    Subgraphs,
    id_of,
    position,
    rows_by_id,
    timed_pages,
)
from loaders.warehouse import EPOCH, Warehouse, Windows, WindowState

__all__ = [
    "Asked",
    "Range",
    "Series",
    "activity",
    "amm",
    "estimate",
    "fills",
    "load",
    "market_makers",
    "neg_risk_events",
]

MOST_WALLETS = 100  # in one question
NOT_FINAL = timedelta(minutes=10)  # blocks may be reorganised for about as long


@dataclass(frozen=True)
class Range:
    """What was asked for; None means: from the last complete moment, to what is indexed by now."""

    since: datetime | None
    until: datetime | None


Asked = tuple[Series, Range]


def fills(wallets: list[str], token: str | None) -> list[Series]:
    """Order fills and fee refunds, of all or of some wallets and one token."""
    series = []
    for wallet in wallets or [None]:  # type: ignore[list-item]
        fill_filters = _wallet_filter("maker", wallet)
        refund_filters = _wallet_filter("refundee", wallet)
        scope = f"wallet:{wallet}" if wallet else ""
        if token is None:
            series.append(Series(ORDER_FILLS, scope, fill_filters))
            series.append(Series(FEE_REFUNDS, scope, refund_filters))
            continue
        # A buy receives the token and a sell gives it: two filters, so two series.
        prefix = f"{scope}," if scope else ""
        for side in ("makerAssetId", "takerAssetId"):
            also = (*fill_filters, Filter(side, "String!", token))
            series.append(Series(ORDER_FILLS, f"{prefix}{side}:{token}", also))
        # A refund in collateral (of a sell) does not name the token, so all of those come along.
        also = (*refund_filters, Filter("tokenId_in", "[String!]!", [token, "0"]))
        series.append(Series(FEE_REFUNDS, f"{prefix}token:{token}", also))
    return series


def activity(wallets: list[str]) -> list[Series]:
    """Splits, merges, redemptions and conversions, of all or of some wallets."""
    return _by_wallet(wallets, (SPLITS, MERGES, REDEMPTIONS, CONVERSIONS))


def amm(wallets: list[str]) -> list[Series]:
    """Trades with automated market makers, liquidity added and removed, of all or of some wallets."""
    return _by_wallet(wallets, (FPMM_TRADES, FPMM_ADDITIONS, FPMM_REMOVALS))


def _by_wallet(wallets: list[str], entities: tuple[Entity, ...]) -> list[Series]:
    return [
        Series(entity, f"wallet:{wallet}" if wallet else "", _wallet_filter(str(entity.wallet_field), wallet))
        for wallet in wallets or [None]  # type: ignore[list-item]
        for entity in entities
    ]


def _wallet_filter(field: str, wallet: str | None) -> tuple[Filter, ...]:
    return (Filter(field, "String!", wallet),) if wallet else ()


async def load(
    subgraphs: Subgraphs, warehouse: Warehouse, landing: Landing, asked: list[Asked], progress: Progress
) -> None:
    """Load what is missing of each series. Raises SubgraphError, after the rest, when a subgraph does not answer."""
    heads, failure = await _heads(subgraphs, asked)
    for name, head in heads.items():
        # Under the same range there is one note, however many series it has.
        ranges = {given for series, given in asked if series.entity.subgraph == name}
        landing.result.notes += dict.fromkeys(note for given in ranges for note in _head_notes(name, head, given))
    if max(given.until or max(map(last_second, heads.values())) for _, given in asked) > V1_END:
        landing.result.notes.append(
            f"the range passes {V1_END:%Y-%m-%d %H:%M} UTC, when Polymarket moved to V2: "
            "from then on the public subgraphs are incomplete, and so is what is landed"
        )
    known, final = _known(warehouse, asked), datetime.now(UTC) - NOT_FINAL
    jobs: list[Job] = []
    for one, given in asked:
        if one.entity.subgraph not in heads:
            continue
        head = heads[one.entity.subgraph]
        if undone := _undone(known[one.entity.name].get(one.scope, []), head):
            await landing.add(one.entity, [], undone)
            await landing.flush()
            known = _known(warehouse, asked)
            landing.result.notes.append(
                f"the {one.entity.subgraph} subgraph went back to {last_second(head):%Y-%m-%d %H:%M:%S} UTC; "
                f"{one.entity.name} after that moment is read anew"
            )
        jobs += _jobs(one, _missing(known[one.entity.name], one, head, given), final)
    jobs = list(_together(jobs))
    for job in jobs:
        job.tick = progress.window(job.series.entity.name, job.until - job.reached)
    await Engine(subgraphs, landing).run(jobs)
    if failure:
        raise failure


async def _heads(subgraphs: Subgraphs, asked: list[Asked]) -> tuple[dict[str, Head], SubgraphError | None]:
    """Heads by subgraph, and what those that do not answer leave open. Raises SubgraphError when none does."""
    entities: dict[str, list[str]] = {}
    for series, _ in asked:
        entities.setdefault(series.entity.subgraph, []).append(series.entity.name)
    answers = await asyncio.gather(*map(subgraphs.head, entities), return_exceptions=True)
    heads = {name: answer for name, answer in zip(entities, answers, strict=True) if isinstance(answer, Head)}
    failures = []
    for name, answer in zip(entities, answers, strict=True):
        if isinstance(answer, BaseException):
            if not heads or not isinstance(answer, SubgraphError):
                raise answer
            failures.append(f"{', '.join(dict.fromkeys(entities[name]))} is still open: {answer}")
    return heads, SubgraphError("; ".join(failures)) if failures else None


def _known(warehouse: Warehouse | None, asked: list[Asked]) -> dict[str, Windows]:
    """What is remembered of each entity, by scope."""
    names = dict.fromkeys(series.entity.name for series, _ in asked)
    return {name: warehouse.windows(name) if warehouse else {} for name in names}


def _undone(windows: list[WindowState], head: Head) -> list[WindowState]:
    """What a head that went backwards (a reorg, a new deployment) makes of windows recorded beyond it."""
    end, states = last_second(head), []
    for window in windows:
        if window.state in ("open", "complete") and window.until > end:
            states.append(replace(window, state="split"))
            if window.since < end and window.state == "complete":
                states.append(replace(window, until=end))
    return states if head.time is not None else []


def _jobs(series: Series, windows: list[WindowState], final: datetime) -> Iterator[Job]:
    """Work for the engine. Blocks younger than `final` may still change: they are read, and read again next time."""
    end = int(final.timestamp())
    for window in windows:
        since, until = int(window.since.timestamp()), int(window.until.timestamp())
        if since < end < until:
            yield Job(series, since, end, window.cursor)
            yield Job(series, end, until, is_recorded=False)
        else:
            yield Job(series, since, until, window.cursor, is_recorded=until <= end)


def _together(jobs: list[Job]) -> Iterator[Job]:
    """The same work, but what is not recorded of many wallets, and of one range, is asked for in one question."""
    shared: dict[tuple[Entity, int, int], list[str]] = {}
    for job in jobs:
        wallet = re.fullmatch("wallet:(0x[0-9a-f]{40})", job.series.scope)
        if wallet and not job.is_recorded:
            shared.setdefault((job.series.entity, job.since, job.until), []).append(wallet[1])
        else:
            yield job
    for (entity, since, until), wallets in shared.items():
        for start in range(0, len(wallets), MOST_WALLETS):
            some = wallets[start : start + MOST_WALLETS]
            only = (Filter(f"{entity.wallet_field}_in", "[String!]!", some),)
            yield Job(Series(entity, f"of {len(some):,} wallets", only), since, until, is_recorded=False)


def _missing(windows: Windows, series: Series, head: Head, given: Range) -> list[WindowState]:
    known = list(windows.get(series.scope, []))
    # Conditional tokens and market makers are older than the order books.
    first = ACTIVITY_START if series.entity.subgraph in ("activity", "fpmm") else V1_START
    since = given.since or default_since(known, first)
    until = min(given.until or last_second(head), last_second(head))
    if series.scope:
        # What is loaded of all wallets and tokens is loaded of each.
        known += [window for window in windows.get("", []) if window.state == "complete"]
    # Without a range, what an earlier load left open is continued, but the time between is not asked for.
    return plan(series, since, until, known, given.since or EPOCH)


def _head_notes(name: str, head: Head, given: Range) -> list[str]:
    notes = []
    end = last_second(head)
    if head.time is not None and given.since and given.since >= end:
        notes.append(
            f"the {name} subgraph is indexed up to {end:%Y-%m-%d %H:%M:%S} UTC, before the range begins; "
            "it is loaded by the same command later"
        )
    elif head.time is not None and given.until and given.until > end:
        notes.append(
            f"the {name} subgraph is indexed up to {end:%Y-%m-%d %H:%M:%S} UTC; the range ends there, "
            "and the rest is loaded by the same command later"
        )
    if head.has_indexing_errors:
        notes.append(f"the {name} subgraph reports indexing errors: what it serves may be incomplete")
    return notes


async def neg_risk_events(
    subgraphs: Subgraphs, warehouse: Warehouse, landing: Landing, only_converted: bool, tick: Callable[[int], None]
) -> None:
    """Neg-risk events have no time: all of them (then what changes), or those that landed conversions name."""
    head = subgraphs.heads.get(NEG_RISK_EVENTS.subgraph)
    try:
        if head is None:
            head = await subgraphs.head(NEG_RISK_EVENTS.subgraph)
        if not only_converted:
            cursor = cursor_in(warehouse.windows(NEG_RISK_EVENTS.name), "all")
            block = since_block(cursor, head)
            async for rows in pages_since(subgraphs, NEG_RISK_EVENTS, block):
                await landing.add(NEG_RISK_EVENTS, rows)
                tick(len(rows))
            await remember(landing, NEG_RISK_EVENTS, ["all"], head)
            return
        found = warehouse.rows(
            f"select distinct concat('0x', lower(hex(neg_risk_market_id))) from {warehouse.raw}.neg_risk_conversions"
        )
        ids = [row[0] for row in found]
        for start in range(0, len(ids), PAGE_SIZE):
            rows = await rows_by_id(subgraphs, NEG_RISK_EVENTS, ids[start : start + PAGE_SIZE])
            await landing.add(NEG_RISK_EVENTS, rows)
            tick(len(rows))
    except SubgraphError as error:
        landing.result.open_windows.append(f"{NEG_RISK_EVENTS.name} is still open: {error}")


UNKNOWN_MARKET_MAKERS = """
    select distinct concat('0x', lower(hex(pool))) from (
        select market as pool from {raw}.fpmm_transactions
        union distinct
        select fpmm as pool from {raw}.fpmm_funding_additions
        union distinct
        select fpmm as pool from {raw}.fpmm_funding_removals
    )
    where pool not in (select id from {raw}.fpmms)
"""


async def market_makers(
    subgraphs: Subgraphs, warehouse: Warehouse, landing: Landing, tick: Callable[[int], None]
) -> None:
    """The market makers that landed trades and liquidity name. What is kept of them never changes."""
    ids = [row[0] for row in warehouse.rows(UNKNOWN_MARKET_MAKERS.format(raw=warehouse.raw))]
    try:
        for start in range(0, len(ids), PAGE_SIZE):
            some = ids[start : start + PAGE_SIZE]
            rows = await rows_by_id(subgraphs, FPMMS, some)
            await landing.add(FPMMS, rows)
            tick(len(rows))
            landing.result.not_found[FPMMS.name] += len(set(some).difference(filter(None, map(id_of, rows))))
    except SubgraphError as error:
        landing.result.open_windows.append(f"{FPMMS.name} is still open: {error}")
        return
    if unknown := landing.result.not_found[FPMMS.name]:
        landing.result.notes.append(
            f"{unknown:,} market makers are unknown to the fpmm subgraph: their trades belong to no condition"
        )


async def estimate(subgraphs: Subgraphs, warehouse: Warehouse | None, asked: list[Asked]) -> list[dict[str, Any]]:
    """What a load would ask: one page of each window is looked at, and its density taken for the whole."""
    plans, known = [], _known(warehouse, asked)
    for one, given in asked:
        head = await subgraphs.head(one.entity.subgraph)
        for window in _missing(known[one.entity.name], one, head, given):
            since, until = int(window.since.timestamp()), int(window.until.timestamp())
            pages = timed_pages(subgraphs, one.entity, since, until, window.cursor, one.filters)
            rows = await anext(pages)
            stamps = [p[0] for p in map(position, rows) if p]
            requests = 1
            if len(rows) == PAGE_SIZE and stamps:
                requests = 1 + round((until - stamps[0]) / max(stamps[-1] - stamps[0], 1))
            plans.append(
                {
                    "entity": one.entity.name,
                    "scope": one.scope,
                    "since": window.since.isoformat(),
                    "until": window.until.isoformat(),
                    "what": f"{window.since:%Y-%m-%d %H:%M:%S} to {window.until:%Y-%m-%d %H:%M:%S} UTC",
                    "requests": requests,
                    "seconds": requests / subgraphs.settings.requests_per_second,
                }
            )
    return plans
