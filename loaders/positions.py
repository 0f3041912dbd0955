"""Polymarket's own record of each position (pnl-subgraph), of given wallets: what our P&L is reconciled against.

Positions change, so they are asked for again on every run, all as of one block: the head when it begins.
"""

import math
from collections.abc import Callable
from typing import Any

from loaders.changes import changed_since, cursor_in, remember, since_block
from loaders.entities import USER_POSITIONS
from loaders.loading import Landing, all_of
from loaders.ranges import MOST_WALLETS
from loaders.subgraph import Filter, Head, QuestionRefusedError, SubgraphError, Subgraphs, pages_by_id
from loaders.warehouse import EPOCH, Warehouse, WindowState

Tick = Callable[[int], None]


async def load(
    subgraphs: Subgraphs,
    warehouse: Warehouse,
    landing: Landing,
    wallets: list[str],
    tick: Tick,
    only_changes: bool = False,
) -> None:
    """Land the positions of these wallets; where `only_changes`, what changed since they were landed last.

    Raises SubgraphError when the subgraph does not answer at all.
    """
    head = await subgraphs.head(USER_POSITIONS.subgraph)
    known = warehouse.windows(USER_POSITIONS.name)
    begun = [WindowState(USER_POSITIONS.name, _scope(w), EPOCH, EPOCH, cursor_in(known, _scope(w))) for w in wallets]
    await landing.add(USER_POSITIONS, [], begun)
    batches: dict[int | None, list[str]] = {}  # by the block from which changes are asked for; None: everything
    for wallet, state in zip(wallets, begun, strict=True):
        batches.setdefault(since_block(state.cursor, head) if only_changes else None, []).append(wallet)
    snapshot = _Snapshot(subgraphs, landing, head, tick)
    await all_of(
        *(snapshot.load(batch, block) for block, some in batches.items() for batch in snapshot.cut(some, block))
    )
    await remember(landing, USER_POSITIONS, map(_scope, snapshot.done), head)
    if snapshot.pin is None:
        landing.result.notes.append(
            f"positions are of block {head.number:,} or later: the pnl subgraph does not serve a past block"
        )
    if not only_changes and (none := len(snapshot.done) - len(snapshot.found & set(snapshot.done))):
        landing.result.notes.append(f"{none:,} of {len(wallets):,} wallets have no position in the pnl subgraph")


class _Snapshot:
    """Positions of many wallets as of one block."""

    def __init__(self, subgraphs: Subgraphs, landing: Landing, head: Head, tick: Tick) -> None:
        self.pin = head.number or None  # None where only the newest state can be had
        self.done: list[str] = []
        self.found: set[str] = set()
        self._subgraphs = subgraphs
        self._landing = landing
        self._tick = tick

    def cut(self, wallets: list[str], block: int | None) -> list[list[str]]:
        """Wallets asked for together: few have changed, but all of their positions are pages worth a worker each."""
        each = math.ceil(len(wallets) / self._subgraphs.settings.concurrency) if block is None else MOST_WALLETS
        size = min(each, MOST_WALLETS)
        return [wallets[start : start + size] for start in range(0, len(wallets), size)]

    async def load(self, wallets: list[str], block: int | None) -> None:
        """Land their positions; wallets whose positions were not all served stay open."""
        after, pin = "", self.pin
        while True:
            filters = (Filter("user_in", "[String!]!", wallets), *([changed_since(block)] if block is not None else []))
            pages = pages_by_id(self._subgraphs, USER_POSITIONS, after, filters=filters, pin=pin)
            try:
                async for rows in pages:
                    await self._landing.add(USER_POSITIONS, rows)
                    self._tick(len(rows))
                    ids = [row["id"] for row in rows if isinstance(row, dict) and isinstance(row.get("id"), str)]
                    after = max(ids, default=after)
                    self.found.update(one.partition("-")[0] for one in ids)
            except QuestionRefusedError as error:
                # What can be done without is given up, one after the other.
                if block is not None:
                    block, after = None, ""
                elif pin is not None:
                    self.pin = pin = None
                else:
                    self._fail(wallets, error)
                    return
            except SubgraphError as error:
                self._fail(wallets, error)
                return
            else:
                self.done += wallets
                return

    def _fail(self, wallets: list[str], error: SubgraphError) -> None:
        whose = wallets[0] if len(wallets) == 1 else f"of {len(wallets):,} wallets"
        self._landing.result.open_windows.append(f"{USER_POSITIONS.name} {whose} is still open: {error}")


def loaded(warehouse: Warehouse) -> list[str]:
    """Wallets whose positions were asked for before."""
    scopes = warehouse.windows(USER_POSITIONS.name)
    return [scope.removeprefix("wallet:") for scope in scopes if scope.startswith("wallet:")]


def estimate(wallets: list[str]) -> list[dict[str, Any]]:
    """What a load would ask: how many positions a wallet has is known only when they are served."""
    what = f"positions of {len(wallets):,} wallets"
    return [{"entity": USER_POSITIONS.name, "scope": "", "what": what, "requests": None, "seconds": None}]


def _scope(wallet: str) -> str:
    return f"wallet:{wallet}"
