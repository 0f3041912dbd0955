"""ClickHouse inside this process (chDB): one folder, one process at a time.

Used by the loaders and, through dbt_chdb.py, by dbt. Knows nothing of tables.
"""

import atexit
import fcntl
import os
import shutil
import sys
import tempfile
import time
from pathlib import Path
from typing import IO, Any

import clickhouse_connect
from clickhouse_connect.driver.client import Client

from loaders.target import TargetError, project_folder

PREFIX = "chdb:"  # a profile host `chdb:PATH` means this engine
# Merges and mutations that may be begun at once, for each of the engine's own threads, of which it has one a core. With
# its 2 (a server has 16 such threads) a delete waits most of its time between one few parts and the next: tables of a
# full history have 40 to 70 parts.
BACKGROUND = {"background_merges_mutations_concurrency_ratio": 32}
_held: dict[Path, IO[str]] = {}  # lock files of this process, by data folder; kept open until it ends


class WarehouseBusy(Exception):
    """Another process holds the data folder; the message names it and says what to do."""


def folder(host: str) -> Path | None:
    """The data folder that a profile host names, or None for a host that is a server.

    A relative one is relative to the project, and links are followed: every command means the same folder and the same
    lock wherever it is called. Raises TargetError where it is empty.
    """
    if not host.startswith(PREFIX):
        return None
    path = host.removeprefix(PREFIX)
    if not path.strip():
        raise TargetError("POLYLEDGER_DATA is empty: name a folder for the data, or unset it for .polyledger")
    return (project_folder() / Path(path).expanduser()).resolve()


def connect(path: Path, settings: dict[str, Any] | None = None) -> Client:
    """Open the folder, made if missing. Raises WarehouseBusy when another process has it."""
    hold(path, wait=wait_seconds())
    if not path.exists():
        path.mkdir(mode=0o700)  # nobody else's business
    return clickhouse_connect.get_client(
        interface="chdb", path=str(path), settings=settings, query_limit=0, chdb_options=BACKGROUND
    )


def wait_seconds() -> float:
    """POLYLEDGER_WAIT: how long to wait for a warehouse that is in use. Raises TargetError."""
    given = os.environ.get("POLYLEDGER_WAIT") or "0"
    try:
        seconds = float(given)
    except ValueError:
        seconds = -1.0
    if not seconds >= 0:
        raise TargetError(f"POLYLEDGER_WAIT must be a number of seconds, not {given!r}")
    return seconds


def hold(path: Path, wait: float = 0) -> None:
    """Take the lock beside the folder for the rest of this process, waiting up to `wait` seconds for it."""
    if path in _held:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = open(path.with_name(path.name + ".lock"), "a+")  # noqa: SIM115 (held until the process ends)
    deadline = time.monotonic() + wait
    while True:
        try:
            # The kernel lets go when the process dies, however it dies: a lock is never stale.
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            break
        except BlockingIOError:
            if time.monotonic() >= deadline:
                lock.seek(0)
                holder = lock.read().strip() or "another process"
                lock.close()
                raise WarehouseBusy(
                    f"{path} is in use by {holder}; the embedded warehouse serves one process at a time. "
                    "Let it finish, or wait for it with --wait SECONDS (dbt: POLYLEDGER_WAIT=SECONDS)."
                ) from None
            time.sleep(0.1)
    lock.seek(0)
    lock.truncate()
    lock.write(f"process {os.getpid()} ({Path(sys.argv[0]).name} {' '.join(sys.argv[1:3])})\n")
    lock.flush()
    _held[path] = lock
    _keep_temporary_files(path.with_name(path.name + ".tmp"))


def release(path: Path) -> None:
    """Let another process have the folder; every connection to it must be closed."""
    if path in _held:
        _forget_temporary_files(path.with_name(path.name + ".tmp"))
        _held.pop(path).close()


def _keep_temporary_files(place: Path) -> None:
    """The driver writes each insert to a temporary file: here, where those of a killed process can be removed."""
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir(mode=0o700)
    tempfile.tempdir = str(place)
    atexit.register(_forget_temporary_files, place)


def _forget_temporary_files(place: Path) -> None:
    atexit.unregister(_forget_temporary_files)
    tempfile.tempdir = None
    shutil.rmtree(place, ignore_errors=True)
