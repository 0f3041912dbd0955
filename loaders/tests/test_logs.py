"""Every log lands once and counts as long as its block does: range limits, reorganised blocks, missing logs, kills."""

import json
import signal
import time
from collections.abc import Iterator
from dataclasses import replace
from itertools import count
from pathlib import Path
from random import Random
from typing import Any

import pytest

from loaders import logs, rpc
from loaders.events import ORDER_FILLS_V2, RESOLUTIONS, V2_EXCHANGES, topic_of
from loaders.standin.chain import Market, condition_id
from loaders.standin.faults import FAULTS, Faults
from loaders.standin.goldsky import Reply
from loaders.standin.node import FIRST_BLOCK, FIRST_TIME, Limits, Log, Node, fill_log, json_of, resolution_log
from loaders.tests.conftest import SHARED, Desk, ServerDesk
from loaders.tests.processes import Processes, processes
from loaders.tests.test_command import CANARY, Said, call
from loaders.tests.test_loading import ALICE, BOB, fill, hash_of

BLOCKS = 3_000  # of the history below
HEAD = FIRST_BLOCK + BLOCKS + 250
Fills = list[tuple[Any, ...]]


def history(seed: int = 5, blocks: int = BLOCKS, fills: int = 2_000) -> list[Log]:
    """Fills in blocks crowded and empty, and a resolution now and then."""
    random = Random(seed)
    made: list[Log] = []
    crowded = FIRST_BLOCK + 700
    places = sorted(random.choice((crowded, FIRST_BLOCK + random.randrange(1, blocks))) for _ in range(fills))
    for number, block in enumerate(places):
        row = fill(number, maker=random.choice((ALICE, BOB)), token=random.randrange(1, 2**256), buys=number % 3 > 0)
        exchange = V2_EXCHANGES[number % 2]
        made.append(fill_log(row, block, number, fee=random.choice((0, number)), exchange=exchange))
    for number in range(30):
        block = FIRST_BLOCK + random.randrange(1, blocks)
        made.append(resolution_log(market(number), block, 90_000 + number, hash_of("resolution", number)))
    return made


def market(number: int) -> Market:
    oracle, question = "0x" + f"{number + 1:040x}", hash_of("question", number)
    payouts = ([1, 0], [0, 1], [1, 1], [54, 46], [4 * 10**17, 6 * 10**17])[number % 5]
    return Market(condition_id(oracle, question), [], False, payouts=payouts, oracle=oracle, question=question)


def time_of(block: int) -> int:
    return FIRST_TIME + 2 * (block - FIRST_BLOCK)


def fills_of(served: list[Log]) -> Fills:
    """Rows that these logs should become, read off their words by hand."""
    rows = []
    for log in served:
        if log.topics[0] == ORDER_FILLS_V2.topic:
            words = [log.data[2 + 64 * n : 2 + 64 * (n + 1)] for n in range(7)]
            side, token, given, received, fee = (int(word, 16) for word in words[:5])
            place = (log.transaction, log.index, log.block, time_of(log.block), log.address)
            people = (log.topics[1], f"0x{log.topics[2][-40:]}", f"0x{log.topics[3][-40:]}")
            rows.append((*place, *people, side, token, given, received, fee))
    return sorted(rows)


