"""What doctor sees of the warehouse, and of the disk, folder and clock beside it.

Nothing is changed, but for a scratch table that is dropped again.
"""

import os
import shutil
import stat
import time
import uuid
from collections.abc import Callable
from ipaddress import ip_address
from pathlib import Path

from loaders import embedded
from loaders.checks.report import Check, duration
from loaders.rights import powers
from loaders.target import Target
from loaders.warehouse import Warehouse, WarehouseError, declared_columns, migrations, opened

OLDEST_VERSION = (25, 6)  # of ClickHouse: the first with the settings of profiles.yml
CLOCK_SECONDS = 60.0
LITTLE_DISK, NO_DISK = 10e9, 1e9  # bytes
LANDING = "goldsky_fills_v2"  # of pipelines/landing.sql
LANDING_COLUMNS = frozenset(
    (
        "id",
        "transaction_hash",
        "log_index",
        "block_number",
        "block_timestamp",
        "address",
        "order_hash",
        "maker",
        "taker",
        "side",
        "token_id",
        "maker_amount_filled",
        "taker_amount_filled",
        "fee",
        "builder",
        "metadata",
        "is_deleted",
    )
)


def check_warehouse(target: Target, wait: float, try_out: Callable[..., None]) -> list[Check]:
    """Everything about the warehouse; the folder and the disk even while another process holds it."""
    path = embedded.folder(target.host)
    if path is None:
        try_out("encryption", check_encryption, target)
    else:
        try_out("folder", check_folder, path)
        try_out("disk", check_disk, path)
        if not path.exists():
            # Opening it would create it.
            return [Check("warehouse", "skipped", f"{path} will be created by the first load")]
    try:
        with opened(target, wait) as warehouse:
            for name, check, is_of_servers in (
                ("warehouse", check_version, False),
                ("writable", check_writable, False),
                ("tables", check_tables, False),
                *([("cluster", check_cluster, True)] if target.cluster else []),
                ("pipeline", check_pipeline, False),
                ("user", check_user, True),
                ("disk", check_disks, True),
                ("warehouse clock", check_clock, True),
            ):
                if path is None or not is_of_servers:
                    try_out(name, check, warehouse)
    except embedded.WarehouseBusy as busy:
        found, _, do = str(busy).partition("; ")
        return [Check("warehouse", "warn", found, do)]
    except WarehouseError as error:
        return [Check("warehouse", "fail", str(error), what_to_do(str(error), path))]
    return [] if path is None else [Check("user", "skipped", "embedded: whoever can read the folder")]


def what_to_do(error: str, path: Path | None) -> str:
    """About a warehouse that cannot be opened."""
    if path is not None:
        return "see whether it is a ClickHouse folder that this user may write; another: POLYLEDGER_DATA"
    if "authentication" in error.lower():
        return "check CLICKHOUSE_USER and CLICKHOUSE_PASSWORD"
    return "check CLICKHOUSE_HOST, CLICKHOUSE_PORT and CLICKHOUSE_SECURE, and that the server runs"


def existing(path: Path) -> Path:
    """The path, or the nearest folder above it that is there."""
    return next(folder for folder in (path, *path.parents) if folder.exists())


def check_folder(path: Path) -> Check:
    """Whether this user can write the embedded data folder, and others cannot."""
    place = existing(path)
    what = f"{path}" if place == path else f"{path} does not exist yet; {place}"
    if not (place.is_dir() and os.access(place, os.W_OK | os.X_OK)):
        return Check("folder", "fail", f"{what} cannot be written", "give this user the right, or set POLYLEDGER_DATA")
    if place == path and (others := path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO)):
        what = "written" if others & (stat.S_IWGRP | stat.S_IWOTH) else "read"
        return Check("folder", "warn", f"{path} can be {what} by others than its owner", f"chmod go-rwx {path}")
    return Check("folder", "ok", f"{what} can be written by this user")


def check_disk(path: Path) -> Check:
    """Free space where the embedded data folder is, or will be."""
    return disk([(str(path), shutil.disk_usage(existing(path)).free)])


def disk(free: list[tuple[str, float]]) -> Check:
    """A verdict about free bytes by disk: the fullest counts."""
    name, least = min(free, key=lambda each: each[1])
    found = f"{least / 1e9:,.1f} GB free at {name}"
    do = "10 million fills need about 1 GB, and merges as much again: make room"
    if least < NO_DISK:
        return Check("disk", "fail", found, do)
    return Check("disk", "warn", found, do) if least < LITTLE_DISK else Check("disk", "ok", found)


