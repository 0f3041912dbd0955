"""The pace finds what an endpoint gives, in simulated time: nothing here waits."""

from collections import deque
from collections.abc import Callable
from heapq import heappop, heappush

import pytest

from loaders.pace import Pace

Grant = Callable[[float], bool]
CONCURRENCY = 8


def sliding(allowance: int, seconds: float, used: int = 0) -> Grant:
    """So many requests in any so many seconds; `used` were asked by others just before."""
    granted: deque[float] = deque([-0.5] * used)

    def grant(now: float) -> bool:
        while granted and granted[0] < now - seconds:
            granted.popleft()
        if len(granted) >= allowance:
            return False
        granted.append(now)
        return True

    return grant


def fixed(allowance: int, seconds: float) -> Grant:
    """So many requests, counted anew every so many seconds."""
    window, count = -1, 0

    def grant(now: float) -> bool:
        nonlocal window, count
        if int(now / seconds) != window:
            window, count = int(now / seconds), 0
        count += 1
        return count <= allowance

    return grant


def ask(rate: float, grant: Grant, seconds: float, latency: float = 0.2) -> list[tuple[float, bool]]:
    """When requests were sent, and whether they were granted. A refused one is asked again after half a second."""
    now, asked = 0.0, []
    pace = Pace(rate, lambda: now)
    under_way: list[tuple[float, int, bool]] = []
    idle, resting = CONCURRENCY, list[float]()
    while now < seconds:
        sending = pace.due() if idle else float("inf")
        answer = under_way[0][0] if under_way else float("inf")
        rested = resting[0] if resting else float("inf")
        now = max(now, min(sending, answer, rested))
        if now == answer:
            *_, granted = heappop(under_way)
            if granted:
                pace.answered(latency)
                idle += 1
            else:
                pace.refused(0.0)
                resting.append(now + 0.5)
        elif now == rested:
            resting.pop(0)
            idle += 1
        else:
            pace.take()
            idle -= 1
            granted = grant(now)
            asked.append((now, granted))
            heappush(under_way, (now + latency, len(asked), granted))
    return asked


def per_second(asked: list[tuple[float, bool]], first: float, end: float) -> float:
    """Granted requests."""
    return sum(granted for at, granted in asked if first <= at < end) / (end - first)


def refused(asked: list[tuple[float, bool]]) -> float:
    return sum(not granted for _, granted in asked) / len(asked)


@pytest.mark.parametrize("latency", [0.02, 0.1, 0.3])
@pytest.mark.parametrize("limit", [sliding, fixed])
def test_begun_four_times_too_fast_it_settles_at_the_limit(
    limit: Callable[[int, float], Grant], latency: float
) -> None:
    asked = ask(20, limit(50, 10), 100, latency)
    assert per_second(asked, 20, 100) >= 4.5
    assert refused(asked) <= 0.05


def test_at_the_limit_it_stays_there() -> None:
    asked = ask(5, sliding(50, 10), 300)
    assert per_second(asked, 0, 300) >= 4.5
    assert refused(asked) <= 0.02


@pytest.mark.parametrize("rate", [5, 20])
def test_what_others_asked_before_does_not_slow_it_for_long(rate: float) -> None:
    asked = ask(rate, sliding(50, 10, used=45), 200)
    assert per_second(asked, 60, 200) >= 4.5
    assert refused(asked) <= 0.05


def test_a_limit_of_each_second_is_found_too() -> None:
    asked = ask(20, sliding(5, 1), 200)
    assert per_second(asked, 60, 200) >= 4.0
    assert refused(asked) <= 0.05


def test_a_limit_that_is_raised_is_noticed() -> None:
    few, many = sliding(50, 10), sliding(500, 10)
    asked = ask(20, lambda now: few(now) if now < 100 else many(now), 400)
    assert per_second(asked, 50, 100) <= 5.1
    assert per_second(asked, 250, 400) >= 18


def test_without_a_limit_the_ceiling_is_kept() -> None:
    assert len(ask(20, lambda now: True, 100)) == pytest.approx(2000, abs=20)


def test_trouble_halves_the_rate_once_a_second_and_answers_win_it_back() -> None:
    now = 100.0
    pace = Pace(16, lambda: now)
    for _ in range(3):  # troubles come in crowds
        pace.troubled()
    assert pace.rate == 8
    now += 1
    pace.troubled()
    assert pace.rate == 4
    for _ in range(30):
        now += 0.1
        pace.answered(0.2)
    assert pace.rate == 16


def test_slow_answers_do_not_make_it_faster() -> None:
    now = 100.0
    pace = Pace(16, lambda: now)
    pace.troubled()
    for _ in range(30):
        now += 0.1
        pace.answered(6.0)
    assert pace.rate == 8


def test_what_the_endpoint_asks_to_wait_is_waited() -> None:
    now = 100.0
    pace = Pace(16, lambda: now)
    pace.refused(7.0)
    assert pace.due() >= 107