def resolutions_of(served: list[Log]) -> Fills:
    rows = []
    for log in served:
        if log.topics[0] == RESOLUTIONS.topic:
            words = [log.data[2 + 64 * n : 2 + 64 * (n + 1)] for n in range(len(log.data) // 64)]
            numerators = [int(word, 16) for word in words[3:]]
            people = (log.topics[1], f"0x{log.topics[2][-40:]}", log.topics[3])
            rows.append((log.transaction, log.block, time_of(log.block), *people, int(words[0], 16), numerators))
    return sorted(rows)


HEX = "concat('0x', lower(hex({})))".format


def landed(desk: Desk) -> Fills:
    """Fills that count."""
    return sorted(
        desk.rows(
            f"""
            select {HEX("transaction_hash")}, log_index, block_number, toUnixTimestamp(timestamp), {HEX("address")},
                {HEX("order_hash")}, {HEX("maker")}, {HEX("taker")}, side, token_id, maker_amount_filled,
                taker_amount_filled, fee
            from polyledger_raw.order_filled_events_v2 final where is_deleted = 0
            """
        )
    )


def resolved(desk: Desk) -> Fills:
    found = desk.rows(
        f"""
        select {HEX("transaction_hash")}, block_number, toUnixTimestamp(timestamp), {HEX("condition_id")},
            {HEX("oracle")}, {HEX("question_id")}, outcome_slot_count, payout_numerators
        from polyledger_raw.condition_resolutions final where is_deleted = 0
        """
    )
    return sorted((*row[:-1], list(row[-1])) for row in found)


def windows(desk: Desk, entity: str = "OrderFilledV2") -> list[tuple[int, int, int, str]]:
    """(first block, last block landed, last block, state) of each window that counts."""
    found = desk.rows(
        f"""
        select argMax(cursor, updated_at), argMax(state, updated_at) as last_state from polyledger_raw.load_windows
        where entity = '{entity}' group by since, until having last_state != 'split'
        """
    )
    return sorted((*(int(number) for number in cursor.partition(":")[0].split("-")), state) for cursor, state in found)


def load(desk: Desk, node: Node, *words: str, code: int | None = 0, only: str = "fills", **env: str) -> Said:
    """`load logs` of fills, as quick as the node allows."""
    what = ["--only", only] if only else []
    return call(desk, "load", "logs", *what, *words, code=code, **settings(node) | env)


def settings(node: Node) -> dict[str, Any]:
    return {"POLYGON_RPC_URL": node.base_url + f"/v2/{CANARY}", "POLYGON_RPC_REQUESTS_PER_SECOND": "10000"}


def past(first: int = FIRST_BLOCK, last: int = FIRST_BLOCK + BLOCKS) -> list[str]:
    return ["--from-block", str(first), "--to-block", str(last)]


@pytest.fixture(scope="module")
def made() -> list[Log]:
    return history()


def test_topics_are_hashes_of_signatures() -> None:
    # As others give them: ctf-exchange-v2's, and that of gnosis/conditional-tokens-contracts on any explorer.
    assert ORDER_FILLS_V2.topic == "0xd543adfd945773f1a62f74f0ee55a5e3b9b1a28262980ba90b1a89f2ea84d8ee"
    assert RESOLUTIONS.topic == "0xb44d84d3289691f71497564b85d4233648d9dbae8cbdbb4329f301c3a0185894"
    assert topic_of("Transfer(address,address,uint256)").startswith("0xddf252ad")


@pytest.mark.parametrize(
    ("limits", "kind"),
    [
        (Limits(), {}),
        (Limits(blocks=200), {}),
        (Limits(blocks=40, words="block range is too wide"), {}),
        (Limits(blocks=100, words="range 1000 exceeds limit of 100"), {}),
        (Limits(results=1_100), {}),
        (Limits(results=1_010, suggests=True), {}),
        (Limits(blocks=900, results=1_200, words="Log response size exceeded"), {}),
        (Limits(), {"timestamps": False}),
        (Limits(blocks=300), {"batches": False, "timestamps": False}),
        (Limits(blocks=300), {"behind": 400}),
    ],
    ids=lambda given: str(given).replace("Limits", "").replace("None", "-"),
)
def test_every_log_lands_once_whatever_the_node_allows(
    desk: Desk, made: list[Log], limits: Limits, kind: dict[str, Any]
) -> None:
    with Node(made, head=HEAD, limits=limits, **kind) as node:
        said = load(desk, node, "--from-block", str(FIRST_BLOCK), only="")
        refused = [asked for asked in node.requests if asked.error]
        assert landed(desk) == fills_of(made)
        assert resolved(desk) == resolutions_of(made)
        assert windows(desk) == [(FIRST_BLOCK, HEAD - 200, HEAD - 200, "complete")]
        assert "2,000 OrderFilledV2" in said.out and "30 ConditionResolution" in said.out
        assert len(refused) <= 40, [asked.error for asked in refused]
        node.requests.clear()
        assert "nothing new" not in load(desk, node).out  # the last blocks are read again
        assert landed(desk) == fills_of(made)


def test_a_range_of_moments_is_one_of_blocks(desk: Desk, made: list[Log]) -> None:
    """Until is exclusive, and moments may lie between two blocks."""
    since, until = "2026-04-28T11:10:01", "2026-04-28T11:20:00"
    first, last = FIRST_BLOCK + 301, FIRST_BLOCK + 599  # two seconds each, from 11:00:00 on
    with Node(made, head=HEAD) as node:
        load(desk, node, "--since", since, "--until", until)
        assert windows(desk) == [(first, last, last, "complete")]
        load(desk, node, *past(first - 100, last + 50))
    assert landed(desk) == fills_of([log for log in made if first - 100 <= log.block <= last + 50])
    assert windows(desk) == [
        (first - 100, first - 1, first - 1, "complete"),
        (first, last, last, "complete"),
        (last + 1, last + 50, last + 50, "complete"),
    ]
    times = desk.rows(
        "select toUnixTimestamp(since), toUnixTimestamp(until) from polyledger_raw.load_windows "
        "where state = 'complete' order by all"
    )
    assert [one[1] for one in times[:-1]] == [other[0] for other in times[1:]]  # no gap between windows
    assert (times[0][0], times[-1][1]) == (time_of(first - 101) + 1, time_of(last + 50) + 1)


def test_young_blocks_are_loaded_when_they_are_old(desk: Desk, made: list[Log]) -> None:
    with Node(made, head=FIRST_BLOCK + 1_000) as node:
        said = load(desk, node, "--to-block", str(FIRST_BLOCK + 950))
        assert (
            "loaded up to block 84,903,153: the 200 blocks up to the newest one (84,903,353) may still change"
            in said.out
        )
        assert landed(desk) == fills_of([log for log in made if log.block <= FIRST_BLOCK + 800])
        load(desk, node, "--confirmations", "100")
        assert landed(desk) == fills_of([log for log in made if log.block <= FIRST_BLOCK + 900])
        node.head = HEAD
        load(desk, node)
    assert landed(desk) == fills_of(made)


def test_logs_that_a_node_had_not_yet_are_had_at_the_next_load(desk: Desk, made: list[Log]) -> None:
    late = [log for log in made if FIRST_BLOCK + 850 < log.block <= FIRST_BLOCK + 900]
    assert late
    with Node([log for log in made if log not in late], head=FIRST_BLOCK + 1_100) as node:
        load(desk, node)
        node.put(late)
        node.head += 10
        load(desk, node)
    assert landed(desk) == fills_of([log for log in made if log.block <= FIRST_BLOCK + 910])


def test_a_node_that_does_not_have_the_range_is_not_believed(desk: Desk, made: list[Log]) -> None:
    """Every other answer comes from a replica that lags by a thousand blocks and serves empty lists for these."""
    with Node(made, head=HEAD, behind=1_000) as node:
        load(desk, node, *past())
        assert any(asked.is_behind and asked.last for asked in node.requests)
    assert landed(desk) == fills_of(made)


@pytest.mark.parametrize("fork", [2_990, 2_600, 700, 0], ids=lambda fork: f"from {fork}")
def test_logs_of_blocks_that_have_left_the_chain_do_not_count(desk: Desk, made: list[Log], fork: int) -> None:
    """Windows of two loads; the chain is reorganised from inside of either, or from before the first one on."""
    other = [log for log in history(seed=6, fills=1_500) if log.block >= FIRST_BLOCK + fork]
    now = [log for log in made if log.block < FIRST_BLOCK + fork] + other
    with Node(made, head=FIRST_BLOCK + 2_700) as node:
        load(desk, node)
        node.head = HEAD
        load(desk, node)
        assert landed(desk) == fills_of(made)
        node.reorganise(FIRST_BLOCK + fork, other)
        said = load(desk, node)
        assert "the chain was reorganised" in said.out and "do not count any more" in said.out
        assert landed(desk) == fills_of(now)
        assert "reorganised" not in load(desk, node).out
    assert landed(desk) == fills_of(now)
    assert {state for *_, state in windows(desk)} == {"complete"}
    gone = {row[:2] for row in fills_of(made)} - {row[:2] for row in fills_of(now)}
    assert not gone & {row[:2] for row in landed(desk)}


def test_a_server_takes_back_what_has_left_the_chain(server_desk: ServerDesk, made: list[Log]) -> None:
    with Node(made, head=HEAD) as node:
        load(server_desk, node)
        node.reorganise(FIRST_BLOCK + 2_000, [])
        assert "the chain was reorganised" in load(server_desk, node).out
    assert landed(server_desk) == fills_of([log for log in made if log.block < FIRST_BLOCK + 2_000])


def test_of_a_long_range_only_the_end_is_read_anew(
    desk: Desk, made: list[Log], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logs, "TIP_BLOCKS", 500)
    tip = HEAD - 200 - 500
    with Node(made, head=HEAD, limits=Limits(blocks=300)) as node:
        load(desk, node)
        assert [(first, last) for first, _, last, _ in windows(desk)] == [(FIRST_BLOCK, tip), (tip + 1, HEAD - 200)]
        node.requests.clear()
        node.reorganise(HEAD - 400, [])
        load(desk, node)
        assert min(asked.first for asked in node.requests if asked.last) == tip + 1 - 200
    assert landed(desk) == fills_of([log for log in made if log.block < HEAD - 400])


def test_a_reorganisation_in_the_middle_of_a_load_starts_the_window_anew(desk: Desk, made: list[Log]) -> None:
    other = [log for log in history(seed=7) if log.block >= FIRST_BLOCK + 300]

    class Unsteady(Node):
        def answer(self, asked: Any, posted: Any) -> Any:
            if asked.first > FIRST_BLOCK + 1_500 and not self.forks:
                self.reorganise(FIRST_BLOCK + 300, other)
            return super().answer(asked, posted)

    with Unsteady(made, head=HEAD, limits=Limits(blocks=100)) as node:
        load(desk, node, POLYLEDGER_BATCH_ROWS="100")
    assert landed(desk) == fills_of([log for log in made if log.block < FIRST_BLOCK + 300] + other)


def test_a_load_under_faults_ends_as_one_without(desk: Desk, made: list[Log]) -> None:
    faults = Faults(0.2, seed=3, hang_seconds=0.3)
    with Node(made, head=HEAD, limits=Limits(blocks=60), faults=faults) as node:
        for _ in range(5):
            said = load(
                desk, node, "--from-block", str(FIRST_BLOCK), code=None, only="", POLYGON_RPC_TIMEOUT_SECONDS="0.2"
            )
            if said.code == 0:
                break
        assert {asked.fault for asked in node.requests} - {None} >= set(FAULTS) - {"hang"}
    assert landed(desk) == fills_of(made)
    assert resolved(desk) == resolutions_of(made)


def damaged(log: Log) -> list[Log]:
    """Logs that nobody can understand, each in its own way."""
    wide = f"{log.data[:-64]}{'f' * 64}"
    return [
        replace(log, index=200_000, data=log.data[:-64]),
        replace(log, index=200_001, data=log.data + "00" * 32),
        replace(log, index=200_002, data="0x" + "7".rjust(64, "0") + log.data[66:]),
        replace(log, index=200_003, topics=log.topics[:3]),
        replace(log, index=200_004, topics=(log.topics[0], log.topics[1], "0x" + "f" * 64, log.topics[3])),
        replace(log, index=200_005, data=log.data[:66] + "0" * 64 + log.data[130:]),
        replace(log, index=200_006, data=wide[:130] + "f" * 64 + wide[194:]),
        replace(log, index=200_007, data=log.data[:-1] + "g"),
    ]


def test_logs_that_cannot_be_understood_are_kept_aside(desk: Desk, made: list[Log]) -> None:
    reasons = (
        "192 bytes of data are not",
        "256 bytes of data, where",
        "side is 7",
        "3 topics and not 4",
        "224 bytes of data are not",
        "tokenId is 0",
        "makerAmountFilled does not fit 64 bits",
        "not 0x and pairs of hex digits",
    )
    wrong = damaged(next(log for log in made if log.topics[0] == ORDER_FILLS_V2.topic))
    with Node([*made, *wrong], head=HEAD) as node:
        said = load(desk, node, code=3)
        assert "kept aside: 8 rows of OrderFilledV2" in said.out
    assert landed(desk) == fills_of(made)
    kept = desk.rows("select reason, raw from polyledger_raw.rejected_rows final")
    assert len(kept) == len(wrong)
    for log, reason in zip(wrong, reasons, strict=True):
        (found,) = [given for given, served in kept if int(json.loads(served)["logIndex"], 16) == log.index]
        assert reason in found


def test_a_log_of_another_contract_is_kept_aside(desk: Desk, made: list[Log]) -> None:
    class Lax(Node):
        """Serves whatever has the topic."""

        def found(self, asked: Any, wanted: Any, head: int) -> Any:
            return super().found(asked, wanted | {"address": [*wanted["address"], "0x" + "99" * 20]}, head)

    with Lax([*made, replace(made[0], address="0x" + "99" * 20, index=300_000)], head=HEAD) as node:
        load(desk, node, code=3)
    assert landed(desk) == fills_of(made)
    ((reason,),) = desk.rows("select reason from polyledger_raw.rejected_rows final")
    assert "is none that logs this event" in reason


def test_a_resolution_that_contradicts_itself_is_kept_aside(desk: Desk) -> None:
    good = resolution_log(market(1), FIRST_BLOCK + 5, 1, hash_of("good"))
    other = resolution_log(market(2), FIRST_BLOCK + 5, 2, hash_of("other"))
    nothing = resolution_log(replace(market(3), payouts=[0, 0]), FIRST_BLOCK + 5, 3, hash_of("nothing"))
    with Node(
        [good, replace(other, topics=(other.topics[0], good.topics[1], *other.topics[2:])), nothing], head=HEAD
    ) as node:
        load(desk, node, *past(), code=3, only="resolutions")
    assert resolved(desk) == resolutions_of([good])
    reasons = desk.rows("select reason from polyledger_raw.rejected_rows final order by 1")
    assert [reason for (reason,) in reasons] == [
        "2 numerators of 2 outcomes, 0 in all",
        "conditionId is not the hash of oracle, question and outcomes",
    ]


def test_the_plan_of_a_load_touches_nothing(desk: Desk, made: list[Log]) -> None:
    with Node(made, head=HEAD) as node:
        said = load(desk, node, "--dry-run", *past())
        assert "OrderFilledV2: blocks 84,902,353 to 84,905,353, about" in said.out
        plan = json.loads(load(desk, node, "--dry-run", "--json", *past()).out)
        assert [(step["first_block"], step["last_block"]) for step in plan] == [(FIRST_BLOCK, FIRST_BLOCK + BLOCKS)]
        assert not desk.data.exists()
        load(desk, node, *past())
        assert "nothing to do" in load(desk, node, "--dry-run", *past()).out


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--since", "2026-05-01", "--from-block", "5"], "give --since or --from-block"),
        (["--from-block", "9", "--to-block", "8"], "--to-block 8 is before --from-block 9"),
        (["--only", "trades"], "'trades' is not one of 'fills', 'resolutions'"),
    ],
)
def test_wrong_words(desk: Desk, words: list[str], sentence: str) -> None:
    said = call(desk, "load", "logs", *words, code=2, POLYGON_RPC_URL="http://127.0.0.1:9")
    assert sentence in said.err


