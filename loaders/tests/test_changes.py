"""State is refreshed by what changed since the last block seen, and no replica behind the head is believed."""

import json

import pytest

from loaders.changes import REORG_BLOCKS, since_block
from loaders.entities import Row
from loaders.standin.goldsky import FIRST_HEAD, Faults, Goldsky, Request
from loaders.subgraph import Head
from loaders.tests.conftest import Desk
from loaders.tests.test_command import call
from loaders.tests.test_loading import (
    NEW_YEAR,
    WithoutChanges,
    asked,
    asked_ids,
    changes_asked,
    fill,
    hash_of,
    ids,
    landed,
    market,
    payouts,
    rejected,
    span,
    split,
    windows,
)

FIRST = FIRST_HEAD - REORG_BLOCKS  # changes from here on are asked for after a load at the first head


def traded(*conditions: str, numerators: list[str] | None = None) -> dict[str, list[Row]]:
    """Markets, and a split in each of them."""
    rows: dict[str, list[Row]] = {"MarketData": [], "Condition": [], "Split": []}
    for n, condition in enumerate(conditions):
        for entity, more in market(condition, numerators).items():
            rows[entity] += more
        rows["Split"].append(split(n, NEW_YEAR + n, condition))
    return rows


def resolved(condition: str, *numerators: str, block: int | None = None) -> Row:
    (row,) = market(condition, list(numerators))["Condition"]
    return row if block is None else row | {"_block": block}


@pytest.mark.parametrize(
    ("cursor", "head", "block"),
    [
        ("", Head(900_000, 5, False, "Qm1"), None),
        ("900000:5:Qm1", Head(900_050, 6, False, "Qm1"), 899_700),
        ("900000:5:Qm1", Head(899_000, 4, False, "Qm1"), 898_700),  # the head went backwards
        ("900000:5:Qm1", Head(900_050, 6, False, "Qm2"), None),
        ("900000:5:", Head(900_050, 6, False, ""), None),
        ("900000::Qm1", Head(900_050, None, False, "Qm1"), 899_700),
        ("7:5:Qm1", Head(9, 5, False, "Qm1"), 0),
        ("1735689600:0xab", Head(9, 5, False, "Qm1"), None),
    ],
)
def test_from_which_block_changes_are_missing(cursor: str, head: Head, block: int | None) -> None:
    assert since_block(cursor, head) == block


# Conditions


def test_a_corrected_payout_is_noticed(desk: Desk) -> None:
    condition, other = hash_of("condition"), hash_of("other")
    with Goldsky(traded(condition, other, numerators=["1", "0"])) as endpoint:
        desk.base_url = endpoint.base_url
        call(desk, "load", "activity")
        call(desk, "load", "payouts")
        endpoint.put("Condition", [resolved(condition, "0", "1")])
        endpoint.requests.clear()
        assert "landed 1 Condition in" in call(desk, "load", "payouts").out
        assert changes_asked(endpoint, "conditions") == [FIRST] and asked_ids(endpoint, "conditions") == []
        assert payouts(desk) == {condition: (["0", "1"], "1"), other: (["1", "0"], "1")}
        assert "landed nothing new" in call(desk, "load", "payouts").out
    ((_, _, _, cursor),) = [w for w in windows(desk, "complete", "Condition") if w[0] == "named:1/1"]
    assert cursor.startswith(f"{FIRST_HEAD + 1}:{NEW_YEAR + 1}:Qm")


def test_what_resolves_and_what_is_newly_named_is_asked_for_and_nothing_else(desk: Desk) -> None:
    known, late, foreign = hash_of("known"), hash_of("late"), hash_of("foreign")
    with Goldsky(traded(known)) as endpoint:
        desk.base_url = endpoint.base_url
        call(desk, "load", "activity")
        call(desk, "load", "payouts")
        endpoint.put("Condition", [resolved(known, "1", "1"), resolved(foreign, "1", "0"), *market(late)["Condition"]])
        endpoint.put("Split", [split(9, NEW_YEAR + 9, late)])
        call(desk, "load", "activity")
        endpoint.requests.clear()
        call(desk, "load", "payouts")
        assert asked_ids(endpoint, "conditions") == [late]
    assert payouts(desk) == {known: (["1", "1"], "1"), late: ([], "0")}


def test_what_all_loads_landed_is_kept_up_to_date_too(desk: Desk) -> None:
    """A condition that nothing names yet may be named by the next fill: its payout must not be an old one then."""
    named, silent = hash_of("named"), hash_of("silent")
    rows = traded(named)
    rows["Condition"] += market(silent)["Condition"]
    with Goldsky(rows) as endpoint:
        desk.base_url = endpoint.base_url
        call(desk, "load", "payouts", "--all")
        endpoint.put("Condition", [resolved(silent, "1", "0")])
        endpoint.head_number += 10 * REORG_BLOCKS
        call(desk, "load", "activity")
        call(desk, "load", "payouts")
    assert payouts(desk) == {named: ([], "0"), silent: (["1", "0"], "1")}


def test_a_damaged_change_is_asked_for_until_it_is_mended(desk: Desk) -> None:
    condition = hash_of("condition")
    with Goldsky(traded(condition)) as endpoint:
        desk.base_url = endpoint.base_url
        call(desk, "load", "activity")
        call(desk, "load", "payouts")
        endpoint.put("Condition", [resolved(condition, "1", "zero")])
        endpoint.head_number += 10 * REORG_BLOCKS
        assert "kept aside: 1 rows of Condition" in call(desk, "load", "payouts", code=3).out
        assert len(rejected(desk)) == 1
        call(desk, "load", "payouts", code=3)
        endpoint.put("Condition", [resolved(condition, "1", "0", block=FIRST_HEAD + 1)])
        call(desk, "load", "payouts")
    assert payouts(desk) == {condition: (["1", "0"], "1")}


