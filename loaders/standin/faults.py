"""loaders/standin/faults.py: which requests fail, and how: what an endpoint under strain does."""

import random
import threading
from collections import deque
from collections.abc import Sequence
from typing import TypeVar

Choice = TypeVar("Choice")

FAULTS = ("429", "500", "502", "503", "errors", "null", "truncated", "not_json", "short_json", "hang", "partial")
ALLOWANCE = "Sorry, you've surpassed your query allowance. Please try again - limits reset every 10 seconds."
FAILURES = ("Query timed out", "Store error: canceling statement due to statement timeout")


class Faults:
    """Which requests fail, and how.

    `queue` is used up first, one name a request ("ok" for none); then a request fails with probability `rate`, by one
    of `kinds`. `first` is the index of the first request that may fail so: those before it are answered.
    """

    def __init__(
        self, rate: float, kinds: tuple[str, ...] = FAULTS, seed: int = 0, first: int = 0, hang_seconds: float = 2.0
    ) -> None:
        unknown = sorted(set(kinds) - set(FAULTS))
        if unknown:
            raise ValueError(f"Unknown fault {unknown[0]!r}: choose among {', '.join(FAULTS)}.")
        self.rate = rate
        self.kinds = kinds
        self.first = first
        self.hang_seconds = hang_seconds
        self.queue: deque[str] = deque()
        self.random = random.Random(seed)
        self.lock = threading.Lock()
        self.taken = 0

    def take(self) -> str:
        """Return the fault of the next request, or "ok"."""
        with self.lock:
            self.taken += 1
            if self.queue:
                fault = self.queue.popleft()
                if fault != "ok" and fault not in FAULTS:
                    raise ValueError(f"Unknown fault {fault!r} in the queue: choose among ok, {', '.join(FAULTS)}.")
                return fault
            if self.taken <= self.first or self.random.random() >= self.rate:
                return "ok"
            return self.random.choice(self.kinds)

    def choose(self, options: Sequence[Choice]) -> Choice:
        with self.lock:
            return self.random.choice(options)