def test_the_address_of_the_node_is_needed_and_never_shown(desk: Desk, made: list[Log], tmp_path: Path) -> None:
    assert "POLYGON_RPC_URL is not set" in call(desk, "load", "logs", code=2).err
    said = call(desk, "load", "logs", code=2, POLYGON_RPC_URL=f"ftp://{CANARY}")
    assert "must be an address" in said.err and CANARY not in said.err

    class Telltale(Node):
        """Repeats the address that it was asked at."""

        def reply(self, path: str, authorization: str | None, body: bytes) -> Reply:
            return json_of({"error": {"code": -32000, "message": f"no luck at {self.base_url}{path}"}})

    log = tmp_path / "log"
    with Telltale(made, head=HEAD) as node:
        said = load(desk, node, "--log-file", str(log), code=1)
        assert "no luck at" in said.err and "127.0.0.1" in said.err
    runs = desk.rows("select asked, command from polyledger_raw.load_runs")
    nobody = load(desk, node, code=1)
    for text in (said.out, said.err, log.read_text(), str(runs), nobody.out, nobody.err):
        assert CANARY not in text


def test_a_node_of_another_chain_is_refused(desk: Desk, made: list[Log]) -> None:
    with Node(made, head=HEAD, chain=1) as node:
        assert "127.0.0.1 is a node of chain 1 and not of Polygon (137)" in load(desk, node, code=2).err


