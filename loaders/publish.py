"""Build beside what people read, and put it in its place only when all tests have passed.

The shadow database has what the next version is built in, and after the exchange what was there before. Tables change
places, each in one step and with all that they hold, so that incremental models go on where the new ones end. Views
name the database that they read, so they are made anew in both places. What is to be done is written down before it
begins: a run that was killed in the middle is finished by the next one.
"""

import contextlib
import json
import os
import re
import threading
import uuid
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass
from graphlib import TopologicalSorter
from pathlib import Path

from loaders import embedded
from loaders.execute import console
from loaders.leases import Claim, leased
from loaders.target import Target, project_folder
from loaders.warehouse import Warehouse, WarehouseError

JOURNAL = "_publications"  # in the shadow database: what was begun, the newest row counts
EMPTY, EXCHANGING, DONE = "empty", "exchanging", "done"
BEAT_SECONDS = 30.0


Beat = Callable[[], None]


class PublishError(Exception):
    """It cannot be published, or there is nothing to go back to; the message says why and what to do."""


class BuildFailed(Exception):
    """The build in the shadow database, or one of its tests, failed; what people read is as it was."""


@dataclass(frozen=True)
class Thing:
    """A table, known by its uuid, or a view, known by the statement that made it."""

    table: str | None
    view: str | None


@dataclass(frozen=True)
class Step:
    """A name, and what it stood for in each database before the exchange."""

    name: str
    live: Thing | None
    shadow: Thing | None


def publish(target: Target, profiles_dir: Path | None, keep: bool, wait: float) -> None:
    """Build in the shadow database, test, exchange; `keep` what was there before until the next time.

    Raises BuildFailed, PublishError, WarehouseError, WarehouseBusy.
    """
    with _alone(target, wait) as (warehouse, beat):
        finish(warehouse)
        _empty_shadow(warehouse)
        with _environment(POLYLEDGER_SCHEMA=target.shadow_schema), _beating(beat):
            _build(target, profiles_dir)
        steps = plan(warehouse)
        exchange(warehouse, steps)
        if not keep:
            _empty_shadow(warehouse)
    kept = f"what was there before is in {target.shadow_schema}; polyledger publish --undo puts it back"
    console().print(f"published {len(steps)} models in {target.schema}; {kept if keep else 'nothing older is kept'}")


def undo(target: Target, wait: float) -> None:
    """Put back what was there before; a second time, what was published. Raises as publish does."""
    with _alone(target, wait) as (warehouse, _):
        if finish(warehouse):
            return
        state, last = _last(warehouse)
        if state != DONE:
            raise PublishError(
                f"there is nothing to go back to: {target.shadow_schema} keeps what was there before a publish "
                "until the next one begins"
            )
        steps = plan(warehouse, also=[step.name for step in last])
        exchange(warehouse, steps)
    console().print(f"put back {len(steps)} models in {target.schema}; polyledger publish --undo takes them away again")


def finish(warehouse: Warehouse) -> bool:
    """Do what is left of an exchange that was killed; whether there was one. Raises WarehouseError."""
    state, steps = _last(warehouse)
    if state != EXCHANGING:
        return False
    _apply(warehouse, steps)
    _record(warehouse, DONE, steps)
    console().print(f"an exchange of {len(steps)} models that was cut off is now complete")
    return True


def plan(warehouse: Warehouse, also: Iterable[str] = ()) -> list[Step]:
    """What is to change places: all that the shadow database has, and of the live one also these names."""
    target = warehouse.target
    live, shadow = _things(warehouse, target.schema), _things(warehouse, target.shadow_schema)
    names = sorted(shadow.keys() | (live.keys() & set(also)))
    return [Step(name, live.get(name), shadow.get(name)) for name in names]


def exchange(warehouse: Warehouse, steps: list[Step]) -> None:
    """Let live and shadow change places. Cut off anywhere, `finish` does the rest. Raises WarehouseError."""
    _record(warehouse, EXCHANGING, steps)
    _apply(warehouse, steps)
    _record(warehouse, DONE, steps)


def _apply(warehouse: Warehouse, steps: list[Step]) -> None:
    live, shadow = warehouse.target.schema, warehouse.target.shadow_schema
    place = {thing.table: one for one in (live, shadow) for thing in _things(warehouse, one).values() if thing.table}
    for step in steps:
        mine, theirs = step.live and step.live.table, step.shadow and step.shadow.table
        if (not mine or place.get(mine) == shadow) and (not theirs or place.get(theirs) == live):
            continue  # views, or done before it was cut off
        if step.live and step.shadow:
            warehouse.command(f"exchange tables {live}.{step.name} and {shadow}.{step.name}")
        elif step.shadow:
            warehouse.command(f"rename table {shadow}.{step.name} to {live}.{step.name}")
        else:
            warehouse.command(f"rename table {live}.{step.name} to {shadow}.{step.name}")
    _remake(warehouse, live, shadow, {step.name: step.shadow for step in steps})
    _remake(warehouse, shadow, live, {step.name: step.live for step in steps})


def _remake(warehouse: Warehouse, here: str, there: str, things: dict[str, Thing | None]) -> None:
    """Make in one database the views of the other; what had no view there has none here."""
    known = _things(warehouse, here)
    views = {name: _moved(thing.view, there, here) for name, thing in things.items() if thing and thing.view}
    of = {
        name: set(re.findall(rf"(?<![\w.]){here}\.(\w+)", text)) & views.keys() - {name} for name, text in views.items()
    }
    for name in TopologicalSorter(of).static_order():
        warehouse.command(re.sub(r"^CREATE VIEW", "CREATE OR REPLACE VIEW", views[name]))
    for name, thing in things.items():
        if thing is None and name in known and known[name].view:
            warehouse.command(f"drop view {here}.{name}")


