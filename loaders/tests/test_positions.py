"""Polymarket's own record of positions: all of a wallet's, as of one block, asked for again on every run."""

import json
from pathlib import Path
from typing import Any

import pytest

from loaders.changes import REORG_BLOCKS
from loaders.entities import Row
from loaders.standin.goldsky import FIRST_HEAD, Faults, Goldsky, Request
from loaders.subgraph import PAGE_SIZE
from loaders.tests.conftest import Desk
from loaders.tests.test_command import assert_one_sentence, call
from loaders.tests.test_loading import ALICE, BOB, CAROL, asked, fill, ids, landed, raw, rejected, windows


def position(user: str, token: int, amount: int = 5_000_000) -> Row:
    return {
        "id": f"{user}-{token}",
        "user": user,
        "tokenId": str(token),
        "amount": str(amount),
        "avgPrice": "-290000",
        "realizedPnl": "-3",
        "totalBought": "9000000",
    }


def many(user: str, count: int) -> list[Row]:
    return [position(user, 1 + n) for n in range(count)]


def wallets_of(*users: str) -> list[str]:
    return [word for user in users for word in ("--wallet", user)]


def amounts(desk: Desk) -> dict[str, int]:
    """Shares by id, the newest copy."""
    return dict(desk.rows("select id, argMax(amount, _loaded_at) from polyledger_raw.user_positions group by id"))


def remembered(desk: Desk, state: str = "complete") -> dict[str, str]:
    """Block by wallet."""
    return {w[0].removeprefix("wallet:"): w[3].partition(":")[0] for w in windows(desk, state, "UserPosition")}


@pytest.mark.parametrize("words", [[], ["--dry-run"], ["--json"]])
def test_without_a_wallet_it_is_not_known_whose(desk: Desk, words: list[str]) -> None:
    said = call(desk, "load", "positions", *words, code=None)
    assert_one_sentence(said, "name wallets with --wallet or --wallets-from")
    assert not desk.data.exists()


def test_positions_of_given_wallets_land_whole_and_as_served(desk: Desk, tmp_path: Path) -> None:
    rows = [*many(ALICE, 2 * PAGE_SIZE + 3), position(BOB, 2**255, 2**200), *many(CAROL, 5)]
    file = tmp_path / "wallets.csv"
    file.write_text(f"name,wallet\nbob,{BOB.upper().replace('X', 'x')}\n")
    with Goldsky({"UserPosition": rows}) as endpoint:
        desk.base_url = endpoint.base_url
        said = call(desk, "load", "positions", *wallets_of(ALICE), "--wallets-from", str(file))
        assert all(request["block"] == {"number": FIRST_HEAD} for request in asked(endpoint, "userPositions"))
        assert {user for request in asked(endpoint, "userPositions") for user in request["user_in"]} == {ALICE, BOB}
    assert f"landed {2 * PAGE_SIZE + 4:,} UserPosition" in said.out
    assert landed(desk, "user_positions") == ids(rows[: 2 * PAGE_SIZE + 4])
    assert (f"{BOB}-{2**255}", bytes.fromhex(BOB[2:]), 2**255, 2**200, -290_000, -3, 9_000_000) in raw(
        desk, "user_positions"
    )
    assert remembered(desk) == {ALICE: str(FIRST_HEAD), BOB: str(FIRST_HEAD)}


def test_many_wallets_are_asked_for_together(desk: Desk) -> None:
    users = [f"0x{n:040x}" for n in range(1, 951)]
    with Goldsky({"UserPosition": [position(user, 7) for user in users]}) as endpoint:
        desk.base_url = endpoint.base_url
        call(desk, "load", "positions", *wallets_of(*users))
        batches = [request["user_in"] for request in asked(endpoint, "userPositions")]
    assert sorted(user for batch in batches for user in batch) == users
    assert max(map(len, batches)) == 100
    assert landed(desk, "user_positions") == {f"{user}-7" for user in users}


def test_positions_change_so_they_are_asked_for_again(desk: Desk) -> None:
    with Goldsky({"UserPosition": many(ALICE, 3)}) as endpoint:
        desk.base_url = endpoint.base_url
        call(desk, "load", "positions", *wallets_of(ALICE))
        endpoint.put("UserPosition", [position(ALICE, 2, 0), position(ALICE, 9)])
        said = call(desk, "load", "positions", *wallets_of(ALICE), "--json")
    assert json.loads(said.out)["rows"] == {"UserPosition": 4}
    assert amounts(desk) == {f"{ALICE}-{token}": amount for token, amount in ((1, 5e6), (2, 0), (3, 5e6), (9, 5e6))}
    assert remembered(desk) == {ALICE: str(FIRST_HEAD + 1)}


def test_all_pages_are_of_one_block(desk: Desk) -> None:
    """Meanwhile the record goes on; what changed between two pages is not seen in one of them only."""

    class Trading(Goldsky):
        def answer_noting(self, asked: Request, *question: Any) -> dict[str, Any]:
            answer = super().answer_noting(asked, *question)
            if "userPositions" in asked.fields:
                self.put("UserPosition", [position(ALICE, token, 1) for token in (1, 9_999)])
            return answer

    with Trading({"UserPosition": [position(ALICE, token) for token in range(1000, 9_999)]}) as endpoint:
        desk.base_url = endpoint.base_url
        call(desk, "load", "positions", *wallets_of(ALICE))
        assert len(asked(endpoint, "userPositions")) == 9
    assert amounts(desk).keys() == {f"{ALICE}-{token}" for token in range(1000, 9_999)}


