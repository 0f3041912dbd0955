"""Land rows and remember windows in ClickHouse. Knows nothing of GraphQL.

One Warehouse is one connection; its calls block and must not overlap.
"""

import contextlib
import json
import logging
import re
import sys
import threading
import time
from collections.abc import Callable, Generator, Iterable, Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib import resources
from typing import Any, TypeVar

import clickhouse_connect
import jinja2
import lz4.frame
import urllib3
from clickhouse_connect.driver.exceptions import ClickHouseError, OperationalError

from loaders import embedded
from loaders.entities import Entity
from loaders.target import Target

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
PATIENCE = 60.0  # seconds for which a load waits for a warehouse that went away
# ClickHouse's own "later": a shard that hung up, too many queries or parts, memory, sockets, Keeper, replicas, shutting
# down, overload.
PASSING = frozenset({32, 202, 209, 210, 225, 236, 241, 242, 252, 279, 285, 286, 319, 373, 394, 439, 745, 999})
Answer = TypeVar("Answer")

# The driver logs what it raises as well: people would read it twice.
logging.getLogger("clickhouse_connect").addHandler(logging.NullHandler())


class WarehouseError(Exception):
    """The warehouse cannot be reached or refused a statement; the message says which."""


@dataclass(frozen=True)
class WindowState:
    """A row of load_windows: how far the range [since, until) of an entity is landed under a filter."""

    entity: str
    scope: str
    since: datetime
    until: datetime
    cursor: str = ""
    state: str = "open"


Windows = dict[str, list[WindowState]]  # by scope


@dataclass(frozen=True)
class Rejected:
    """A row that could not be understood."""

    entity: str
    row_id: str
    reason: str
    raw: str


