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
from pathlib import Path
from typing import Any

from loaders import __version__
from loaders.loading import Result
from loaders.subgraph import Counts
from loaders.warehouse import Warehouse


class RunRecord:
    """The run of this process, as load_runs keeps it."""

    def __init__(self, warehouse: Warehouse, run_id: str, result: Result, counts: Counts) -> None:
        self.run_id = run_id
        self.command = " ".join(sys.argv[1:3])
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
                "asked": json.dumps(sys.argv[3:]),
                "host": socket.gethostname(),
                "pid": os.getpid(),
                "version": __version__,
                "started_at": self.started_at,
                "state": state,
                "rows": sum(self._result.rows.values()),
                "rejected": sum(self._result.rejected.values()),
                "requests": self._counts.requests,
                "retries": self._counts.retries,
                "refused": self._counts.refused,
                "bytes": self._counts.bytes,
                "seconds": time.monotonic() - self._started,
            }
        )


@contextlib.asynccontextmanager
async def progress_file(path: Path | None, figures: Callable[[], dict[str, Any]]) -> AsyncIterator[None]:
    """Write `figures` to the file once a second, whole or not at all, and remove it at the end."""
    if path is None:
        yield
        return
    writer = asyncio.create_task(_write_every_second(path, figures))
    try:
        yield
    finally:
        writer.cancel()
        path.unlink(missing_ok=True)


async def _write_every_second(path: Path, figures: Callable[[], dict[str, Any]]) -> None:
    draft = path.with_name(path.name + ".new")
    while True:
        with contextlib.suppress(OSError):  # a full disk is the load's own trouble, and told there
            draft.write_text(json.dumps(figures() | {"updated_at": time.time()}))
            draft.replace(path)
        await asyncio.sleep(1)
