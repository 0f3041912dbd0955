"""The log file of a run (--log-file): what happened, a JSON object a line, each in the file as soon as it happens.

There is one for the process, or none: whoever has something to tell calls `note`, and without a file it is not kept.
"""

import contextlib
import json
import os
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from io import RawIOBase
from pathlib import Path
from typing import Any


class Journal:
    """An open log file. What cannot be written (a full disk) stops the log and not the load."""

    def __init__(self, file: RawIOBase) -> None:
        self.failure: OSError | None = None
        self.about: dict[str, Any] = {"pid": os.getpid()}  # in every line: several runs may share a file
        self._file = file
        self._lock = threading.Lock()  # inserts are told from a thread

    def write(self, event: str, fields: dict[str, Any]) -> None:
        at = datetime.now(UTC).isoformat(timespec="milliseconds")
        told = {name: _told(value) for name, value in fields.items()}
        line = json.dumps({"at": at, "event": event, **self.about, **told})
        with self._lock:
            if self.failure is None:
                try:
                    self._file.write(line.encode() + b"\n")
                except OSError as error:
                    self.failure = error


def _told(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat()
    return round(value, 6) if isinstance(value, float) else value


_open: Journal | None = None


def note(event: str, **fields: Any) -> None:
    """Add a line, where there is a log file. Fields are what JSON has, and moments."""
    if _open is not None:
        _open.write(event, fields)


@contextlib.contextmanager
def kept_in(path: Path | None) -> Iterator[Journal | None]:
    """Notes go to the end of this file meanwhile; None keeps none. Raises OSError when it cannot be opened."""
    global _open
    if path is None:
        yield None
        return
    with open(path, "ab", buffering=0) as file:
        _open = Journal(file)
        try:
            yield _open
        finally:
            _open = None