def test_a_block_that_is_not_served_any_more_is_done_without(desk: Desk) -> None:
    class Pruned(Goldsky):
        def pinned_block(self, block: dict[str, Any], head: int) -> int | None:
            if "number" in block:
                block = {"number": head + 1}
            return super().pinned_block(block, head)

    with Pruned({"UserPosition": many(ALICE, PAGE_SIZE + 1)}) as endpoint:
        desk.base_url = endpoint.base_url
        said = call(desk, "load", "positions", *wallets_of(ALICE))
        assert asked(endpoint, "userPositions")[-1]["block"] == {"number_gte": FIRST_HEAD}
    assert "note: positions are of block 50,000,000 or later" in said.out
    assert len(amounts(desk)) == PAGE_SIZE + 1


def test_wallets_without_a_position_are_told(desk: Desk) -> None:
    with Goldsky({"UserPosition": many(ALICE, 2)}) as endpoint:
        desk.base_url = endpoint.base_url
        said = call(desk, "load", "positions", *wallets_of(ALICE, BOB))
    assert "note: 1 of 2 wallets have no position in the pnl subgraph" in said.out
    assert remembered(desk).keys() == {ALICE, BOB}


def test_a_damaged_position_is_kept_aside(desk: Desk) -> None:
    rows = [position(ALICE, 1) | {"avgPrice": "cheap"}, position(ALICE, 2), position(BOB, 3) | {"user": None}]
    with Goldsky({"UserPosition": rows}) as endpoint:
        desk.base_url = endpoint.base_url
        said = call(desk, "load", "positions", *wallets_of(ALICE), code=3)
        assert "kept aside: 1 rows of UserPosition" in said.out
        assert [(entity, reason) for entity, _, reason, _ in rejected(desk)] == [
            ("UserPosition", 'avgPrice is not a whole number: "cheap"')
        ]
        assert landed(desk, "user_positions") == {f"{ALICE}-2"}
        # Mended, it is asked for by what changed too, though the endpoint does not say that it changed.
        endpoint.put("UserPosition", [position(ALICE, 1) | {"_block": 1}])
        call(desk, "sync")
    assert landed(desk, "user_positions") == {f"{ALICE}-1", f"{ALICE}-2"}


def test_wallets_that_were_not_answered_stay_open_and_are_taken_up(desk: Desk) -> None:
    with Goldsky({"UserPosition": many(ALICE, 3)}, faults=Faults(1.0, ("502",), first=1)) as endpoint:
        desk.base_url = endpoint.base_url
        said = call(desk, "load", "positions", *wallets_of(ALICE), code=3)
        assert f"open: UserPosition {ALICE} is still open" in said.out
        assert remembered(desk) == {} and remembered(desk, "open") == {ALICE: ""}
        assert json.loads(call(desk, "status", "--json").out)["positions"] == {
            "wallets": 1,
            "open": 1,
            "oldest_at": None,
            "newest_at": None,
        }
        assert "1 still open" in call(desk, "status").out
        checks = {each["name"]: each for each in json.loads(call(desk, "verify", "--json", code=1).out)["checks"]}
        assert checks["positions"]["verdict"] == "fail"
        endpoint.faults = Faults(0.0)
        call(desk, "sync")
        checks = {each["name"]: each for each in json.loads(call(desk, "verify", "--json").out)["checks"]}
        assert checks["positions"]["verdict"] == "pass"
    assert len(amounts(desk)) == 3 and remembered(desk) == {ALICE: str(FIRST_HEAD)}
    assert "Positions: 1 wallets, as of 20" in call(desk, "status").out


def test_sync_asks_for_changed_positions_only(desk: Desk) -> None:
    rows = [*many(ALICE, 1200), *many(BOB, 3), *many(CAROL, 2)]
    with Goldsky({"UserPosition": rows}) as endpoint:
        desk.base_url = endpoint.base_url
        call(desk, "load", "positions", *wallets_of(ALICE, BOB))
        endpoint.requests.clear()
        endpoint.put("UserPosition", [position(ALICE, 7, 1), position(CAROL, 1, 1)])
        assert "1 UserPosition" in call(desk, "sync").out
        (request,) = asked(endpoint, "userPositions")
        assert request["_change_block"] == {"number_gte": FIRST_HEAD - REORG_BLOCKS}
        assert request["user_in"] == [ALICE, BOB]
        assert amounts(desk)[f"{ALICE}-7"] == 1 and f"{CAROL}-1" not in amounts(desk)
        assert remembered(desk) == {ALICE: str(FIRST_HEAD + 1), BOB: str(FIRST_HEAD + 1)}

        # Deployed anew, nothing that was said before counts.
        endpoint.requests.clear()
        endpoint.put("UserPosition", [position(BOB, 2, 4) | {"_block": 1}])
        call(desk, "sync")
        assert amounts(desk)[f"{BOB}-2"] == 5e6
        deployment = endpoint.meta("other", None)
        endpoint.meta = lambda subgraph, pinned: deployment  # type: ignore[method-assign]
        call(desk, "sync")
    assert amounts(desk)[f"{BOB}-2"] == 4


def test_positions_alone_are_no_reason_to_load_everything(desk: Desk) -> None:
    with Goldsky({"UserPosition": many(ALICE, 3), "OrderFilledEvent": [fill(1)]}) as endpoint:
        desk.base_url = endpoint.base_url
        call(desk, "load", "positions", *wallets_of(ALICE))
        call(desk, "sync", "--since", "2025-01-01")
        assert asked(endpoint) == []


def test_a_plan_names_how_many_and_asks_nothing(desk: Desk) -> None:
    with Goldsky({"UserPosition": many(ALICE, 3)}) as endpoint:
        desk.base_url = endpoint.base_url
        said = call(desk, "load", "positions", *wallets_of(ALICE, BOB), "--dry-run")
        assert said.out == "UserPosition: positions of 2 wallets, as many requests as it takes\n"
        assert endpoint.requests == []
    assert not desk.data.exists()