def test_a_range_that_is_never_served_stays_open_and_is_continued(desk: Desk, made: list[Log]) -> None:
    class Gap(Node):
        is_broken = True

        def found(self, asked: Any, wanted: Any, head: int) -> Any:
            if self.is_broken and asked.first <= FIRST_BLOCK + 1_700 <= asked.last:
                raise KeyError
            return super().found(asked, wanted, head)

        def answer(self, asked: Any, posted: Any) -> Any:
            try:
                return super().answer(asked, posted)
            except KeyError:
                return {"error": {"code": -32000, "message": "internal error"}}

    with Gap(made, head=HEAD, limits=Limits(blocks=100)) as node:
        said = load(desk, node, code=3)
        assert "OrderFilledV2 is still open: 127.0.0.1 was asked 9 times for logs of the blocks" in said.out
        ((first, had, last, state),) = windows(desk)
        assert (first, last, state) == (FIRST_BLOCK, HEAD - 200, "open") and had < FIRST_BLOCK + 1_700
        assert landed(desk) == fills_of([log for log in made if log.block <= had])
        node.is_broken = False
        node.head += 30
        load(desk, node)
    assert landed(desk) == fills_of(made)
    assert {state for *_, state in windows(desk)} == {"complete"}


@pytest.fixture(scope="module")
def start(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Processes]:
    with processes(tmp_path_factory.mktemp("said")) as start:
        yield start


