"""What load_windows tells: which ranges of an entity are complete, what is missing between them, what is still open."""

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import UTC, datetime

from loaders.warehouse import Warehouse

Span = tuple[datetime, datetime]  # [since, until)


@dataclass
class Coverage:
    """What load_windows tells of an entity. `complete`, `gaps` and `open` are of loads without a filter."""

    complete: list[Span] = field(default_factory=list)  # merged
    gaps: list[Span] = field(default_factory=list)  # between the complete ranges
    open: list[Span] = field(default_factory=list)
    scopes: int = 0  # filters (a wallet, a token, all by id) that something was loaded under
    open_scopes: int = 0  # of these, with an open window


def coverage(warehouse: Warehouse) -> dict[str, Coverage]:
    """What is complete, missing and open, by entity; entities without any window have an empty one."""
    found: dict[str, Coverage] = defaultdict(Coverage)
    whole = f"""
        select entity, since, until, argMax(state, updated_at)
        from {warehouse.raw}.load_windows
        where scope = ''
        group by entity, since, until
        order by since, until
    """
    still_open: dict[str, list[Span]] = defaultdict(list)
    for entity, since, until, state in warehouse.rows(whole):
        span = (since.replace(tzinfo=UTC), until.replace(tzinfo=UTC))
        if state == "complete":
            found[entity].complete = merged([*found[entity].complete, span])
        elif state == "open":
            still_open[entity].append(span)
    for known in found.values():
        known.gaps = [(end, start) for (_, end), (start, _) in zip(known.complete, known.complete[1:], strict=False)]
    for entity, spans in still_open.items():
        # What was loaded otherwise in the meantime is not missing.
        complete = found[entity].complete
        found[entity].open = [
            span for span in spans if not any(first <= span[0] and span[1] <= end for first, end in complete)
        ]
    filtered = f"""
        select entity, uniqExact(scope), uniqExactIf(scope, state = 'open')
        from (
            select entity, scope, argMax(state, updated_at) as state
            from {warehouse.raw}.load_windows
            where scope != '' and not startsWith(scope, 'id:')
            group by entity, scope, since, until
        )
        group by entity
    """
    for entity, scopes, open_scopes in warehouse.rows(filtered):
        found[entity].scopes, found[entity].open_scopes = scopes, open_scopes
    return found


def merged(spans: list[Span]) -> list[Span]:
    """The spans in order, those that touch or overlap as one."""
    whole: list[Span] = []
    for since, until in sorted(spans):
        if whole and since <= whole[-1][1]:
            whole[-1] = (whole[-1][0], max(whole[-1][1], until))
        else:
            whole.append((since, until))
    return whole
