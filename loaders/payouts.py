"""Tokens to conditions to payout vectors: what landed rows name is asked for by id, and then whatever changes.

What is landed is refreshed by what changed since the last block seen, which also shows a payout that was corrected;
where that is not known, by asking for all that is not final. Nothing is computed here; the models make integers of
what was served.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from loaders.changes import changed_since, cursor_in, remember, since_block
from loaders.entities import CONDITIONS, MARKET_DATA, Entity, Row
from loaders.loading import Landing, Result, all_of
from loaders.subgraph import (
    PAGE_SIZE,
    Filter,
    QuestionRefusedError,
    SubgraphError,
    Subgraphs,
    id_of,
    pages_by_id,
    rows_by_id,
)
from loaders.warehouse import EPOCH, Warehouse, WindowState, condition_of_question

Progress = Callable[[int], None]

# Tokens of landed fills.
TRADED_TOKENS = """
    select if(maker_asset_id = 0, taker_asset_id, maker_asset_id) as token from {raw}.order_filled_events
    union distinct
    select token_id as token from {raw}.order_filled_events_v2
"""

# Of these, what no landed registration explains.
UNKNOWN_TOKENS = f"""
    select toString(token) as id from ({TRADED_TOKENS})
    where token not in (select id from {{raw}}.market_data)
"""

# Conditions that landed rows name or that are landed themselves, but for those of `done`. `global` is for clusters,
# which would add it by themselves but for a union.
OPEN_CONDITIONS = """
    with named as (
        select condition from {raw}.market_data
        where id global in ({traded_tokens})
        union distinct
        select condition from {raw}.splits
        union distinct
        select condition from {raw}.merges
        union distinct
        select condition from {raw}.redemptions
        union distinct
        select {condition_of_question} as condition
        from (
            select neg_risk_market_id, max(question_count) as questions
            from {raw}.neg_risk_conversions group by neg_risk_market_id
        )
        array join range(questions) as question
        union distinct
        select arrayJoin(conditions) as condition from {raw}.fpmms
        union distinct
        select id as condition from {raw}.conditions
    )
    select concat('0x', lower(hex(condition))) as id from named
    where condition not in ({done})
"""
LANDED = "select id from {raw}.conditions"
RESOLVED = """
    select id from {raw}.conditions
    group by id
    having
        notEmpty(argMax(payout_numerators, _loaded_at))
        or argMax(payout_denominator, _loaded_at) not in ('', '0')
"""
NONE = "select id from {raw}.conditions limit 0"

# Payouts as landed, of these conditions, our share of them.
LANDED_PAYOUTS = """
    select
        concat('0x', lower(hex(id))) as condition,
        argMax(payout_numerators, _loaded_at),
        argMax(payout_denominator, _loaded_at)
    from {raw}.conditions
    where
        id in (select toFixedString(unhex(substring(arrayJoin({{ids:Array(String)}}), 3)), 32))
        and cityHash64(condition) % {{of:UInt32}} = {{worker:UInt32}} - 1
    group by id
"""

# Tokens of conditions that activity names, where none is known to be registered: another project's, if it stays so.
UNREGISTERED_TOKENS = """
    select distinct toString(arrayJoin(position_ids)) as id from {raw}.conditions as known
    where known.id global in (
        select condition from {raw}.splits
        union distinct
        select condition from {raw}.merges
        union distinct
        select condition from {raw}.redemptions
    )
    and known.id not in (
        select id from {raw}.conditions array join position_ids as token
        where token in (select id from {raw}.market_data)
    )
    and known.id not in (select arrayJoin(conditions) from {raw}.fpmms)
"""

# Asked for within a day, and unknown to the subgraph: not asked again yet.
ASKED_IN_VAIN = """
    select substring(scope, 4) from {raw}.load_windows
    where entity = {{entity:String}} and state = 'not_found' and updated_at > now() - interval 1 day
