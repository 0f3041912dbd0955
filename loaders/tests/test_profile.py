"""Where the time goes: measured on the real way of a load, with nothing left behind."""

import json
import os
import re
import time

from loaders.standin.goldsky import Goldsky
from loaders.subgraph import PAGE_SIZE
from loaders.tests.conftest import Desk
from loaders.tests.test_command import assert_one_sentence, call
from loaders.tests.test_loading import NEW_YEAR, asked, fill, open_windows, span

ROWS = [fill(n, NEW_YEAR + n // 7) for n in range(3 * PAGE_SIZE)]


def everything(desk: Desk) -> dict[str, int]:
    """Rows by table."""
    tables = desk.rows("select name from system.tables where database = 'polyledger_raw' order by name")
    return {name: desk.rows(f"select count() from polyledger_raw.{name}")[0][0] for (name,) in tables}


def test_nothing_is_kept_where_something_is_loaded(desk: Desk) -> None:
    with Goldsky({"OrderFilledEvent": ROWS}) as endpoint:
        desk.base_url = endpoint.base_url
        call(desk, "load", "fills", *span(0, 1))
        before = everything(desk)
        endpoint.requests.clear()
        measured = json.loads(call(desk, "profile", "--pages", "2", "--json").out)
        assert [request["first"] for request in asked(endpoint)] == [PAGE_SIZE] * 2
        assert everything(desk) == before and open_windows(desk) == []
    assert (measured["rows"], measured["pages"], measured["requests"]) == (2 * PAGE_SIZE, 2, 2)
    assert abs(sum(measured["shares"].values()) - 1) < 1e-3
    assert all(measured[part] > 0 for part in ("query", "parse", "insert", "megabytes"))
    assert measured["limited_by"] == min(measured["rows_per_second"], key=measured["rows_per_second"].get)


def test_nothing_is_made_where_nothing_is_loaded(desk: Desk) -> None:
    with Goldsky({"OrderFilledEvent": ROWS}) as endpoint:
        desk.base_url = endpoint.base_url
        said = call(desk, "profile", GOLDSKY_REQUESTS_PER_SECOND="5")
        assert "3,000 fills in 4 pages" in said.out  # the last one is empty
        for part in ("query", "parse", "insert"):
            assert re.search(rf"^{part} +[0-9.]+ +[0-9]+% ", said.out, re.MULTILINE), said.out
        assert "limited by the endpoint: 3,750 rows/s" in " ".join(said.out.split())
        assert all(len(line) <= 80 for line in said.out.splitlines())
    assert list(desk.data.parent.iterdir()) == []


def test_it_begins_where_it_is_told(desk: Desk) -> None:
    with Goldsky({"OrderFilledEvent": ROWS}) as endpoint:
        desk.base_url = endpoint.base_url
        measured = json.loads(call(desk, "profile", "--since", "2025-01-01T00:04:00", "--json").out)
        assert measured["rows"] == 3 * PAGE_SIZE - 7 * 240
        said = call(desk, "profile", "--since", "2025-02-01", code=None)
    assert_one_sentence(said, "there is no fill from 2025-02-01 00:00:00 UTC on", "earlier --since")


def test_a_table_that_a_killed_profile_left_goes_away_and_no_other(desk: Desk) -> None:
    left, running, mine = "profile_20250101000000_0123abcd", "profile_20250101000001_0123abcd", "profile_of_mine"
    with Goldsky({"OrderFilledEvent": ROWS[:5]}) as endpoint:
        desk.base_url = endpoint.base_url
        call(desk, "load", "fills", *span(0, 1))
        before = everything(desk).keys()
        for name in (left, running, mine):
            desk.rows(f"create table polyledger_raw.{name} (a UInt8) engine = MergeTree order by a")
        for (path,) in desk.rows(f"select metadata_path from system.tables where name in ('{left}', '{mine}')"):
            two_hours_ago = time.time() - 7200
            os.utime(desk.data / path, (two_hours_ago, two_hours_ago))
        call(desk, "profile")
    assert everything(desk).keys() == before | {running, mine}