def test_killed_loads_end_like_an_undisturbed_one(tmp_path: Path, made: list[Log], start: Processes) -> None:
    """Killed at random moments, under faults, on a chain that is reorganised once."""
    random, kills = Random(2), 12
    other = [log for log in history(seed=8) if log.block >= FIRST_BLOCK + 1_200]
    desk, numbers = Desk(tmp_path / "warehouse"), count(1)
    env: dict[str, Any] = {"POLYLEDGER_BATCH_ROWS": "200", "POLYGON_RPC_TIMEOUT_SECONDS": "1"}
    with Node(made, head=HEAD, limits=Limits(blocks=50), faults=Faults(0.1, seed=4, hang_seconds=1.2)) as node:
        node.latency = 0.01
        while next(numbers) < 60:
            if kills == 6 and not node.forks:
                node.reorganise(FIRST_BLOCK + 1_200, other)
            had = len(node.requests)
            process = start.start(desk, "load", "logs", "--from-block", str(FIRST_BLOCK), **settings(node), **env)
            if kills:
                answers = random.randint(1, 40)
                while process.poll() is None and len(node.requests) - had < answers:
                    time.sleep(0.002)
                time.sleep(random.uniform(0, 0.05))
                process.kill()
            code = process.wait()
            kills -= code == -signal.SIGKILL
            if code == 0 and not kills:
                break
        assert not kills and node.forks
    now = [log for log in made if log.block < FIRST_BLOCK + 1_200] + other
    assert landed(desk) == fills_of(now)
    assert resolved(desk) == resolutions_of(now)


