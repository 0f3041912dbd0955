"""A second opinion on payouts: resolution logs and files beside the subgraph, by a written priority."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from loaders.standin.goldsky import Goldsky
from loaders.standin.node import FIRST_BLOCK, FIRST_TIME, Node, resolution_log
from loaders.standin.world import World, simulate
from loaders.tests.conftest import Desk
from loaders.tests.test_command import call
from loaders.tests.test_loading import hash_of

START = FIRST_TIME + 3_600
STRANGE = hash_of("a condition that only the file knows")


def block_of(second: int) -> int:
    return FIRST_BLOCK + (second - FIRST_TIME) // 2


@pytest.fixture(scope="module")
def world() -> World:
    return simulate(4, steps=120, start=START)


@pytest.fixture(scope="module")
def built(world: World, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    """Resolutions from the subgraph, half of them also from the chain, and a few from a file."""
    folder = tmp_path_factory.mktemp("resolutions")
    half = [
        resolution_log(market, block_of(second), number, hash_of("resolution", number))
        for number, (second, market) in enumerate(world.resolutions)
        if number % 2
    ]
    file = folder / "payouts.csv"
    _, market = world.resolutions[0]
    file.write_text(
        "condition_id,payouts,resolved_at\n"
        f'{market.condition},"{[payout * 3 for payout in market.payouts]}",2026-05-01T12:00:00\n'
        f"{STRANGE},0.54 0.46,\n"
    )
    with Goldsky(world.entities) as endpoint, Node(half, head=block_of(world.until) + 300) as node:
        desk = Desk(folder / "warehouse", endpoint.base_url)
        desk.load_everything()
        asked = ["--only", "resolutions", "--from-block", str(FIRST_BLOCK)]
        call(desk, "load", "logs", *asked, POLYGON_RPC_URL=node.base_url, POLYGON_RPC_REQUESTS_PER_SECOND="10000")
        call(desk, "load", "payouts", "--from-file", str(file))
    desk.dbt("build", "--exclude-resource-type", "unit_test", "--exclude", "assert_days_after_v1_have_fills_of_v2")
    yield desk


def truth(desk: Desk, condition: str) -> tuple[Any, ...]:
    (row,) = desk.rows(
        "select source, resolved_at_basis, toUnixTimestamp(resolved_at), payout_numerators, outcome_count, "
        f"winning_index from polyledger.vw_resolutions_truth where condition_id = '{condition}'"
    )
    return row


def test_what_the_chain_says_counts_before_the_subgraph(built: Desk, world: World) -> None:
    assert len(world.resolutions) > 10
    for number, (second, market) in enumerate(world.resolutions):
        source, basis, moment, numerators, outcomes, _ = truth(built, market.condition)
        assert source == ("chain" if number % 2 else "pnl-subgraph")
        assert (list(numerators), outcomes) == (market.payouts, 2)
        if number % 2:
            assert (basis, moment) == ("resolution_log", FIRST_TIME + (second - FIRST_TIME) // 2 * 2)
    _, first = world.resolutions[0]
    assert truth(built, first.condition)[1:3] == ("file", 1_777_636_800)


def test_a_condition_that_only_a_file_knows_is_in_the_truth(built: Desk) -> None:
    assert truth(built, STRANGE) == ("file", None, None, [54, 46], 2, 0)


def test_a_file_lands_once_and_is_corrected_by_the_next(desk: Desk, tmp_path: Path) -> None:
    file = tmp_path / "payouts.jsonl"
    file.write_text(f'{{"condition_id": "{STRANGE}", "payouts": [0.10000000000000001, "0.9"]}}\n')
    said = call(desk, "load", "payouts", "--from-file", str(file))
    assert "landed 1 FilePayout" in said.out
    call(desk, "load", "payouts", "--from-file", str(file))
    query = "select payouts, resolved_at, file from polyledger_raw.file_payouts final"
    assert desk.rows(query) == [(["0.10000000000000001", "0.9"], None, "payouts.jsonl")]
    file.write_text(f'{{"condition_id": "{STRANGE}", "payouts": [1, 0], "resolved_at": "2025-01-01"}}\n')
    call(desk, "load", "payouts", "--from-file", str(file))
    ((payouts, moment, _),) = desk.rows(query)
    assert payouts == ["1", "0"] and moment.isoformat().startswith("2025-01-01T00:00:00")


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "is neither JSON lines nor a csv with the columns condition_id, payouts, resolved_at"),
        ("condition_id,payouts\n", "has no rows"),
        ("condition_id,payouts\n0x12,1 0\n", "line 2: conditionId is not 0x and 64 hex digits"),
        (f"condition_id,payouts\n{STRANGE},1 0\n{STRANGE},0 1\n", "is there twice, with another payout"),
        (f"condition_id,payouts\n{STRANGE},1\n", "line 2: payouts must be two numbers or more"),
        (f"condition_id,payouts\n{STRANGE},1,0\n", "line 2 has more values than the csv has columns"),
        (f"condition_id,payouts,resolved_at\n{STRANGE},[1, 0]\n", "line 2: payouts must be two numbers or more"),
        (f"condition_id,payouts,resolved_at\n{STRANGE},[1, 0]\n", "with quotes where commas are between them"),
        (f"condition_id,payouts\n{STRANGE},0 0\n", "line 2: payouts are all 0"),
        (f'condition_id,payouts\n{STRANGE},"0,54 0,46"\n', "line 2: payouts is not a decimal number"),
        (f'condition_id,payouts\n{STRANGE},"0,54;0,46"\n', "line 2: payouts is not a decimal number"),
        (f"condition_id,payouts\n{STRANGE},1 -1\n", "line 2: payouts is not a decimal number"),
        (f"condition_id,payouts,resolved_at\n{STRANGE},1 0,soon\n", "line 2: resolved_at 'soon' is no moment"),
        (f'{{"condition_id": "{STRANGE}", "payouts": [1, 0]}}\n[1]\n', "line 2 is not a JSON object"),
    ],
)
def test_a_file_that_is_wrong_lands_nothing(desk: Desk, tmp_path: Path, text: str, sentence: str) -> None:
    file = tmp_path / "payouts"
    file.write_text(text)
    said = call(desk, "load", "payouts", "--from-file", str(file), code=2)
    assert sentence in said.err and not desk.data.exists()


def test_where_payouts_come_from_is_one_choice(desk: Desk, tmp_path: Path) -> None:
    said = call(desk, "load", "payouts", "--all", "--from-file", str(tmp_path), code=2)
    assert "exclude each other" in said.err
