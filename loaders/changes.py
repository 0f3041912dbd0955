"""What changed since it was asked last. State (conditions, positions, neg-risk events) has no time, but blocks.

load_windows remembers for each of them the block up to which all changes are landed, as `block:unix time:deployment`.
"""

import contextlib
from collections.abc import AsyncIterator, Iterable

from loaders.entities import Entity, Row
from loaders.loading import Landing
from loaders.subgraph import Filter, Head, QuestionRefusedError, Subgraphs, pages_by_id
from loaders.warehouse import EPOCH, Windows, WindowState

REORG_BLOCKS = 300  # asked for again: ten minutes of Polygon, as long as blocks may be reorganised


def changed_since(block: int) -> Filter:
    """Only what changed in this block or later."""
    return Filter("_change_block", "BlockChangedFilter!", {"number_gte": block})


def cursor_in(windows: Windows, scope: str) -> str:
    """What is remembered of a state; empty where it was never asked for, or not to the end."""
    return windows[scope][0].cursor if scope in windows else ""


def since_block(cursor: str, head: Head) -> int | None:
    """The first block whose changes may be missing; None where all must be asked for, changed or not."""
    block, _, rest = cursor.partition(":")
    deployment = rest.partition(":")[2]
    if not block.isdecimal() or not deployment or deployment != head.deployment:
        return None  # never asked for, or deployed anew since: the state may be another one
    return max(min(int(block), head.number) - REORG_BLOCKS, 0)


async def pages_since(
    subgraphs: Subgraphs, entity: Entity, block: int | None, filters: tuple[Filter, ...] = ()
) -> AsyncIterator[list[Row]]:
    """Pages of what changed since a block; of everything where that is None, or where the subgraph does not tell."""
    if block is not None:
        with contextlib.suppress(QuestionRefusedError):
            async for rows in pages_by_id(subgraphs, entity, filters=(*filters, changed_since(block))):
                yield rows
            return
    async for rows in pages_by_id(subgraphs, entity, filters=filters):
        yield rows


async def remember(landing: Landing, entity: Entity, scopes: Iterable[str], head: Head) -> None:
    """Record that these states are landed as of the head. Raises WarehouseError."""
    await landing.flush()
    is_told = head.number and head.deployment
    # A row that was kept aside must be asked for again, and it would not be among the next changes.
    is_whole = not landing.result.rejected.get(entity.name)
    cursor = f"{head.number}:{head.time or ''}:{head.deployment}" if is_told and is_whole else ""
    await landing.add(
        entity, [], [WindowState(entity.name, scope, EPOCH, EPOCH, cursor, "complete") for scope in scopes]
    )
