"""The log file of a run (--log-file): what happened, a JSON object a line, each in the file as soon as it happens.

There is one for the process, or none: whoever has something to tell calls `note`, and without a file it is not kept.
"""

import contextlib
import json
import os
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any

HIDDEN = "***"


class Journal:
    """An open log file. What cannot be written (a full disk) stops the log and not the load."""

    def __init__(self, file: IO[str], secret: str | None) -> None:
        self.failure: OSError | None = None
        self.about: dict[str, Any] = {"pid": os.getpid()}  # in every line: several runs may share a file
        self._file = file
        self._secret = secret
        self._lock = threading.Lock()  # inserts are told from a thread

    def write(self, event: str, fields: dict[str, Any]) -> None:
        at = datetime.now(UTC).isoformat(timespec="milliseconds")
        told = {name: self._told(value) for name, value in fields.items()}
        line = json.dumps({"at": at, "event": event, **self.about, **told})
        with self._lock:
            if self.failure is None:
                try:
                    self._file.write(line + "\n")  # the file is flushed at the end of a line
                except OSError as error:
                    self.failure = error

    def _told(self, value: Any) -> Any:
        """An endpoint may repeat in its answer what it was sent: the token is never written down."""
        if isinstance(value, datetime):
            return value.isoformat()
        if isinstance(value, float):
            return round(value, 6)
        text = value if isinstance(value, int | list | dict | None) else str(value)
        return text.replace(self._secret, HIDDEN) if self._secret and isinstance(text, str) else text


_open: Journal | None = None


def note(event: str, **fields: Any) -> None:
    """Add a line, where there is a log file. Numbers stay numbers; moments and the rest become text."""
    if _open is not None:
        _open.write(event, fields)


@contextlib.contextmanager
def kept_in(path: Path | None, secret: str | None = None) -> Iterator[Journal | None]:
    """Notes go to the end of this file meanwhile; None keeps none. Raises OSError when it cannot be opened."""
    global _open
    if path is None:
        yield None
        return
    with open(path, "a", buffering=1, encoding="utf-8") as file:
        _open = Journal(file, secret)
        try:
            yield _open
        finally:
            _open = None