def test_killed_after_any_insert_it_goes_on(tmp_path: Path, made: list[Log], start: Processes) -> None:
    desk = Desk(tmp_path / "warehouse")
    with Node(made, head=HEAD, limits=Limits(blocks=400)) as node:
        for inserts in count(1):
            process = start.start(
                desk, "load", "logs", *past(), dies_after=inserts, **settings(node), POLYLEDGER_BATCH_ROWS="1500"
            )
            if process.wait() == 0:
                break
            assert process.code == -signal.SIGKILL, process.said()
    assert landed(desk) == fills_of(made)
    assert resolved(desk) == resolutions_of(made)


SAYINGS = [
    ("query returned more than 10000 results", (None, None, True)),
    ("Query returned more than 10000 results. Try with this block range [0x3e8, 0x7d0].", (None, 2000, True)),
    (
        "Log response size exceeded. You can make eth_getLogs requests with up to a 2K block range and no limit on the "
        "response size, or you can request any block range with a cap of 10K logs in the response. Based on your "
        "parameters and the response size limit, this block range should work: [0x3e8, 0x44c]",
        (None, 1100, True),
    ),
    (
        "Under the Free tier plan, you can make eth_getLogs requests with up to a 10 block range. Based on your "
        "parameters, this block range should work: [0x3e8, 0x3f1]. Upgrade to PAYG for expanded block range.",
        (10, 1009, False),
    ),
    ("query exceeds max results 20000, retry with the range 1000-5000", (None, 5000, True)),
    ("query exceeds max results 20000, retry with the range 1000-100999", (None, None, True)),  # as was asked
    ("logs matched by query exceeds limit of 10000", (None, None, True)),
    ("response size should not greater than 10000000 bytes", (None, None, True)),
    ("query timeout exceeded", (None, None, True)),
    ("block range is too wide", (None, None, False)),
    ("Block range limit exceeded", (None, None, False)),
    ("exceed maximum block range: 50000", (50000, None, False)),
    ("eth_getLogs is limited to a 10,000 range", (10000, None, False)),
    ("requested too many blocks from 1000 to 100999, maximum is set to 2048", (2048, None, False)),
    ("range 1000000 exceeds limit of 10000", (10000, None, False)),
    ("range 9009594 is bigger than range limit 2000", (2000, None, False)),
    ("eth_getLogs block range too large, range: 99999, max: 3500", (3500, None, False)),
    ("ranges over 10000 blocks are not supported on freetier", (10000, None, False)),
    ("range is too large, max is 1k blocks", (1000, None, False)),
    ("block range extends beyond current head block", None),
    ("invalid block range params", None),
    ("header not found", None),
    ("Your app has exceeded its compute units per second capacity", None),
    ("project ID request rate exceeded", None),
    ("rate limit exceeded", None),
    ("daily request count exceeded, request rate limited", None),
    ("Internal error", None),
]