def test_ids_that_were_not_answered_keep_the_block(desk: Desk) -> None:
    conditions = [hash_of("condition", n) for n in range(2)]
    with Goldsky(traded(*conditions)) as endpoint:
        desk.base_url = endpoint.base_url
        call(desk, "load", "activity")
        endpoint.faults = Faults(1.0, ("502",), first=1)  # only the head is answered
        call(desk, "load", "payouts", code=3)
        assert [w for w in windows(desk, "complete", "Condition") if w[3]] == []
        endpoint.faults = Faults(0.0)
        call(desk, "load", "payouts")
    assert payouts(desk).keys() == set(conditions)


def test_each_worker_follows_the_changes_of_its_share(desk: Desk) -> None:
    conditions = [hash_of("condition", n) for n in range(20)]
    workers = [("--worker", n, "--of", "2") for n in "12"]
    with Goldsky(traded(*conditions)) as endpoint:
        desk.base_url = endpoint.base_url
        call(desk, "load", "activity")
        for worker in workers:
            call(desk, "load", "payouts", *worker)
        endpoint.put("Condition", [resolved(condition, "0", "1") for condition in conditions])
        shares = [json.loads(call(desk, "load", "payouts", *worker, "--json").out)["rows"] for worker in workers]
    assert sum(share["Condition"] for share in shares) == 20 and all(share["Condition"] < 20 for share in shares)
    assert list(payouts(desk).values()) == [(["0", "1"], "1")] * 20


def test_another_deployment_is_asked_for_everything(desk: Desk) -> None:
    condition = hash_of("condition")
    with Goldsky(traded(condition, numerators=["1", "0"])) as endpoint:
        desk.base_url = endpoint.base_url
        call(desk, "load", "activity")
        call(desk, "load", "payouts")
        redeployed = endpoint.meta("pnl-subgraph of another build", None)
        endpoint.meta = lambda subgraph, pinned: redeployed  # type: ignore[method-assign]
        endpoint.put("Condition", [resolved(condition, "0", "1", block=1)])
        endpoint.requests.clear()
        call(desk, "load", "payouts")
        assert asked_ids(endpoint, "conditions") == [condition] and changes_asked(endpoint, "conditions") == []
    assert payouts(desk) == {condition: (["0", "1"], "1")}


def test_a_plan_tells_changes_from_ids(desk: Desk) -> None:
    with Goldsky(traded(hash_of("condition"))) as endpoint:
        desk.base_url = endpoint.base_url
        call(desk, "load", "activity")
        assert (
            call(desk, "load", "payouts", "--dry-run").out == "Condition: 1 ids, about 1 requests, 0 s at the limit\n"
        )
        call(desk, "load", "payouts")
        planned = call(desk, "load", "payouts", "--dry-run").out
    assert planned == f"Condition: payouts that changed since block {FIRST_HEAD}, as many requests as it takes\n"


# Neg-risk events


@pytest.mark.parametrize("kind", [Goldsky, WithoutChanges])
def test_neg_risk_events_are_asked_for_when_they_change(desk: Desk, kind: type[Goldsky]) -> None:
    events = [{"id": hash_of("event", n), "questionCount": 3} for n in range(4)]
    with kind({"NegRiskEvent": events}) as endpoint:
        desk.base_url = endpoint.base_url
        call(desk, "load", "activity")
        endpoint.put("NegRiskEvent", [events[0] | {"questionCount": 4}])
        said = json.loads(call(desk, "load", "activity", "--json").out)
    assert said["rows"] == {"NegRiskEvent": 1 if kind is Goldsky else 4}
    counts = desk.rows("select argMax(question_count, _loaded_at) from polyledger_raw.neg_risk_events group by id")
    assert sorted(counts) == [(3,), (3,), (3,), (4,)]


# Replicas


def test_a_replica_behind_the_head_answers_for_nothing(desk: Desk) -> None:
    """The head is told by one that is ahead, and the next page would come from one that lacks the last rows."""
    old, new = [fill(n, NEW_YEAR + n) for n in range(3)], [fill(n, NEW_YEAR + n) for n in range(3, 6)]

    class Replicated(Goldsky):
        def behind(self, asked: Request) -> int:
            return 0 if asked.fields == ["_meta"] or self.requests[-1].error else 5

    with Replicated({"OrderFilledEvent": old, **traded(hash_of("condition"))}) as endpoint:
        desk.base_url = endpoint.base_url
        endpoint.put("OrderFilledEvent", new)
        endpoint.put("Condition", [resolved(hash_of("condition"), "1", "0")])
        call(desk, "load", "fills", *span(0, 1))
        call(desk, "load", "activity", *span(0, 1))
        call(desk, "load", "payouts")
        refused = [request for request in endpoint.requests if request.error]
        assert refused and all("not yet available" in str(request.error) for request in refused)
        assert all(request["block"]["number_gte"] <= FIRST_HEAD + 2 for request in asked(endpoint))
    assert landed(desk) == ids([*old, *new])
    assert payouts(desk) == {hash_of("condition"): (["1", "0"], "1")}
