"""Show how far a load is: bars on a terminal, plain lines elsewhere. Both tell rows and requests a second, the rate
that is allowed now, and the time left."""

import sys
import time
from collections import deque
from collections.abc import Callable, Iterable
from types import TracebackType

from rich.console import Console, RenderableType
from rich.progress import BarColumn, SpinnerColumn, TaskID, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bars
from rich.text import Text

from loaders.checks.report import duration
from loaders.pace import Pace
from loaders.subgraph import Counts

LINE_SECONDS = 10.0  # between plain lines
RECENT_SECONDS = 20.0  # over which rates are told


class Progress:
    """Counts rows per entity; windows also show which part of their range is done."""

    def __init__(self, counts: Counts, pace: Pace, quiet: bool = False) -> None:
        console = Console(stderr=True)
        self._counts = counts
        self._pace = pace
        self._quiet = quiet
        self._rows: dict[str, int] = {}
        self._began: dict[str, float] = {}
        self._tasks: dict[str, TaskID] = {}
        self._next_line = time.monotonic() + LINE_SECONDS
        self._recent = deque([(time.monotonic(), 0, counts.requests)])  # when, rows and requests by then
        self._bars = _BarsWithRates(
            self._rates,
            SpinnerColumn(),
            TextColumn("{task.description:<18}"),
            BarColumn(bar_width=None),
            TextColumn("{task.fields[rows]:>13,} rows"),
            TimeRemainingColumn(),
            console=console,
            expand=True,
            transient=True,
            speed_estimate_period=300,  # pages of a window are seconds apart, and uneven
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
        now = time.monotonic()
        return {
            name: {
                "rows": self._rows.get(name, 0),
                "rows_per_second": self._rows.get(name, 0) / max(now - self._began[name], 1e-9),
                "done": task.completed / task.total if task.total else None,
                "seconds_left": task.time_remaining if task.total else None,
            }
            for name, task in ((name, self._bars.tasks[self._index(number)]) for name, number in self._tasks.items())
        }

    def beat(self) -> None:
        """To be called every second or so: rates are told of the last seconds, and now and then in a plain line."""
        now = time.monotonic()
        self._recent.append((now, sum(self._rows.values()), self._counts.requests))
        while now - self._recent[0][0] > RECENT_SECONDS:
            self._recent.popleft()
        if self._bars.disable and not self._quiet and now >= self._next_line:
            self._next_line = now + LINE_SECONDS
            print(
                f"{sum(self._rows.values()):,} rows so far, {self._rates()}{self._left()}", file=sys.stderr, flush=True
            )

    def requests_per_second(self) -> float:
        """Of the last seconds."""
        then, _, requests = self._recent[0]
        return (self._counts.requests - requests) / max(time.monotonic() - then, 1e-9)

    def _rates(self) -> str:
        then, rows, _ = self._recent[0]
        said = [f"{(sum(self._rows.values()) - rows) / max(time.monotonic() - then, 1e-9):,.0f} rows/s"]
        if self._counts.requests:  # files are read without any
            said.append(f"{self.requests_per_second():.1f} requests/s (limit {self._pace.rate:.1f})")
        if self._counts.retries:
            said.append(f"{self._counts.retries:,} retried")
        if self._counts.refused:
            said.append(f"{self._counts.refused:,} refused")
        return ", ".join(said)

    def _left(self) -> str:
        """Of all ranges together: seconds of a range are done as quickly as its rows are few, so it is a guess."""
        ranged = [task for task in self._bars.tasks if task.total]
        left = [task.time_remaining for task in ranged if task.time_remaining is not None]
        if not ranged or not left:
            return ""
        done = sum(task.completed for task in ranged) / sum(task.total or 0 for task in ranged)
        return f", {done:.0%} done, about {duration(max(left))} left"

    def _task(self, name: str) -> TaskID:
        if name not in self._tasks:
            self._tasks[name] = self._bars.add_task(name, total=None, rows=0)
            self._began[name] = time.monotonic()
        return self._tasks[name]

    def _index(self, task: TaskID) -> int:
        return self._bars.task_ids.index(task)

    def _count(self, name: str, rows: int) -> None:
        self._rows[name] = self._rows.get(name, 0) + rows
        self._bars.update(self._tasks[name], rows=self._rows[name])


class _BarsWithRates(Bars):
    """Bars, and a line below them."""

    def __init__(self, rates: Callable[[], str], *columns: object, **options: object) -> None:
        self._rates = rates
        super().__init__(*columns, **options)  # type: ignore[arg-type]

    def get_renderables(self) -> Iterable[RenderableType]:
        yield self.make_tasks_table(self.tasks)
        yield Text(self._rates(), style="dim", no_wrap=True, overflow="ellipsis")
