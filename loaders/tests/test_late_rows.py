"""A late or moved fill, a resolution and a corrected payout change the rows that they are about, and no others."""

from collections.abc import Callable, Iterator
from datetime import datetime

import clickhouse_connect
import pytest

from loaders.standin.goldsky import Goldsky
from loaders.standin.world import simulate
from loaders.tests.conftest import MARTS, Desk

# By what their rows are told apart; a leaderboard row also depends on who else is in it.
KEYS = {
    "fct_fills": ("fill_id",),
    "fct_amm_trades": ("trade_id",),
    "fct_position_events": ("event_id",),
    "vw_resolutions_truth": ("condition_id",),
    "fct_realized_pnl_by_market": ("wallet", "condition_id"),
    "fct_positions": ("wallet", "condition_id", "outcome_index"),
    "fct_holders": ("condition_id", "outcome_index", "wallet"),
    "fct_wallet_pnl": ("wallet",),
}
RAW = "polyledger_raw.order_filled_events"
VOLUMES = "select wallet, fill_count, volume_usdc, fees_usdc from polyledger.fct_wallet_pnl order by wallet"
Rows = dict[str, dict[tuple[str, ...], str]]


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    world = simulate(4, steps=700)
    with Goldsky(world.entities, head=world.until) as endpoint:
        desk = Desk(tmp_path_factory.mktemp("changes") / "warehouse", endpoint.base_url)
        desk.load_everything()
    build(desk)
    yield desk


def build(desk: Desk) -> None:
    desk.dbt("build", "--resource-type", "model", "--resource-type", "seed")


def change(desk: Desk, *statements: str) -> None:
    client = clickhouse_connect.get_client(interface="chdb", path=str(desk.data))
    try:
        for statement in statements:
            client.command(statement)
    finally:
        client.close()


def read(desk: Desk) -> Rows:
    found = desk.all_rows(
        [f"select {', '.join(key)}, toString(tuple(*)) from polyledger.{mart}" for mart, key in KEYS.items()]
    )
    return {mart: {tuple(map(str, row[:-1])): row[-1] for row in rows} for mart, rows in zip(KEYS, found, strict=True)}


def changed(before: Rows, after: Rows, mart: str) -> set[tuple[str, ...]]:
    keys = before[mart].keys() | after[mart].keys()
    return {key for key in keys if before[mart].get(key) != after[mart].get(key)}


@pytest.mark.long
def test_a_late_fill_changes_what_it_is_about(built: Desk) -> None:
    """The rows of an old match arrive last, as when a window was read anew."""
    before, marts = read(built), built.marts()
    (match, condition), *_ = built.rows(
        "select transaction_hash, any(condition_id) from polyledger.fct_fills "
        "group by transaction_hash having uniqExact(wallet) > 1 order by min(filled_at) limit 1 offset 20"
    )
    late = f"transaction_hash = unhex('{match[2:]}')"
    change(
        built,
        f"create table polyledger_raw.late as {RAW}",
        f"insert into polyledger_raw.late select * from {RAW} where {late}",
        f"alter table {RAW} delete where {late} settings mutations_sync = 1",
    )
    build(built)
    without = read(built)
    change(built, f"insert into {RAW} select * from polyledger_raw.late", "drop table polyledger_raw.late")
    build(built)

    fills = changed(without, before, "fct_fills")
    wallets = {
        row[0] for row in built.rows(f"select wallet from polyledger.fct_fills where transaction_hash = '{match}'")
    }
    assert len(fills) > 1 and all(fill.startswith(match) for (fill,) in fills)
    assert changed(without, before, "fct_wallet_pnl") == {(wallet,) for wallet in wallets}
    # A conversion hands the cost of its shares on to the other questions of its event.
    event = event_of(built, condition)
    for mart in ("fct_realized_pnl_by_market", "fct_positions"):
        rows = changed(without, before, mart)
        assert {(wallet, condition) for wallet in wallets} <= {key[:2] for key in rows}
        assert {key[0] for key in rows} == wallets and {key[1] for key in rows} <= event
    assert {key[0] for key in changed(without, before, "vw_resolutions_truth")} <= {condition}
    assert built.marts() == marts


