"""What a run leaves behind: a row in load_runs, and while it lasts a progress file beside the embedded folder.

The file is how `status` sees a load that holds the folder. Knows nothing of what is loaded.
"""

import asyncio
import contextlib
import json
import os
import socket
import sys
import time
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from itertools import takewhile
from pathlib import Path
from typing import Any

from loaders import __version__
from loaders.loading import Result
from loaders.sources import shown
from loaders.subgraph import Counts
from loaders.warehouse import Warehouse


class RunRecord:
    """The run of this process, as load_runs keeps it."""

    def __init__(self, warehouse: Warehouse, run_id: str, result: Result, counts: Counts) -> None:
        self.run_id = run_id
        words = list(takewhile(lambda word: not word.startswith("-"), sys.argv[1:3]))
        self.command = " ".join(words)
        self.asked = [shown(word) for word in sys.argv[1 + len(words) :]]
        self.started_at = datetime.now(UTC)
        self._warehouse = warehouse
        self._result = result
        self._counts = counts
        self._started = time.monotonic()

    def say(self, state: str) -> None:
        """Add a row with the figures of now; the newest row of a run counts. Raises WarehouseError."""
        self._warehouse.record_run(
            {
                "run_id": self.run_id,
                "command": self.command,
                "asked": json.dumps(self.asked),
                "host": socket.gethostname(),
                "pid": os.getpid(),
                "version": __version__,
                "started_at": self.started_at,
                "state": state,
                **self.figures(),
            }
        )

    def figures(self) -> dict[str, Any]:
        """What the run did so far: rows, requests, bytes, seconds."""
        return {
            "rows": sum(self._result.rows.values()),
            "rejected": sum(self._result.rejected.values()),
            "requests": self._counts.requests,
            "retries": self._counts.retries,
            "refused": self._counts.refused,
            "bytes": self._counts.bytes,
            "seconds": time.monotonic() - self._started,
        }


class ProgressFile:
    """How far a run is, for others to read: whole or not there at all."""

    def __init__(self, path: Path | None) -> None:
        self._path = path

    def write(self, figures: dict[str, Any]) -> None:
        if self._path is None:
            return
        draft = self._path.with_name(self._path.name + ".new")
        with contextlib.suppress(OSError):  # a full disk is the load's own trouble, and told there
            draft.write_text(json.dumps(figures | {"updated_at": time.time()}))
            draft.replace(self._path)

    def remove(self) -> None:
        if self._path is not None:
            self._path.unlink(missing_ok=True)


@contextlib.asynccontextmanager
async def every_second(do: Callable[[], None]) -> AsyncIterator[None]:
    """Do something now and every second meanwhile."""

    async def go_on() -> None:
        while True:
            do()
            await asyncio.sleep(1)

    task = asyncio.create_task(go_on())
    try:
        yield
    finally:
        task.cancel()
