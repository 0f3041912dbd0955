"""The record of a run, and what others see of it while it lasts."""

import json
import re
import signal
import subprocess
import sys
import time
from unittest import mock

import pytest

from loaders import progress
from loaders.standin.goldsky import Faults, Goldsky
from loaders.standin.world import World, simulate
from loaders.subgraph import PAGE_SIZE
from loaders.tests.conftest import PROJECT, Desk
from loaders.tests.test_command import call
from loaders.tests.test_loading import NEW_YEAR, fill, landed, start

RUNS = """
    select command, argMax(state, updated_at), argMax(rows, updated_at), argMax(requests, updated_at)
    from polyledger_raw.load_runs group by run_id, command order by min(started_at)
"""


@pytest.fixture(scope="module")
def world() -> World:
    return simulate(5, steps=150)


def test_each_run_is_recorded_with_its_end(desk: Desk, world: World) -> None:
    with Goldsky(world.entities, head=world.until) as endpoint:
        desk.base_url = endpoint.base_url
        call(desk, "load", "fills")
        landed = len(world.entities["OrderFilledEvent"]) + len(world.entities["FeeRefundedEntity"])
        asked = len(endpoint.requests)
        endpoint.faults = Faults(1.0, ("502",), first=1)
        call(desk, "load", "activity", code=3)
        call(desk, "load", "payouts", "--all", code=3)
    assert desk.rows(RUNS)[0] == ("load fills", "done", landed, asked)
    assert [row[:2] for row in desk.rows(RUNS)[1:]] == [("load activity", "incomplete"), ("load payouts", "incomplete")]


def test_a_log_tells_rates_the_limit_and_the_time_left(desk: Desk, world: World) -> None:
    makers = sorted({row["maker"] for row in world.entities["OrderFilledEvent"]})[:4]
    only = [word for maker in makers for word in ("--wallet", maker)]
    with (
        Goldsky(world.entities, head=world.until, latency=0.4) as endpoint,
        mock.patch.object(progress, "LINE_SECONDS", 1.0),
    ):
        desk.base_url = endpoint.base_url
        said = call(desk, "load", "fills", *only, GOLDSKY_REQUESTS_PER_SECOND="4")
        quiet = call(desk, "load", "activity", *only[:2], "--json", GOLDSKY_REQUESTS_PER_SECOND="4")
    lines = said.err.splitlines()
    assert lines and quiet.err == ""
    for line in lines:
        assert re.match(r"[\d,]+ rows so far, [\d,]+ rows/s, [\d.]+ requests/s \(limit 4\.0\)", line), line
    assert re.search(r", \d+% done, about [\d.]+ (s|min) left$", lines[-1])


@pytest.mark.parametrize("fault", ["hang", "502"])
def test_stopped_while_the_endpoint_is_in_trouble_it_lands_what_is_in_hand(desk: Desk, fault: str) -> None:
    rows = [fill(n, NEW_YEAR + n) for n in range(3 * PAGE_SIZE)]
    # Heads, refunds and a page of fills are answered.
    faults = Faults(1.0, (fault,), first=4, hang_seconds=600)
    with Goldsky({"OrderFilledEvent": rows}, faults=faults) as endpoint:
        desk.base_url = endpoint.base_url
        process = start(desk, "load", "fills", "--since", "2025-01-01")
        while process.poll() is None and endpoint.faults.taken < 5:
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=120)  # far less than what it was waiting for
    assert process.returncode == 1 and "stopped; what had arrived is landed." in err
    assert len(landed(desk)) >= PAGE_SIZE


def test_a_load_is_seen_while_it_lasts_and_its_end_is_told(desk: Desk, world: World) -> None:
    with Goldsky(world.entities, head=world.until, latency=5) as endpoint:
        desk.base_url = endpoint.base_url
        words = [sys.executable, "-m", "loaders.cli", "load", "fills"]
        environment = desk.environment(GOLDSKY_REQUESTS_PER_SECOND="0.1")
        load = subprocess.Popen(words, env=environment, cwd=PROJECT, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        told = desk.data.with_name(desk.data.name + ".progress.json")
        try:
            while not told.exists():
                assert load.poll() is None, load.communicate()
            seen = json.loads(desk.polyledger("status", "--json").stdout)
        finally:
            load.send_signal(signal.SIGTERM)
            load.communicate(timeout=60)
    assert seen["state"] == "loading"
    assert seen["progress"]["limit_per_second"] == 0.1
    assert seen["progress"]["command"] == "load fills" and seen["progress"]["pid"] == load.pid
    assert not told.exists()
    assert desk.rows(RUNS)[0][:2] == ("load fills", "stopped")