@pytest.mark.parametrize(("said", "meant"), SAYINGS, ids=[said[:40] for said, _ in SAYINGS])
def test_what_nodes_say(said: str, meant: tuple[Any, ...] | None) -> None:
    """Found in public issue threads and in the code of nodes, as answers to a range of 100,000 blocks."""
    asked = [("eth_getLogs", [{"fromBlock": hex(1_000), "toBlock": hex(100_999)}])]
    error = rpc.too_much(f"the error {said!r}", asked)
    assert (error and (error.blocks, error.last, error.by_matches)) == meant


def test_the_width_of_questions_settles_where_the_node_answers() -> None:
    width = logs.Width()
    for _ in range(20):
        width.answered(width.blocks, 0)
    assert width.blocks == logs.MOST_BLOCKS
    width.refused(1, width.blocks, rpc.TooMuchError("", 2_000, None, False))
    for _ in range(5):
        width.answered(width.blocks, 0)
    assert width.blocks == 2_000  # and never more again
    width.answered(2_000, 8_000)
    assert width.blocks == 1_000


def test_real_logs_decode_as_the_data_api_shows_them(desk: Desk) -> None:
    """Two whole transactions of 2026-09-11, beside Polymarket's own rows of the same trades."""
    path = SHARED / "data" / "v2_logs_and_activity.json"
    if not path.exists():
        pytest.skip(f"no recording of V2 logs at {path}")
    recorded = json.loads(path.read_text())
    served, times = [], {}
    for transaction in recorded["v2_order_filled_logs"]:
        for log in transaction["logs"]:
            block = int(log["blockNumber"], 16)
            times[block] = int(transaction["block_timestamp"], 16)
            place = (block, int(log["logIndex"], 16), log["transactionHash"], log["address"])
            served.append(Log(*place, tuple(log["topics"]), log["data"]))

    class Recorded(Node):
        def time(self, block: int) -> int:
            return times.get(block) or super().time(block)

    blocks = sorted(times)
    with Recorded(served, head=blocks[-1] + 300) as node:
        for block in blocks:
            load(desk, node, *past(block, block))
    rows = {(row[0], row[6]): row for row in landed(desk)}
    assert len(rows) == len(served) == 4
    for (shown,) in recorded["data_api_activity"]:
        row = rows[shown["transactionHash"], shown["proxyWallet"]]
        side, token, given, received, fee = row[8:]
        shares, usdc = (received, given) if side == 0 else (given, received)
        assert row[3] == shown["timestamp"]
        assert ("BUY", "SELL")[side] == shown["side"] and str(token) == shown["asset"]
        assert (shares / 10**6, usdc / 10**6) == (shown["size"], shown["usdcSize"])
        assert usdc / shares == pytest.approx(shown["price"], abs=5e-4)
        assert fee == 0  # the maker's
        (taker,) = [other for key, other in rows.items() if key[0] == shown["transactionHash"] and other is not row]
        assert taker[7] == taker[4] == "0xe2222d279d744050d28e00520010520000310f59" and taker[12] > 0
        assert row[7] == taker[6]
    mint = [row for row in rows.values() if row[0].startswith("0x457b")]
    assert [row[8] for row in mint] == [0, 0] and mint[0][9] != mint[1][9]  # two buyers of opposite tokens
    assert sum(row[10] for row in mint) == mint[0][11] == mint[1][11]  # who pay a dollar a set
