"""How fast to ask: a rate that finds and keeps what the endpoint gives.

Every request waits for its slot here. Full speed is the ceiling; trouble halves it, a refusal (HTTP 429) pauses
everybody and teaches the limit, quick answers win it back. Times are seconds of a monotonic clock.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable

ALLOWANCE_SECONDS = 10.0  # over which the endpoint counts requests
MARGIN = 0.97  # of a learned limit: asking at the limit itself is refused half of the time
QUICK_SECONDS = 5.0  # an answer slower than this is no reason to ask faster
SHORTEST_PAUSE, LONGEST_PAUSE = 0.5, 10.0  # after a refusal; doubled while refusals go on
LEAST = 0.02  # of the ceiling: slower than this is never asked
LEAST_GUESS = 0.25  # of the rate: so early, the endpoint may also count what another run asked before
GROWTH = 0.001  # of the limit a second: feeling whether it is a little higher
PROBING = 0.05  # of the limit a second, where it may be a lot higher
MAKE_UP_SECONDS = 0.4  # of missed slots
CALM_SECONDS = 60.0  # without a refusal: the limit may have been raised


class Pace:
    """One for all requests to an endpoint."""

    def __init__(self, ceiling: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self.ceiling = ceiling  # requests per second
        self.rate = ceiling
        self.limit = ceiling  # as learned from refusals
        self._next_slot = 0.0
        self._paused_until = 0.0
        self._pause = SHORTEST_PAUSE
        self._last_cut = 0.0
        self._last_refusal = 0.0
        self._is_guess = False  # the limit was learned while others' requests may still have counted
        self.seconds_per_answer = 0.2  # a running average
        self._began = self._last_answer = self._clock()
        self._answered: deque[float] = deque()
        self._turn = asyncio.Lock()

    async def slot(self) -> None:
        """Wait until one more request may be sent."""
        async with self._turn:  # first come, first served
            while (wait := self.due() - self._clock()) > 0:
                await asyncio.sleep(wait)
            self.take()

    def due(self) -> float:
        """When the next request may be sent."""
        return max(self._next_slot, self._paused_until)

    def take(self) -> None:
        """A request is sent now."""
        # A sleep ends a little late, and a load begins with few questions: a few missed slots are made up for.
        now = self._clock()
        if self._pause > SHORTEST_PAUSE:  # refusals may go on: one at a time until an answer comes
            self._next_slot = now + max(1 / self.rate, 2 * self.seconds_per_answer)
        else:
            self._next_slot = max(now - MAKE_UP_SECONDS, self._next_slot) + 1 / self.rate

    def answered(self, seconds: float) -> None:
        """An answer came after so many seconds."""
        now = self._clock()
        since, self._last_answer = now - self._last_answer, now
        self._answered.append(now)
        self._forget(now)
        self.seconds_per_answer += (seconds - self.seconds_per_answer) / 10
        if now > self._paused_until:
            self._pause = SHORTEST_PAUSE
        if seconds > QUICK_SECONDS:
            return
        # Back to the known limit within some ten answers; beyond it only by feeling the way.
        if self.rate < self.limit:
            self.rate = min(self.rate * 1.07, self.limit)
        else:
            growth = PROBING if self._is_guess or now - self._last_refusal > CALM_SECONDS else GROWTH
            self.limit = min(self.limit * (1 + growth * min(since, 1)), self.ceiling)
            self.rate = self.limit

    def troubled(self) -> None:
        """A time-out or a 5xx: half as fast, once a second at most, since troubles come in crowds."""
        now = self._clock()
        if now - self._last_cut >= 1:
            self._last_cut = now
            self.rate = max(self.rate / 2, self.ceiling * LEAST)

    def refused(self, retry_after: float) -> None:
        """HTTP 429: nobody asks for a while, and then at the rate that was granted until now."""
        now = self._clock()
        if now < self._paused_until:
            return  # sent before the pause began
        if self._pause == SHORTEST_PAUSE:  # the first of a streak: what was granted until now is the limit
            self._forget(now)
            granted = len(self._answered) / ALLOWANCE_SECONDS
            self._is_guess = now - self._began < ALLOWANCE_SECONDS
            least = self.rate * LEAST_GUESS if self._is_guess else self.ceiling * LEAST
            self.limit = max(min(granted * MARGIN, self.limit), least)
        elif self._pause >= LONGEST_PAUSE:
            self.limit = max(self.limit / 2, self.ceiling * LEAST)
        self._last_refusal = now
        self.rate = self.limit
        self._paused_until = now + max(retry_after, self._pause)
        self._pause = min(self._pause * 2, LONGEST_PAUSE)

    def _forget(self, now: float) -> None:
        while self._answered and self._answered[0] < now - ALLOWANCE_SECONDS:
            self._answered.popleft()
