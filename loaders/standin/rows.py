"""loaders/standin/rows.py: rows in memory, and the page of them that graph-node would return for a list field."""

import operator
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import chain, islice
from typing import Any

from loaders.standin import schema

MAX_FIRST = 1000
MAX_SKIP = 5000

Row = dict[str, Any]
Where = dict[str, Any]
Key = Callable[[Any], Any]
Test = Callable[[Row], bool]


class Refused(Exception):
    """graph-node would not answer; the message is what it would say."""


# Rows: kept by id, compared by a key, sorted once an order


def integer(value: Any) -> int | None:
    try:
        return int(value) if isinstance(value, str | int) else None
    except ValueError:
        return None


def text(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def boolean(value: Any) -> bool | None:
    return value if isinstance(value, bool) else None


def key_of(kind: str) -> Key:
    """Return what turns a served value into one to compare, or into None if it is missing or damaged."""
    if kind.startswith("["):
        item = key_of(kind[1:-1])
        return lambda value: [item(each) for each in value] if isinstance(value, list) else None
    return {"BigInt": integer, "Int": integer, "Boolean": boolean}.get(kind, text)


@dataclass(frozen=True)
class Order:
    """Rows sorted by (key, id); `unsorted` are those without a usable key, by id. They come last either way."""

    keys: list[Any]
    rows: list[Row]
    unsorted: list[Row]


class View:
    """The rows of an entity as of one block."""

    def __init__(self, rows: list[Row]) -> None:
        self.rows = rows
        self.by_id = {row["id"]: row for row in rows if isinstance(row.get("id"), str)}
        self.orders: dict[str, Order] = {}

    def order(self, name: str, kind: str) -> Order:
        if name not in self.orders:
            # An array has no use as a sort key, so such rows are left in id order.
            key = key_of(kind) if not kind.startswith("[") else lambda _: None
            keyed = [(key(row.get(name)), str(row.get("id")), row) for row in self.rows]
            usable = sorted((each for each in keyed if each[0] is not None), key=operator.itemgetter(0, 1))
            others = sorted((each for each in keyed if each[0] is None), key=operator.itemgetter(1))
            self.orders[name] = Order([k for k, _, _ in usable], [r for _, _, r in usable], [r for _, _, r in others])
        return self.orders[name]


class Table:
    """All rows of an entity, with the versions a query pinned to an older block still sees."""

    def __init__(self) -> None:
        self.versions: dict[Any, list[Row]] = {}  # by id, oldest first; the last one is current
        self.views: dict[int | None, View] = {}  # None for the current rows
        self.newest = 0  # the last block that changed a row
        self.timestamp = 0  # the largest one seen, unix seconds

    def put(self, rows: list[Row]) -> None:
        for row in rows:
            # Rows without an id stand for damage and must all be served, so none replaces another.
            key = row["id"] if isinstance(row.get("id"), str) else object()
            older = [version for version in self.versions.get(key, ()) if block_of(version) < block_of(row)]
            self.versions[key] = [*older, row]
            self.newest = max(self.newest, block_of(row))
            self.timestamp = max(self.timestamp, integer(row.get("timestamp")) or 0)
        self.views.clear()

    def at(self, block: int | None) -> View:
        if block is not None and block >= self.newest:
            block = None
        if block not in self.views:
            self.views[block] = View([row for versions in self.versions.values() for row in last(versions, block)])
        return self.views[block]


def block_of(row: Row) -> int:
    return int(row.get("_block", 0))


def last(versions: list[Row], block: int | None) -> list[Row]:
    """Return the version that was current at a block, if there was one yet."""
    return [version for version in versions if block is None or block_of(version) <= block][-1:]


# Filters and pages


OPERATORS: dict[str, Callable[[Any, Any], bool]] = {  # of a row's key and what it is compared with
    "": operator.eq,
    "not": operator.ne,
    "gt": operator.gt,
    "lt": operator.lt,
    "gte": operator.ge,
    "lte": operator.le,
    "in": lambda value, wanted: value in wanted,
    "not_in": lambda value, wanted: value not in wanted,
    "contains_nocase": lambda value, wanted: wanted.lower() in value.lower(),
    "starts_with": str.startswith,
}


def contains(value: Any, wanted: Any) -> bool:
    return set(wanted) <= set(value) if isinstance(wanted, list) else wanted in value


OPERATORS["contains"] = contains


def row_test(entity: schema.Entity, where: Where | None) -> Test:
    """Turn a coerced `where` into a test of one row; Refused if graph-node would not have it."""
    if where is None:
        raise Refused("Filter must be an object")
    columns = [name for name in where if name not in ("and", "or")]
    tests = [column_test(entity, name, where[name]) for name in columns]
    for combine, name in ((any, "or"), (all, "and")):
        if where.get(name) is None:
            continue
        if columns:
            raise Refused(
                f"Cannot mix column filters with '{name}' operator at the same level. "
                f"Found column filter(s) {', '.join(map(repr, columns))} alongside '{name}' operator."
            )
        tests.append(combined([row_test(entity, branch) for branch in where[name]], combine))
    return tests[0] if len(tests) == 1 else combined(tests, all)


def combined(tests: list[Test], combine: Callable[[Iterator[bool]], bool]) -> Test:
    return lambda row: combine(test(row) for test in tests)


def column_test(entity: schema.Entity, name: str, wanted: Any) -> Test:
    if name == "_change_block":
        return lambda row: wanted is None or block_of(row) >= wanted["number_gte"]
    column, op = entity.filters[name]
    if wanted is None:
        if op == "":
            return lambda row: row.get(column) is None
        if op == "not":
            return lambda row: row.get(column) is not None
        raise Refused(f"Store error: unsupported filter `{name}` for value `null`")
    key = key_of(entity.kinds[column])
    compare = OPERATORS[op]
    if op in schema.AMONG:
        wanted = frozenset(wanted)

    # As in SQL, a value that is missing fulfils no comparison, not even `not`.
    def test(row: Row) -> bool:
        value = key(row.get(column))
        return value is not None and compare(value, wanted)

    return test


def span(where: Where, column: str) -> tuple[Any, Any]:
    """Return bounds, both inclusive, that a column must lie in for `where` to hold; None for an open end."""

    def given(*names: str) -> list[Any]:
        return [where[name] for name in names if where.get(name) is not None]

    lows = given(column, f"{column}_gt", f"{column}_gte")
    highs = given(column, f"{column}_lt", f"{column}_lte")
    for branch in where.get("and") or ():
        low, high = span(branch, column)
        lows += [low] if low is not None else []
        highs += [high] if high is not None else []
    branches = [span(branch, column) for branch in where.get("or") or ()]
    if branches and all(low is not None for low, _ in branches):
        lows.append(min(low for low, _ in branches))
    if branches and all(high is not None for _, high in branches):
        highs.append(max(high for _, high in branches))
    return max(lows, default=None), min(highs, default=None)


def page(view: View, entity: schema.Entity, arguments: dict[str, Any]) -> list[Row]:
    """Return the rows a list field asks for; Refused if it asks for too many, or with a filter that is not one."""
    first = arguments["first"] if arguments.get("first") is not None else 100
    skip = arguments.get("skip") or 0
    if not 1 <= first <= MAX_FIRST:
        raise Refused(f"The `first` argument must be between 0 and {MAX_FIRST}, but is {first}")
    if not 0 <= skip <= MAX_SKIP:
        raise Refused(f"The `skip` argument must be between 0 and {MAX_SKIP}, but is {skip}")
    where = arguments.get("where") or {}
    test = row_test(entity, where)
    if where.get("id_in") is not None:
        view = View([view.by_id[each] for each in dict.fromkeys(where["id_in"]) if each in view.by_id])

    sort_by = arguments.get("orderBy") or "id"
    step = -1 if arguments.get("orderBy") and arguments.get("orderDirection") == "desc" else 1
    order = view.order(sort_by, entity.kinds[sort_by])
    low, high = (None, None) if entity.kinds[sort_by].startswith("[") else span(where, sort_by)
    start = 0 if low is None else bisect_left(order.keys, low)
    stop = len(order.keys) if high is None else bisect_right(order.keys, high)
    candidates: Iterator[Row] = (order.rows[i] for i in range(start, stop)[::step])
    if low is None and high is None:
        candidates = chain(candidates, order.unsorted[::step])
    return list(islice(filter(test, candidates), skip, skip + first))