class Warehouse:
    """The raw tables of one target."""

    def __init__(self, target: Target) -> None:
        """Connect. Raises WarehouseError, and embedded.WarehouseBusy where another process has the folder."""
        self.target = target
        self.raw = target.raw_schema
        self.patience = 0.0  # seconds to wait for a server that went away
        self._leaving = threading.Event()
        try:
            path = embedded.folder(target.host)
            self._client = embedded.connect(path) if path else _connect_to_server(target)
        except ClickHouseError as error:
            raise WarehouseError(f"{target.host} (target {target.name}) does not answer: {_reason(error)}") from None

    def close(self) -> None:
        self._client.close()

    def leave(self) -> None:
        """Wait no longer for a warehouse that is away; may be called from anywhere."""
        self._leaving.set()

    def create_tables(self, on_all_nodes: bool = False) -> None:
        """Create what is missing of the raw tables (schema.sql), and bring those of an earlier version to this one.

        Needs no right to create or alter where there is nothing to do; `on_all_nodes` looks after other nodes of a
        cluster too, one of which may be new. Raises WarehouseError.
        """
        there, version, steps = self.tables(), self.version(), migrations(self.raw)
        if version > len(steps):
            raise WarehouseError(
                f"the tables in {self.raw} are of version {version} and this polyledger knows {len(steps)}: update it"
            )
        if declared_columns().keys() <= there and version == len(steps) and not (on_all_nodes and self.target.cluster):
            return
        cluster = self.target.cluster
        if cluster:
            declared = _shared_sql().raw_tables_on_cluster(self.raw, cluster, self.target.is_replicated)
        else:
            declared = _shared_sql().raw_tables(self.raw)
        statements = [one for one in declared.split(";\n") if one.strip()]
        if declared_columns().keys() & there:
            changes = [one for step in steps[version:] for one in step]
            everywhere = self.target.everywhere
            statements += [each for one in changes for each in on_cluster(one, everywhere)] if cluster else changes
        try:
            for statement in statements:
                self.command(statement)
            self._insert("schema_versions", [{"version": len(steps)}])
        except WarehouseError as error:
            if "ACCESS_DENIED" in str(error) and declared_columns().keys() & there:
                raise WarehouseError(
                    f"the tables in {self.raw} are of an earlier version, and {self.target.user} may not change them: "
                    f"run polyledger setup as a user who may. ({error})"
                ) from None
            raise

    def version(self) -> int:
        """How many migrations the raw tables have; 0 where they were made before these were counted, or not at all."""
        if "schema_versions" not in self.tables():
            return 0
        return int(self.rows(f"select max(version) from {self.raw}.schema_versions")[0][0])

    def has_tables(self) -> bool:
        """Whether anything was ever loaded or built here."""
        return "load_windows" in self.tables()

    def tables(self) -> set[str]:
        """Names in the database of the raw tables; none where there is no such database yet.

        Raises WarehouseError, also where the user may not read them: then the server does not name them either.
        """
        query = "select name from system.tables where database = {database:String}"
        found = {row[0] for row in self.rows(query, {"database": self.raw})}
        if not found and embedded.folder(self.target.host) is None:
            ((may_read,),) = self.rows(f"check grant select on {self.raw}.*")
            if not may_read:
                raise WarehouseError(f"{self.target.user} may not read {self.raw} (docs/roles.md says who may)")
        return found

    def command(self, statement: str, parameters: dict[str, Any] | None = None) -> None:
        """Run a statement without rows. Raises WarehouseError."""
        try:
            self._patiently(lambda: self._client.command(statement, parameters=parameters))
        except ClickHouseError as error:
            raise WarehouseError(_reason(error)) from None

    def rows(self, query: str, parameters: dict[str, Any] | None = None) -> list[tuple[Any, ...]]:
        """The rows of a query, values bound as {name:Type}. Raises WarehouseError."""
        try:
            found = self._patiently(lambda: self._client.query(query, parameters=parameters).result_rows)
        except ClickHouseError as error:
            raise WarehouseError(_reason(error)) from None
        return [tuple(row) for row in found]

    def insert(self, entity: Entity, blocks: list[bytes], rows: int) -> None:
        """Insert pages of one entity, `rows` rows in all, as entity.block writes them. Raises WarehouseError."""
        names = [*(field.column for field in entity.fields), "_run_id"]
        self._land(f"{self.raw}.{entity.table}", names, b"".join(blocks), "Native", rows)

    def withdraw(self, entity: Entity, first: int, last: int, run_id: str) -> int:
        """Say of landed logs of the blocks first to last that they do not count any more; how many those were."""
        names = ", ".join(field.column for field in entity.fields)
        landed = f"from {self.raw}.{entity.table} final where block_number between {{first:UInt64}} and {{last:UInt64}}"
        values = {"first": first, "last": last, "run_id": run_id}
        (count,) = self.rows(f"select count() {landed} and is_deleted = 0", values)[0]
        if count:
            self.command(
                f"insert into {self.raw}.{entity.table} ({names}, is_deleted, _run_id) "
                f"select {names}, 1, {{run_id:String}} {landed} and is_deleted = 0",
                values,
            )
        return int(count)

    def insert_blocks(self, table: str, names: list[str], blocks: Callable[[], Generator[bytes, None, None]]) -> None:
        """Insert a stream of format Native, which `blocks` begins, and begins anew for a server that was away.

        Raises WarehouseError, and what the stream itself raises.
        """
        settings = {"max_partitions_per_insert_block": 0}  # a stream may have rows of all months
        try:
            self._patiently(
                lambda: self._client.raw_insert(f"{self.raw}.{table}", names, blocks(), settings=settings, fmt="Native")
            )
        except ClickHouseError as error:
            raise WarehouseError(f"rows for {table} were not landed to their end: {_reason(error)}") from None

    def answer(
        self, query: str, parameters: dict[str, Any], form: str, packing: str, settings: dict[str, Any]
    ) -> Iterator[bytes]:
        """What a server answers to a query, in a format and packed as HTTP has it. Raises WarehouseError."""
        try:
            stream: Any = self._client.raw_stream(
                query,
                parameters=parameters,
                settings=settings | {"enable_http_compression": int(packing != "none")},
                fmt=form,
                transport_settings={"Accept-Encoding": packing if packing != "none" else "identity"},
            )
            with stream:
                yield from stream.stream(1 << 20, decode_content=False)
        except (ClickHouseError, urllib3.exceptions.HTTPError) as error:
            raise WarehouseError(_reason(error)) from None

    def insert_rejected(self, rejected: Iterable[Rejected], run_id: str) -> None:
        """Keep rows that could not be understood."""
        self._insert("rejected_rows", [asdict(one) | {"_run_id": run_id} for one in rejected])

    def record(self, windows: Iterable[WindowState]) -> None:
        """Remember how far windows are landed."""
        self._insert("load_windows", [asdict(window) for window in windows])

    def record_run(self, figures: dict[str, Any]) -> None:
        """Add a row to load_runs, given by column."""
        self._insert("load_runs", [figures])

    def record_lease(self, claim: dict[str, Any]) -> None:
        """Add a row to load_leases, given by column."""
        self._insert("load_leases", [claim])

    def windows(self, entity: str) -> Windows:
        """What is remembered of an entity by filter, the newest word on each window."""
        found = self.rows(
            f"""
            select scope, since, until, argMax(cursor, updated_at), argMax(state, updated_at)
            from {self.raw}.load_windows
            where entity = {{entity:String}} and state != 'not_found'
            group by scope, since, until
            order by scope, since, until
            """,
            {"entity": entity},
        )
        windows: Windows = {}
        for scope, since, until, cursor, state in found:
            window = WindowState(entity, scope, since.replace(tzinfo=UTC), until.replace(tzinfo=UTC), cursor, state)
            windows.setdefault(scope, []).append(window)
        return windows

    def _insert(self, table: str, rows: list[dict[str, Any]]) -> None:
        self.append(f"{self.raw}.{table}", rows)

    def append(self, table: str, rows: list[dict[str, Any]]) -> None:
        """Insert a few rows, each by column, into `database.table`. Raises WarehouseError."""
        if rows:
            lines = "\n".join(json.dumps(row, default=_moment) for row in rows)
            self._land(table, list(rows[0]), lines, "JSONEachRow", len(rows))

    def _land(self, table: str, names: list[str], block: str | bytes, form: str, rows: int) -> None:
        """One insert. Landed twice (the answer was lost, or a half of it was there) a row counts once."""
        packed = None
        if embedded.folder(self.target.host) is None:
            given = block.encode() if isinstance(block, str) else block
            block, packed = lz4.frame.compress(given), "lz4"
        try:
            self._patiently(lambda: self._client.raw_insert(table, names, block, fmt=form, compression=packed))
        except ClickHouseError as error:
            raise WarehouseError(
                f"{rows:,} rows for {table.partition('.')[2]} were not landed: {_reason(error)}"
            ) from None

    def _patiently(self, work: Callable[[], Answer]) -> Answer:
        """Do it, again and again while a server is away, as long as patience lasts."""
        deadline, pause, is_told = time.monotonic() + self.patience, 0.25, False
        while True:
            try:
                return work()
            except ClickHouseError as error:
                left = deadline - time.monotonic()
                if left <= 0:
                    self.leave()  # what follows is a farewell, and need not wait as long again
                if self._leaving.is_set() or not _is_passing(error):
                    raise
                if not is_told:
                    is_told = True
                    print(f"{self.target.host} is away ({_reason(error)}); waiting for it", file=sys.stderr, flush=True)
            self._leaving.wait(min(pause, left))
            pause = min(2 * pause, 5.0)