"""

# A stable split of the work between processes or hosts.
OWN_SHARE = "select id from ({ids}) where cityHash64(id) % {{of:UInt32}} = {{worker:UInt32}} - 1 and id not in ({vain})"


@dataclass(frozen=True)
class Share:
    """This process is worker N of M, counted from 1."""

    worker: int = 1
    of: int = 1


async def load_named(
    subgraphs: Subgraphs, warehouse: Warehouse, landing: Landing, share: Share, tick: Progress
) -> None:
    """Whatever landed rows name: tokens first, since they name conditions, then those whose payout is not known."""
    await _load_ids(subgraphs, landing, MARKET_DATA, _own(warehouse, MARKET_DATA, UNKNOWN_TOKENS, share), tick)
    await _refresh_conditions(subgraphs, warehouse, landing, share, tick)
    await _load_ids(subgraphs, landing, MARKET_DATA, _own(warehouse, MARKET_DATA, UNREGISTERED_TOKENS, share), tick)


async def _refresh_conditions(
    subgraphs: Subgraphs, warehouse: Warehouse, landing: Landing, share: Share, tick: Progress
) -> None:
    seen = cursor_in(warehouse.windows(CONDITIONS.name), _scope(share))
    ids = [] if seen else _own(warehouse, CONDITIONS, OPEN_CONDITIONS, share)
    if not seen and not ids:
        return
    try:
        head = await subgraphs.head(CONDITIONS.subgraph)
        if seen:
            block = since_block(seen, head)
            if block is None:
                done = NONE  # another deployment than the one that was asked before: resolved ones too may differ
            elif await _load_changes(subgraphs, warehouse, landing, share, block, tick):
                done = LANDED
            else:
                done = RESOLVED
            ids = _own(warehouse, CONDITIONS, OPEN_CONDITIONS, share, done)
    except SubgraphError as error:
        landing.result.open_windows.append(f"{CONDITIONS.name} is still open: {error}")
        return
    still_open = len(landing.result.open_windows)
    await _load_ids(subgraphs, landing, CONDITIONS, ids, tick)
    if len(landing.result.open_windows) == still_open:
        await remember(landing, CONDITIONS, [_scope(share)], head)


async def _load_changes(
    subgraphs: Subgraphs, warehouse: Warehouse, landing: Landing, share: Share, block: int, tick: Progress
) -> bool:
    """Payouts of landed conditions that changed since a block; false where the subgraph does not tell."""
    # Conditions are prepared and resolved; the first of the two is of no interest here.
    filters = (changed_since(block), Filter("payoutDenominator_gt", "BigInt!", "0"))
    try:
        async for rows in pages_by_id(subgraphs, CONDITIONS, filters=filters):
            served = {row["id"]: row for row in rows if _is_condition(row)}
            known = _landed_payouts(warehouse, list(served), share)
            changed = [row for condition, row in served.items() if known.get(condition, _payout(row)) != _payout(row)]
            if changed:
                await landing.add(CONDITIONS, changed)
                await landing.flush()  # the warehouse is asked again for the next page
                tick(len(changed))
    except QuestionRefusedError:
        return False
    return True


def _is_condition(row: Any) -> bool:
    return isinstance(row, dict) and isinstance(row.get("id"), str) and bool(re.fullmatch("0x[0-9a-f]{64}", row["id"]))


def _landed_payouts(warehouse: Warehouse, ids: list[str], share: Share) -> dict[str, tuple[list[str], str]]:
    values = {"ids": ids, "worker": share.worker, "of": share.of}
    found = warehouse.rows(LANDED_PAYOUTS.format(raw=warehouse.raw), values) if ids else []
    return {condition: (list(numerators), denominator) for condition, numerators, denominator in found}


def _payout(row: Row) -> tuple[list[str], str]:
    numerators = row.get("payoutNumerators")
    return [str(one) for one in numerators] if isinstance(numerators, list) else [], str(row.get("payoutDenominator"))


def _scope(share: Share) -> str:
    return f"named:{share.worker}/{share.of}"


def note_not_found(result: Result) -> None:
    """Say in the report what the subgraphs do not know."""
    if unknown := result.not_found.get(CONDITIONS.name):
        result.notes.append(
            f"{unknown:,} conditions are unknown to the pnl subgraph (another project's, most "
            "likely); they are remembered as not found and asked for again after a day"
        )
    if unknown := result.not_found.get(MARKET_DATA.name):
        result.notes.append(
            f"{unknown:,} tokens are registered on no exchange; activity in their conditions is not "
            "counted as Polymarket's, unless fills are landed there"
        )


async def load_conditions(subgraphs: Subgraphs, landing: Landing, ids: list[str], tick: Progress) -> None:
    """The given conditions, whatever is known of them."""
    await _load_ids(subgraphs, landing, CONDITIONS, ids, tick)


async def load_all(subgraphs: Subgraphs, warehouse: Warehouse, landing: Landing, share: Share, tick: Progress) -> None:
    """Every condition and every registered token that the subgraphs have, by id."""
    hex_bounds = [f"0x{16**8 * k // share.of:08x}" for k in range(1, share.of)]
    decimal_bounds = [str(10**6 + 9 * 10**6 * k // share.of) for k in range(1, share.of)]
    await all_of(
        _load_all(subgraphs, warehouse, landing, CONDITIONS, share, hex_bounds, tick),
        _load_all(subgraphs, warehouse, landing, MARKET_DATA, share, decimal_bounds, tick),
    )


async def _load_all(
    subgraphs: Subgraphs,
    warehouse: Warehouse,
    landing: Landing,
    entity: Entity,
    share: Share,
    bounds: list[str],
    tick: Progress,
) -> None:
    scope = f"all:{share.worker}/{share.of}"
    start, below = ["", *bounds][share.worker - 1], [*bounds, None][share.worker - 1]
    known = warehouse.windows(entity.name).get(scope, [])
    # A pass that was cut short is continued; a complete one is begun anew, since payouts change.
    cursor = known[0].cursor if known and known[0].state == "open" else ""
    window = WindowState(entity.name, scope, EPOCH, EPOCH, cursor)
    try:
        async for rows in pages_by_id(subgraphs, entity, max(cursor, start), below):
            window = replace(window, cursor=max(filter(None, map(id_of, rows)), default=window.cursor))
            await landing.add(entity, rows, [window])
            tick(len(rows))
        await landing.add(entity, [], [replace(window, state="complete")])
    except SubgraphError as error:
        landing.result.open_windows.append(f"{entity.name} {scope} is still open: {error}")


def _own(warehouse: Warehouse, entity: Entity, query: str, share: Share, done: str = RESOLVED) -> list[str]:
    raw, vain = warehouse.raw, ASKED_IN_VAIN.format(raw=warehouse.raw)
    condition = condition_of_question("neg_risk_market_id", "question")
    tokens = TRADED_TOKENS.format(raw=raw)
    ids = query.format(raw=raw, traded_tokens=tokens, condition_of_question=condition, done=done.format(raw=raw))
    values = {"worker": share.worker, "of": share.of, "entity": entity.name}
    return [row[0] for row in warehouse.rows(OWN_SHARE.format(ids=ids, vain=vain), values)]


async def _load_ids(subgraphs: Subgraphs, landing: Landing, entity: Entity, ids: list[str], tick: Progress) -> None:
    batches = [ids[i : i + PAGE_SIZE] for i in range(0, len(ids), PAGE_SIZE)]
    await all_of(*(_load_batch(subgraphs, landing, entity, batch, tick) for batch in batches))
    # What is asked for next depends on what is landed now.
    await landing.flush()


async def _load_batch(subgraphs: Subgraphs, landing: Landing, entity: Entity, ids: list[str], tick: Progress) -> None:
    try:
        rows = await rows_by_id(subgraphs, entity, ids)
    except SubgraphError as error:
        landing.result.open_windows.append(f"{len(ids):,} {entity.many} were not answered: {error}")
        return
    await landing.add(entity, rows)
    missing = set(ids).difference(filter(None, map(id_of, rows)))
    landing.result.not_found[entity.name] += len(missing)
    vain = [WindowState(entity.name, f"id:{one}", EPOCH, EPOCH, state="not_found") for one in sorted(missing)]
    await landing.add(entity, [], vain)
    tick(len(rows))


def estimate(
    warehouse: Warehouse | None, conditions: list[str], everything: bool, share: Share, requests_per_second: float
) -> list[dict[str, Any]]:
    """What a load would ask, as far as what is landed tells."""
    if everything:
        what = "every condition and token, by id"
        return [
            {
                "entity": entity.name,
                "scope": f"all:{share.worker}/{share.of}",
                "what": what,
                "requests": None,
                "seconds": None,
            }
            for entity in (CONDITIONS, MARKET_DATA)
        ]
    counts = {CONDITIONS: len(conditions)}
    plan: list[dict[str, Any]] = []
    if warehouse and not conditions:
        seen = cursor_in(warehouse.windows(CONDITIONS.name), _scope(share))
        counts = {
            MARKET_DATA: len(_own(warehouse, MARKET_DATA, UNKNOWN_TOKENS, share)),
            CONDITIONS: len(_own(warehouse, CONDITIONS, OPEN_CONDITIONS, share, LANDED if seen else RESOLVED)),
        }
        if seen:
            what = f"payouts that changed since block {seen.partition(':')[0]}"
            plan = [{"entity": CONDITIONS.name, "scope": "", "what": what, "requests": None, "seconds": None}]
    return plan + [
        {
            "entity": entity.name,
            "scope": "",
            "what": f"{count:,} ids",
            "requests": -(-count // PAGE_SIZE),
            "seconds": -(-count // PAGE_SIZE) / requests_per_second,
        }
        for entity, count in counts.items()
        if count
    ]
