"""Ctrl-C and SIGTERM: the work is asked to end, and if something hangs the process ends all the same."""

import os
import signal
import sys
import threading
from collections.abc import Callable
from types import FrameType

SECONDS = 4.0  # for landing what is in hand; with leaving itself it must stay below five
SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Stopping:
    """While inside, both signals call `stop`, which `by` changes; before and after that they interrupt as Ctrl-C does.

    After SECONDS more the process ends with exit code 1, whatever a thread of it still waits for: what it had in hand
    is then fetched again, as after kill -9.
    """

    def __init__(self) -> None:
        self._stop: Callable[[], object] = _interrupt
        self._deadline = threading.Timer(SECONDS, _leave)
        self._deadline.daemon = True

    def __enter__(self) -> "Stopping":
        self._before = {number: signal.signal(number, self._hear) for number in SIGNALS}
        return self

    def __exit__(self, *_: object) -> None:
        self._deadline.cancel()
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def by(self, stop: Callable[[], object]) -> None:
        """Stop in this way from now on."""
        self._stop = stop

    def _hear(self, number: int, frame: FrameType | None) -> None:
        if not self._deadline.is_alive():
            self._deadline.start()
            self._stop()


def _interrupt() -> None:
    raise KeyboardInterrupt


def _leave() -> None:
    show_cursor = "\x1b[?25h" if sys.stderr.isatty() else ""  # a progress bar hides it
    print(
        f"{show_cursor}stopped; what was in hand could not be landed within {SECONDS:.0f} s and is fetched again. "
        "Run the same command again to continue.",
        file=sys.stderr,
        flush=True,
    )
    os._exit(1)
