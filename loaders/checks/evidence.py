"""What the checks of verify have in common: their verdicts, and what each may look at."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from loaders.entities import ENTITIES, FILE_PAYOUTS
from loaders.events import EVENTS
from loaders.warehouse import Warehouse

PASS, WARN, FAIL, UNCHECKED = "pass", "warn", "fail", "not checked"


@dataclass(frozen=True)
class Check:
    """What was checked: verdict is pass, warn, fail or not checked; `why` explains it and says what to do."""

    name: str
    verdict: str
    numbers: dict[str, Any] = field(default_factory=dict)
    why: str = ""


@dataclass(frozen=True)
class Evidence:
    """What every check may use: the warehouse, its two databases, and when a mart was built (None: it is not)."""

    warehouse: Warehouse
    raw: str
    marts: str
    built: dict[str, datetime]
    newest: datetime | None  # _loaded_at of the newest raw row

    def one(self, query: str, parameters: dict[str, Any] | None = None) -> tuple[Any, ...]:
        """The only row of a query."""
        return self.warehouse.rows(query, parameters)[0]

    def is_stale(self, mart: str) -> bool:
        """Whether rows were landed after the mart was built."""
        # The time of a table has whole seconds.
        return self.newest is not None and self.newest.replace(microsecond=0) > self.built[mart]


Examine = Callable[[str, Evidence], Check]  # of the check's name


def gather(warehouse: Warehouse) -> Evidence:
    """When the marts were built, and when the newest row was landed."""
    built = {
        name: at.replace(tzinfo=UTC)
        for name, at in warehouse.rows(
            "select name, metadata_modification_time from system.tables where database = {database:String}",
            {"database": warehouse.target.schema},
        )
    }
    there = warehouse.tables()  # those of an earlier version are fewer
    tables = [entity.table for entity in (*ENTITIES, *EVENTS, FILE_PAYOUTS) if entity.table in there]
    each = " union all ".join(f"select max(_loaded_at) as at from {warehouse.raw}.{table}" for table in tables)
    (newest,) = warehouse.rows(f"select max(at) from ({each})")[0]
    newest = newest.replace(tzinfo=UTC) if newest and newest.year > 1970 else None
    return Evidence(warehouse, warehouse.raw, warehouse.target.schema, built, newest)


def verdict(numbers: dict[str, Any], wrong: Iterable[str], otherwise: str = PASS) -> str:
    """FAIL when any of the named numbers is not 0."""
    return FAIL if any(numbers[name] for name in wrong) else otherwise