def check_encryption(target: Target) -> Check:
    """Whether password and rows travel in the clear."""
    if target.secure or is_loopback(target.host):
        return Check("encryption", "ok", "TLS" if target.secure else f"none, and none needed for {target.host}")
    return Check(
        "encryption", "warn", f"{target.host} is reached without TLS", "set CLICKHOUSE_SECURE=true and its port"
    )


def check_version(warehouse: Warehouse) -> Check:
    """Whether ClickHouse is new enough."""
    version = str(warehouse.rows("select version()")[0][0])
    place = f"{warehouse.target.host} (target {warehouse.target.name})"
    if tuple(int(part) for part in version.split(".")[:2]) < OLDEST_VERSION:
        wanted = ".".join(map(str, OLDEST_VERSION))
        return Check(
            "warehouse", "fail", f"ClickHouse {version} at {place}", f"it must be {wanted} or newer: keccak256"
        )
    return Check("warehouse", "ok", f"ClickHouse {version} at {place}")


def check_writable(warehouse: Warehouse) -> Check:
    """Create a scratch table in the raw database, write, read and drop it."""
    raw = warehouse.raw
    if not warehouse.rows("select 1 from system.databases where name = {database:String}", {"database": raw}):
        # Creating it is the first load's business.
        if may(warehouse, f"create database on {raw}.*"):
            return Check("writable", "ok", f"the first load creates the database {raw}")
        return Check(
            "writable", "fail", f"no database {raw} that this user may see", f"grant rights on {raw}.*, or create it"
        )
    scratch = f"{raw}._doctor_{uuid.uuid4().hex[:12]}"
    try:
        warehouse.command(
            f"create table {scratch} (id UInt8) engine = MergeTree order by id "
            "comment 'Scratch table of polyledger doctor; safe to drop'"
        )
    except WarehouseError as error:
        return insert_only(warehouse, str(error))
    try:
        warehouse.command(f"insert into {scratch} values (1)")
        read = warehouse.rows(f"select id from {scratch}")
    finally:
        warehouse.command(f"drop table if exists {scratch} sync")
    if read != [(1,)]:
        return Check("writable", "fail", f"a row written to {scratch} did not come back", "see the server's log")
    return Check("writable", "ok", f"a table in {raw} was created, written, read and dropped")


def insert_only(warehouse: Warehouse, error: str) -> Check:
    """A verdict where no table may be created: enough, when all are there and may be written."""
    do = f"who loads needs the rights of polyledger_loader (docs/roles.md) on {warehouse.raw}; who builds does not"
    there = columns_of(warehouse)
    allowed = "READONLY" not in error and all(
        may(warehouse, f"insert on {warehouse.raw}.{table}") for table in declared_columns()
    )
    if not allowed or declared_columns().keys() - there.keys():
        return Check("writable", "fail", error, do)
    return Check("writable", "ok", f"the tables in {warehouse.raw} can be written; no others created")


def may(warehouse: Warehouse, right: str) -> bool:
    """Whether the user has a right, as `insert on raw.splits`."""
    return bool(warehouse.rows(f"check grant {right}")[0][0])


def columns_of(warehouse: Warehouse) -> dict[str, dict[str, str]]:
    """The tables of the raw database as they are: table to column to type."""
    found: dict[str, dict[str, str]] = {}
    query = "select table, name, type from system.columns where database = {database:String}"
    for table, name, kind in warehouse.rows(query, {"database": warehouse.raw}):
        found.setdefault(table, {})[name] = kind
    return found


def check_tables(warehouse: Warehouse) -> Check:
    """Whether the raw tables are those that the loaders and models of this version expect."""
    there, wrong, absent = columns_of(warehouse), [], []
    for table, columns in declared_columns().items():
        if table not in there:
            absent.append(table)
            continue
        for name, kind in columns.items():
            if name not in there[table]:
                wrong.append(f"{table} has no {name}")
            elif there[table][name] != kind:
                wrong.append(f"{table}.{name} is {there[table][name]}, not {kind}")
    if wrong:
        do = (
            "another version made them: run polyledger setup; where that does not mend it, alter them to what "
            "loaders/schema.sql declares, or load into a new database (POLYLEDGER_RAW_SCHEMA)"
        )
        return Check("tables", "fail", "; ".join(wrong[:5] + (["and more"] if len(wrong) > 5 else [])), do)
    count = len(declared_columns())
    if len(absent) == count:
        return Check("tables", "ok", "none yet: nothing was loaded, and the first load creates them")
    version, newest = warehouse.version(), len(migrations(warehouse.raw))
    if version != newest:
        do = "run polyledger setup, or any load" if version < newest else "update polyledger"
        return Check("tables", "warn", f"of version {version}, and this polyledger expects {newest}", do)
    missing = f"; the next load creates {', '.join(absent)}" if absent else ""
    return Check("tables", "ok", f"{count - len(absent)} of {count} as declared{missing}")