@pytest.mark.long
def test_a_fill_that_a_reorganisation_moved_counts_once_with_its_newest_copy(built: Desk) -> None:
    """Five matches move within a month, five more across its end; then all move back."""
    before, marts = read(built), built.marts()
    volumes = built.rows(VOLUMES)
    ((next_month,),) = built.rows(
        "select toDateTime(toStartOfMonth(min(filled_at)) + interval 1 month, 'UTC') from polyledger.fct_fills"
    )
    matches = [
        row[0]
        for row in built.rows(
            f"select transaction_hash from polyledger.fct_fills where filled_at < '{next_month:%F %T}' "
            "group by transaction_hash having count() > 1 order by min(filled_at), 1 limit 10"
        )
    ]
    near, far = (f"hex(transaction_hash) in ({hexes(part)})" for part in (matches[:5], matches[5:]))
    after_the_month = f"toDateTime('{next_month:%F %T}', 'UTC') + 6"
    columns = "* replace ({} as timestamp, now64(6, 'UTC') as _loaded_at)"
    change(
        built,
        f"create table polyledger_raw.first_copies as {RAW}",
        f"insert into polyledger_raw.first_copies select * from {RAW} where {near} or {far}",
        f"insert into {RAW} select {columns.format('timestamp + 12')} from polyledger_raw.first_copies where {near}",
        f"insert into {RAW} select {columns.format(after_the_month)} from polyledger_raw.first_copies where {far}",
    )
    build(built)
    moved, moved_marts, moved_volumes = read(built), built.marts(), built.rows(VOLUMES)
    change(
        built,
        f"alter table {RAW} delete where (timestamp, transaction_hash) in "
        "(select timestamp, transaction_hash from polyledger_raw.first_copies) settings mutations_sync = 1",
    )
    build(built)
    # As if the older copies had never been landed, in every mart.
    assert built.marts() == moved_marts
    assert read(built) == moved

    fills = changed(before, moved, "fct_fills")
    assert len(matches) == 10 and {fill[:66] for (fill,) in fills} == set(matches)
    assert before["fct_fills"].keys() == moved["fct_fills"].keys()
    assert moved_volumes == volumes
    assert counted(built, matches[5:]) == [(1, next_month.replace(second=6))]

    # A copy at the first time again, and newest: it counts, whatever was landed in between.
    change(
        built,
        f"insert into {RAW} select {columns.format('timestamp')} from polyledger_raw.first_copies",
        "drop table polyledger_raw.first_copies",
    )
    build(built)
    assert built.marts() == marts


def counted(desk: Desk, matches: list[str]) -> list[tuple[int, datetime]]:
    """At how many moments these matches are, and the first."""
    listed = ", ".join(f"'{match}'" for match in matches)
    return desk.rows(
        f"select uniqExact(filled_at), min(filled_at) from polyledger.fct_fills where transaction_hash in ({listed})"
    )


def hexes(hashes: list[str]) -> str:
    return ", ".join(f"'{text[2:].upper()}'" for text in hashes)


def event_of(desk: Desk, condition: str) -> set[str]:
    """The conditions of its neg-risk event; of a plain condition, itself."""
    questions = "polyledger.int_neg_risk_questions"
    found = desk.rows(
        f"select concat('0x', lower(hex(condition_id))) from {questions} where neg_risk_event_id in "
        f"(select neg_risk_event_id from {questions} where condition_id = unhex('{condition[2:]}'))"
    )
    return {condition, *(row[0] for row in found)}


@pytest.fixture
def busy_condition(built: Desk) -> str:
    """A plain condition with one winner that many hold and somebody redeemed."""
    ((condition,),) = built.rows(
        """
        select condition_id from polyledger.fct_realized_pnl_by_market
        where condition_id in (
            select condition_id from polyledger.vw_resolutions_truth
            where payout_numerators = [1, 0] and resolved_at_basis = 'first_redemption'
        ) and unhex(substring(condition_id, 3)) not in (select condition_id from polyledger.int_neg_risk_questions)
        group by condition_id order by count() desc, condition_id limit 1
        """
    )
    return str(condition)


@pytest.mark.long
@pytest.mark.parametrize(
    ("numerators", "denominator"),
    [("[]", "0"), ("['0', '1']", "1")],
    ids=["a condition resolves later", "a payout is corrected"],
)
def test_a_new_payout_changes_what_its_holders_have(
    built: Desk, busy_condition: str, numerators: str, denominator: str
) -> None:
    before, marts = read(built), built.marts()
    insert = payout_copy(built, busy_condition)
    insert(numerators, denominator)
    build(built)
    other = read(built)
    insert("['1', '0']", "1")
    build(built)

    holders = {key[0] for key in before["fct_realized_pnl_by_market"] if key[1] == busy_condition}
    assert changed(other, before, "vw_resolutions_truth") == {(busy_condition,)}
    assert changed(other, before, "fct_fills") == set()
    for mart in ("fct_realized_pnl_by_market", "fct_positions"):
        rows = changed(other, before, mart)
        assert rows and {key[1] for key in rows} == {busy_condition}, mart
    assert changed(other, before, "fct_wallet_pnl") <= {(wallet,) for wallet in holders}
    assert len(changed(other, before, "fct_wallet_pnl")) > len(holders) / 2
    assert built.marts() == marts


def payout_copy(desk: Desk, condition: str) -> Callable[[str, str], None]:
    """A function that lands the condition once more, with this payout."""

    def insert(numerators: str, denominator: str) -> None:
        change(
            desk,
            "insert into polyledger_raw.conditions (id, position_ids, payout_numerators, payout_denominator, _run_id) "
            f"select id, position_ids, {numerators}, '{denominator}', 'test' from polyledger_raw.conditions "
            f"where id = unhex('{condition[2:]}') limit 1",
        )

    return insert


def test_every_mart_is_told_apart_here() -> None:
    assert KEYS.keys() | {"leaderboard", "fct_wallet_pnl_daily"} >= set(MARTS)
