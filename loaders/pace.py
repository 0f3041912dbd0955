"""How fast to ask: a rate that finds and keeps what the endpoint gives.

Every request waits for its slot here. Full speed is the ceiling; trouble halves it, a refusal (HTTP 429) pauses
everybody and teaches the limit, quick answers win it back. Times are seconds of a monotonic clock.
"""

import asyncio
import time
from collections import deque

ALLOWANCE_SECONDS = 10.0  # over which the endpoint counts requests
MARGIN = 0.95  # of a learned limit: asking at the limit itself is refused half of the time
QUICK_SECONDS = 5.0  # an answer slower than this is no reason to ask faster
SHORTEST_PAUSE, LONGEST_PAUSE = 0.5, 10.0  # after a refusal; doubled while refusals go on
LEAST = 0.05  # of the ceiling: slower than this is never asked
LEAST_LEARNED = 0.2  # of the ceiling: one refusal teaches no less, it may come when little was asked yet
MAKE_UP_SECONDS = 0.4  # of missed slots
CALM_SECONDS = 60.0  # without a refusal: the limit may have been lifted


class Pace:
    """One for all requests to an endpoint."""

    def __init__(self, ceiling: float) -> None:
        self.ceiling = ceiling  # requests per second
        self.rate = ceiling
        self.limit = ceiling  # as learned from refusals
        self._next_slot = 0.0
        self._paused_until = 0.0
        self._pause = SHORTEST_PAUSE
        self._last_cut = 0.0
        self._last_refusal = 0.0
        self._answered: deque[float] = deque()
        self._turn = asyncio.Lock()

    async def slot(self) -> None:
        """Wait until one more request may be sent."""
        async with self._turn:  # first come, first served
            while (due := max(self._next_slot, self._paused_until)) > (now := time.monotonic()):
                await asyncio.sleep(due - now)
            # A sleep ends a little late; slots missed by that are made up for, idle time is not.
            self._next_slot = max(now - MAKE_UP_SECONDS, self._next_slot) + 1 / self.rate

    def answered(self, seconds: float) -> None:
        """An answer came after so many seconds."""
        now = time.monotonic()
        self._answered.append(now)
        self._forget(now)
        if now > self._paused_until:
            self._pause = SHORTEST_PAUSE
        if seconds > QUICK_SECONDS:
            return
        # Back to the known limit within some ten answers; beyond it only by feeling the way.
        if self.rate < self.limit:
            self.rate = min(self.rate * 1.07, self.limit)
        else:
            growth = 1.005 if now - self._last_refusal > CALM_SECONDS else 1.0005
            self.limit = min(self.limit * growth, self.ceiling)
            self.rate = self.limit

    def troubled(self) -> None:
        """A time-out or a 5xx: half as fast, once a second at most, since troubles come in crowds."""
        now = time.monotonic()
        if now - self._last_cut >= 1:
            self._last_cut = now
            self.rate = max(self.rate / 2, self.ceiling * LEAST)

    def refused(self, retry_after: float) -> None:
        """HTTP 429: nobody asks for a while, and then at the rate that was granted until now."""
        now = time.monotonic()
        if now < self._paused_until:
            return  # sent before the pause began
        if self._pause == SHORTEST_PAUSE:  # the first of a streak: what was granted until now is the limit
            self._forget(now)
            granted = len(self._answered) / ALLOWANCE_SECONDS
            self.limit = max(min(granted, self.rate) * MARGIN, self.ceiling * LEAST_LEARNED)
        elif self._pause >= LONGEST_PAUSE:
            self.limit = max(self.limit / 2, self.ceiling * LEAST)
        self._last_refusal = now
        self.rate = max(self.limit / 2, self.ceiling * LEAST)
        self._paused_until = now + max(retry_after, self._pause)
        self._pause = min(self._pause * 2, LONGEST_PAUSE)

    def _forget(self, now: float) -> None:
        while self._answered and self._answered[0] < now - ALLOWANCE_SECONDS:
            self._answered.popleft()
