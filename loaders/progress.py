"""Show how far a load is: bars on a terminal, plain lines elsewhere."""

import sys
import time
from collections.abc import Callable
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, SpinnerColumn, TaskID, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bars

from loaders.subgraph import Counts

LINE_SECONDS = 10.0  # between plain lines


class Progress:
    """Counts rows per entity; windows also show which part of their range is done."""

    def __init__(self, counts: Counts, quiet: bool = False) -> None:
        console = Console(stderr=True)
        self._counts = counts
        self._quiet = quiet
        self._rows: dict[str, int] = {}
        self._started = time.monotonic()
        self._next_line = self._started + LINE_SECONDS
        self._tasks: dict[str, TaskID] = {}
        self._bars = Bars(
            SpinnerColumn(),
            TextColumn("{task.description:<20}"),
            BarColumn(),
            TextColumn("{task.fields[rows]:>12,} rows {task.fields[rate]:>8,.0f}/s"),
            TimeRemainingColumn(),
            console=console,
            transient=True,
            disable=quiet or not console.is_terminal,
        )

    def __enter__(self) -> "Progress":
        self._bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bars.stop()

    def window(self, name: str, length: float) -> Callable[[int, float], None]:
        """A function to call with the rows of a page and the seconds done with it, of a range of `length` seconds."""
        task = self._task(name)
        total = self._bars.tasks[self._index(task)].total or 0
        self._bars.update(task, total=total + length)

        def tick(rows: int, seconds: float) -> None:
            self._bars.advance(task, seconds)
            self._count(name, rows)

        return tick

    def counter(self, name: str) -> Callable[[int], None]:
        """A function to call with the rows of a page, where no end is known."""
        self._task(name)
        return lambda rows: self._count(name, rows)

    def figures(self) -> dict[str, dict[str, float | None]]:
        """By entity: rows, rows a second, the part that is done (0 to 1) and seconds left, where an end is known."""
        elapsed = max(time.monotonic() - self._started, 1e-9)
        return {
            name: {
                "rows": self._rows.get(name, 0),
                "rows_per_second": self._rows.get(name, 0) / elapsed,
                "done": task.completed / task.total if task.total else None,
                "seconds_left": task.time_remaining if task.total else None,
            }
            for name, task in ((name, self._bars.tasks[self._index(number)]) for name, number in self._tasks.items())
        }

    def _task(self, name: str) -> TaskID:
        if name not in self._tasks:
            self._tasks[name] = self._bars.add_task(name, total=None, rows=0, rate=0.0)
        return self._tasks[name]

    def _index(self, task: TaskID) -> int:
        return self._bars.task_ids.index(task)

    def _count(self, name: str, rows: int) -> None:
        self._rows[name] = self._rows.get(name, 0) + rows
        now = time.monotonic()
        elapsed = max(now - self._started, 1e-9)
        self._bars.update(self._tasks[name], rows=self._rows[name], rate=self._rows[name] / elapsed)
        if self._bars.disable and not self._quiet and now >= self._next_line:
            self._next_line = now + LINE_SECONDS
            total = sum(self._rows.values())
            rate, asked = total / elapsed, self._counts.requests / elapsed
            print(f"{total:,} rows so far, {rate:,.0f} rows/s, {asked:.1f} requests/s", file=sys.stderr, flush=True)