def _moment(value: datetime) -> str:
    """A UTC moment as ClickHouse reads it; a DateTime wants no fraction."""
    return f"{value:%Y-%m-%d %H:%M:%S}" + (f".{value.microsecond:06}" if value.microsecond else "")


def condition_of_question(neg_risk_event_id: str, question: str) -> str:
    """The SQL expression of a neg-risk question's condition, as the models have it too."""
    return str(_shared_sql().condition_of_question(neg_risk_event_id, question))


@contextlib.contextmanager
def opened(target: Target, wait: float = 0) -> Iterator[Warehouse]:
    """A connection that lets others have the embedded folder afterwards. Raises as Warehouse does."""
    path = embedded.folder(target.host)
    try:
        if path is not None:
            embedded.hold(path, wait)
        warehouse = Warehouse(target)
        try:
            yield warehouse
        finally:
            warehouse.close()
    finally:
        if path is not None:
            embedded.release(path)


def declared_columns() -> dict[str, dict[str, str]]:
    """The raw tables as schema.sql declares them: table to column to type."""
    found: dict[str, dict[str, str]] = {}
    for statement in _shared_sql().raw_tables("raw").split(";\n"):
        table = re.search(r"create table if not exists raw\.(\w+) \((.*)\n\) engine", statement, re.DOTALL)
        if table:
            # A column begins a line, and every column has a comment.
            columns = re.findall(r"^ {4}(\w+) (.+?) *(?: alias | default | comment |$)", table[2], re.MULTILINE)
            found[table[1]] = dict(columns)
    return found


def migrations(raw: str) -> list[list[str]]:
    """The statements of each migration, the first one's first, for the raw database of this name."""
    text = resources.files("loaders").joinpath("migrations.sql").read_text().replace("polyledger_raw.", f"{raw}.")
    steps = re.split(r"^-- [0-9]+\. .*\n", text, flags=re.MULTILINE)[1:]
    return [[one.strip() for one in step.split(";\n") if one.strip()] for step in steps]


def on_cluster(change: str, everywhere: str) -> list[str]:
    """An `alter table` of a migration for a cluster: the local tables, and unless it is about rows those above them."""
    table, what = re.sub(r"^alter table ", "", change).split(" ", 1)
    local = f"alter table {table}_local{everywhere} {what}"
    is_about_rows = re.match(r"modify (setting|order by|ttl)|update|delete", what)
    return [local] if is_about_rows else [local, f"alter table {table}{everywhere} {what}"]


def _shared_sql() -> Any:
    text = resources.files("loaders").joinpath("schema.sql").read_text()
    return jinja2.Environment().from_string(text).module


def _connect_to_server(target: Target) -> Any:
    return clickhouse_connect.get_client(
        host=target.host,
        port=target.port or 0,
        username=target.user,
        password=target.password,
        interface="https" if target.secure else "http",
        verify=target.verify,
        client_cert=target.client_cert,
        client_cert_key=target.client_cert_key,
        compress=True,
        query_limit=0,
        # Nothing here needs a session, and one that the server still holds would refuse the next statement.
        autogenerate_session_id=False,
        show_clickhouse_errors="scrub",
        send_receive_timeout=target.send_receive_timeout,
        # What dbt sets too, and why: profiles.yml.
        settings=target.settings,
    )


def _is_passing(error: ClickHouseError) -> bool:
    """Whether the same statement may go through later: nobody answered, or ClickHouse says so."""
    code = getattr(error, "code", None)
    return code in PASSING or (code is None and isinstance(error, OperationalError))


def _reason(error: Exception) -> str:
    """What went wrong in one line: what ClickHouse said, else what the network said."""
    cause: BaseException | None = error if getattr(error, "code", None) is None else None
    while cause is not None:
        if isinstance(cause, OSError):
            return cause.strerror or str(cause) or type(cause).__name__
        cause = cause.__cause__ or cause.__context__
    return str(error).strip().split("\n")[0].rpartition("DB::Exception: ")[2]