def _moved(statement: str, there: str, here: str) -> str:
    """A statement about one database, about the other."""
    return re.sub(rf"(?<![\w.])`?{there}`?\.", f"{here}.", statement)


def _things(warehouse: Warehouse, database: str) -> dict[str, Thing]:
    """Tables and views of a database. Raises PublishError where there is anything else."""
    found = {}
    for name, engine, identity, statement in warehouse.rows(
        """
        select name, engine, toString(uuid), create_table_query
        from system.tables where database = {database:String} and name != {journal:String}
        """,
        {"database": database, "journal": JOURNAL},
    ):
        if engine in ("MaterializedView", "Dictionary"):
            raise PublishError(
                f"{database}.{name} is a {engine}, which publish cannot exchange; drop it or use dbt build"
            )
        found[name] = Thing(None, statement) if engine == "View" else Thing(identity, None)
    return found


def _empty_shadow(warehouse: Warehouse) -> None:
    """Drop what the shadow database holds: there is no way back from here on."""
    database = warehouse.target.shadow_schema
    warehouse.command(f"create database if not exists {database}")
    warehouse.command(f"create database if not exists {warehouse.target.schema}")
    warehouse.command(
        f"create table if not exists {database}.{JOURNAL} (at DateTime64(6, 'UTC') default now64(6, 'UTC'), "
        "state LowCardinality(String), steps String) engine = MergeTree order by at "
        "settings fsync_after_insert = 1, fsync_part_directory = 1 comment 'What polyledger publish began'"
    )
    _record(warehouse, EMPTY, [])
    for name, thing in _things(warehouse, database).items():
        warehouse.command(f"drop {'view' if thing.view else 'table'} {database}.{name} sync")


def _build(target: Target, profiles_dir: Path | None) -> None:
    """dbt build from the ground up, in this process: who kills it kills both. Raises BuildFailed."""
    from dbt.cli.main import dbtRunner  # takes two seconds that no other command has to spend

    base = Path(os.environ.get("DBT_TARGET_PATH") or project_folder() / "target")
    words = ["build", "--full-refresh", "--target", target.name, "--project-dir", str(project_folder())]
    words += ["--exclude-resource-type", "unit_test"]  # these know no rows
    words += ["--target-path", str(base / "shadow")]
    words += ["--profiles-dir", str(profiles_dir)] if profiles_dir else []
    done = dbtRunner().invoke(words)
    if not done.success:
        why = f" ({done.exception})" if done.exception else ""
        raise BuildFailed(
            f"the build in {target.shadow_schema} or one of its tests failed{why}; "
            f"what people read in {target.schema} is as it was"
        )


def _record(warehouse: Warehouse, state: str, steps: list[Step]) -> None:
    text = json.dumps([asdict(step) for step in steps])
    warehouse.append(f"{warehouse.target.shadow_schema}.{JOURNAL}", [{"state": state, "steps": text}])


def _last(warehouse: Warehouse) -> tuple[str, list[Step]]:
    """What was begun last, and whether it ended."""
    database = warehouse.target.shadow_schema
    if not warehouse.rows(
        "select 1 from system.tables where database = {database:String} and name = {journal:String}",
        {"database": database, "journal": JOURNAL},
    ):
        return EMPTY, []
    found = warehouse.rows(f"select state, steps from {database}.{JOURNAL} order by at desc limit 1")
    state, text = found[0] if found else (EMPTY, "[]")

    def thing(given: dict[str, str | None] | None) -> Thing | None:
        return Thing(**given) if given else None

    return state, [Step(step["name"], thing(step["live"]), thing(step["shadow"])) for step in json.loads(text)]


@contextlib.contextmanager
def _alone(target: Target, wait: float) -> Iterator[tuple[Warehouse, Beat]]:
    """A warehouse in which nobody else publishes meanwhile, and what gives a sign of life there.

    The embedded one serves one process anyway.
    """
    if target.cluster:
        raise PublishError(
            f"publish cannot exchange the tables of a cluster (target {target.name}), which are on several nodes: run "
            "dbt build, which puts each of them in place whole, before it tests it"
        )
    with contextlib.ExitStack() as held:
        path = embedded.folder(target.host)
        if path is not None:
            if not path.exists():
                raise PublishError(f"{path} does not exist: load something first, as polyledger load fills does")
            embedded.hold(path, wait)
            held.callback(embedded.release, path)
        warehouse = Warehouse(target)
        held.callback(warehouse.close)
        if not warehouse.has_tables():
            raise PublishError(f"there are no raw tables in {target.raw_schema}: load something first")
        claim = None if path else Claim((f"the next version of {target.schema}",))
        beat = held.enter_context(leased(warehouse, f"publish-{uuid.uuid4()}", claim, wait))
        yield warehouse, beat


@contextlib.contextmanager
def _beating(beat: Beat) -> Iterator[None]:
    """Give signs of life while dbt works, on connections of its own."""
    ended = threading.Event()

    def keep() -> None:
        while not ended.wait(BEAT_SECONDS):
            with contextlib.suppress(WarehouseError):
                beat()

    thread = threading.Thread(target=keep)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


@contextlib.contextmanager
def _environment(**more: str) -> Iterator[None]:
    """These variables meanwhile; dbt reads them."""
    before = {name: os.environ.get(name) for name in more}
    os.environ.update(more)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