def check_cluster(warehouse: Warehouse) -> Check:
    """Whether all nodes of the cluster answer, and have the raw tables."""
    cluster = warehouse.target.cluster
    known = [row[0] for row in warehouse.rows("select distinct cluster from system.clusters order by cluster")]
    if cluster not in known and "{" not in str(cluster):
        there = ", ".join(known) or "none"
        return Check("cluster", "fail", f"no cluster {cluster} here; there is {there}", "set CLICKHOUSE_CLUSTER")
    tables = [name for table in declared_columns() for name in (table, f"{table}_local")]
    found = warehouse.rows(
        f"""
        select shard, tables from (
            select _shard_num as shard, hostName() as host, tcpPort() as port,
                countIf(database = {{raw:String}} and name in {{tables:Array(String)}}) as tables
            from clusterAllReplicas('{cluster}', system.tables) group by shard, host, port
        )
        order by shard
        """,
        {"raw": warehouse.raw, "tables": tables},
    )
    what = f"{len(found)} nodes, {len({shard for shard, _ in found})} shards"
    lacking = [str(shard) for shard, count in found if count < max(count for _, count in found)]
    if lacking:
        do = "run polyledger setup; rows that belong there are landed by loading them again"
        return Check("cluster", "fail", f"{what}; raw tables are missing on shard {', '.join(lacking)}", do)
    return Check("cluster", "ok", what)


def check_pipeline(warehouse: Warehouse) -> list[Check]:
    """Where a pipeline of pipelines/ lands V2 fills: whether its table and view are those of landing.sql."""
    there = columns_of(warehouse)
    if LANDING not in there:
        return []
    do = f"drop {LANDING} and its view in {warehouse.raw}, and create them anew by pipelines/landing.sql"
    absent = sorted(LANDING_COLUMNS - there[LANDING].keys())
    if absent:
        return [Check("pipeline", "fail", f"{LANDING} has no {', '.join(absent)}", do)]
    if f"{LANDING}_typed" not in there:
        found = f"{LANDING} has no view {LANDING}_typed: what is landed there is lost"
        return [Check("pipeline", "fail", found, "create it by pipelines/landing.sql, and start the pipeline anew")]
    query = f"select count(), max(timestamp) from {warehouse.raw}.order_filled_events_v2 where _run_id = 'goldsky'"
    rows, newest = warehouse.rows(query)[0]
    if not rows:
        return [Check("pipeline", "warn", "it has not landed a fill yet", "see its state: goldsky turbo list")]
    return [Check("pipeline", "ok", f"{rows:,} rows, the newest fill of {newest:%Y-%m-%d %H:%M:%S} UTC")]


def check_user(warehouse: Warehouse) -> Check:
    """Whether the user of a server could do more harm than loading needs."""
    user = warehouse.rows("select currentUser()")[0][0]
    if can := powers(warehouse):
        do = "make users who may only what they need (docs/roles.md), then set CLICKHOUSE_USER"
        return Check("user", "warn", f"{user} may {' and '.join(can)}", do)
    return Check("user", "ok", f"{user}, no administrator")


def check_disks(warehouse: Warehouse) -> Check:
    """Free space of a server."""
    try:
        disks = warehouse.rows("select name, free_space from system.disks")
    except WarehouseError:
        return Check("disk", "skipped", "this user may not see system.disks")
    return disk(disks) if disks else Check("disk", "skipped", "the server names no disks")


def check_clock(warehouse: Warehouse) -> Check:
    """Whether the local clock agrees with that of the server."""
    before = time.time()
    there = warehouse.rows("select toUnixTimestamp64Milli(now64(3))")[0][0] / 1000
    return clock("warehouse clock", (before + time.time()) / 2 - there, "the warehouse")


def clock(name: str, ahead: float, other: str) -> Check:
    """A verdict about so many seconds that the local clock is ahead of the other."""
    if abs(ahead) > CLOCK_SECONDS:
        found = f"the local clock is {duration(abs(ahead))} {'ahead of' if ahead > 0 else 'behind'} {other}"
        return Check(name, "warn", found, "let it set its clock (NTP): a load without --until ends at this clock's now")
    # The Date header has whole seconds, so more would say nothing.
    return Check(name, "ok", f"agrees with {other} to {max(abs(ahead), 1):.0f} s")


def is_loopback(host: str) -> bool:
    """Whether a host is the local one, so that nobody can listen in between."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
