"""Of large tables only what new rows touch is made anew, and all of them where nobody can tell what that is."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from loaders.standin.goldsky import Goldsky
from loaders.standin.world import simulate
from loaders.tests.conftest import Desk, copied_project, edit
from loaders.tests.test_incremental import FULL, PATCHED, build, build_in_full, differences, nodes, steps
from loaders.tests.test_kept import LATER, write

WORDS = ("--vars", PATCHED % 1_000_000)
# What nothing patched reads is left for the last build of a story.
STEP = (*WORDS, "--exclude", "path:models/audit", "path:models/marts")


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    desk = Desk(tmp_path_factory.mktemp("patched") / "warehouse")
    world = simulate(5, steps=300)
    with Goldsky(world.entities, head=world.until) as endpoint:
        desk.base_url = endpoint.base_url
        desk.load_everything()
    build(desk, "polyledger", *WORDS)
    yield desk


def patched(desk: Desk) -> dict[str, int]:
    """Of each table that was patched when it last changed: rows that were gone or new then."""
    return dict(
        desk.rows(
            """
            select tables.name, changed.total_rows from system.tables as tables
            inner join system.tables as changed on concat(tables.name, '__changed') = changed.name
            inner join system.tables as read on concat(tables.name, '__read') = read.name
            where tables.database = 'polyledger' and changed.database = 'polyledger' and read.database = 'polyledger'
                and extract(tables.comment, 'rows (.*)') = extract(changed.comment, ' to (.*)')
            """
        )
    )


def assert_as_in_full(desk: Desk) -> None:
    build_in_full(desk)
    found = differences(desk, [node["name"] for node in nodes(desk, FULL) if node["config"]["materialized"] == "table"])
    assert not found, "\n".join(found)


def fill_of(desk: Desk, number: int) -> str:
    """The transaction of a fill, as SQL."""
    hashes = desk.rows("select distinct hex(transaction_hash) from polyledger_raw.order_filled_events order by 1")
    return f"unhex('{hashes[number][0]}')"


def test_what_is_touched_is_patched(built: Desk) -> None:
    """A reorganisation moves two transactions; a refund of one is landed afterwards, at the time where it was."""
    moved, refunded = fill_of(built, 0), fill_of(built, 7)
    fills = "polyledger_raw.order_filled_events"
    before = built.rows("select count() from polyledger.int_positions")[0][0]
    write(
        built,
        f"""
        insert into {fills} select * replace ({LATER}, timestamp + 5000 as timestamp)
        from {fills} where transaction_hash in ({moved}, {refunded})
        """,
    )
    build(built, "polyledger", *STEP)
    assert {"int_entries", "int_positions"} <= set(patched(built))
    assert 0 < patched(built)["int_positions"] < before / 2
    # Rows of parts that were merged with new ones count as new: more is touched, and nothing else changes.
    write(built, f"optimize table {fills} final")
    write(
        built,
        f"""
        insert into polyledger_raw.fee_refunds (id, order_hash, timestamp, refundee, fee_refunded, fee_charged)
        select concat('0x', lower(hex(transaction_hash)), '_0x1'), order_hash, timestamp - 5000, maker, 1, 1
        from {fills} where transaction_hash = {refunded} and timestamp = (
            select max(timestamp) from {fills} where transaction_hash = {refunded}
        )
        """,
    )
    build(built, "polyledger", *STEP)
    assert "int_entries" in patched(built)
    # The last trade of a token was before others of it, as it turns out.
    last_trade = built.rows(
        """
        select argMax(transaction_hash, filled_at) as last from polyledger.fct_fills
        where token_id is not null group by token_id having uniqExact(filled_at) > 3 order by last limit 1
        """
    )[0][0]
    write(
        built,
        f"""
        insert into {fills} select * replace ({LATER}, timestamp - 1000000 as timestamp)
        from {fills} where transaction_hash = unhex('{last_trade[2:]}')
        """,
    )
    # A redemption that was another wallet's: the copy that said so is merged away.
    redemptions = "polyledger_raw.redemptions"
    write(
        built,
        f"""
        insert into {redemptions} select * replace ({LATER}, reverse(redeemer) as redeemer)
        from {redemptions} where condition in (select condition_id from polyledger.int_markets) order by id limit 1
        """,
    )
    write(built, f"optimize table {redemptions} final")
    build(built, "polyledger", *STEP)
    assert {"int_token_prices", "int_redemptions", "int_wallet_days"} <= set(patched(built))
    # Sets that a wallet never had, of another question of an event where its conversions carried costs: what they
    # carried is not known any more, of no question.
    wallet, event, question = built.rows(
        """
        select hex(wallet), hex(neg_risk_event_id), hex(other.condition_id)
        from polyledger.int_carried_costs as carried
        inner join polyledger.int_settlements as settled using (wallet, condition_id)
        inner join polyledger.int_neg_risk_questions as other using (neg_risk_event_id)
        where carried_usdc != 0 and other.condition_id != carried.condition_id
            and other.condition_id in (select condition_id from polyledger.int_markets)
        order by all limit 1
        """
    )[0]
    write(
        built,
        f"""
        insert into polyledger_raw.merges (id, timestamp, stakeholder, condition, amount)
        select '0x{"7" * 64}', max(timestamp), unhex('{wallet}'), unhex('{question}'), 1000000000000
        from polyledger_raw.merges
        """,
    )
    # Another one, whose old copy stays, since it stands at another time; then something of the wallet that it names.
    # And a split; then a merge in the second where it was.
    splits = "polyledger_raw.splits"
    of_markets = "where condition in (select condition_id from polyledger.int_markets)"
    corrected = built.rows(f"select id from {redemptions} {of_markets} order by id desc limit 1")[0][0]
    delayed = built.rows(f"select id from {splits} {of_markets} order by id limit 1")[0][0]
    write(
        built,
        f"""
        insert into {redemptions}
        select * replace ({LATER}, timestamp + 5000 as timestamp, reverse(redeemer) as redeemer)
        from {redemptions} where id = '{corrected}'
        """,
    )
    write(
        built,
        f"""
        insert into {splits} select * replace ({LATER}, timestamp + 5000 as timestamp)
        from {splits} where id = '{delayed}'
        """,
    )
    build(built, "polyledger", *STEP)
    assert "int_wallet_days" in patched(built)
    of_event = f"wallet = unhex('{wallet}') and neg_risk_event_id = unhex('{event}')"
    assert not built.rows(f"select * from polyledger.int_carried_costs where {of_event}")
    write(
        built,
        f"""
        insert into {splits} (id, timestamp, stakeholder, condition, amount)
        select '0x{"9" * 64}', timestamp - 60, redeemer, condition, 1000000
        from {redemptions} where id = '{corrected}' order by timestamp limit 1
        """,
    )
    write(
        built,
        f"""
        insert into polyledger_raw.merges (id, timestamp, stakeholder, condition, amount)
        select '0x{"6" * 64}', timestamp, stakeholder, condition, 1
        from {splits} where id = '{delayed}' order by timestamp limit 1
        """,
    )
    build(built, "polyledger", *STEP)
    assert {"int_redemptions", "int_wallets"} <= set(patched(built))
    # Shares that were there before a redemption, as it turns out: those that are worth nothing left with the rest.
    redeemed = "from polyledger.int_redemptions where delta_shares < 0 and delta_usdc = 0 order by 1 limit 1"
    left = built.rows(f"select redemption_id, outcome_index, delta_shares {redeemed}")[0]
    write(
        built,
        f"""
        insert into {splits} (id, timestamp, stakeholder, condition, amount)
        select '0x{"8" * 64}', happened_at - 60, wallet, condition_id, 1000000
        from polyledger.int_redemptions where redemption_id = '{left[0]}' limit 1
        """,
    )
    # The first wallets that there can be in each step of a full build.
    of_steps = range(1, count := steps(built, "polyledger"))
    firsts = ", ".join(f"'{step * 65536 // count:04x}{'00' * 18}'" for step in of_steps)
    write(
        built,
        f"""
        insert into {fills} select * replace ({LATER}, unhex(wallet) as maker, sipHash128(wallet) as transaction_hash)
        from (select * from {fills} where transaction_hash = {moved}) array join [{firsts}] as wallet
        """,
    )
    build(built, "polyledger", *WORDS)
    at_borders = built.rows(f"select count() from polyledger.int_wallets where lower(hex(wallet)) in ({firsts})")
    assert at_borders == [(len(of_steps),)]
    of_it = f"where redemption_id = '{left[0]}' and outcome_index = {left[1]}"
    assert built.rows(f"select delta_shares from polyledger.int_redemptions {of_it}") == [(left[2] - 1,)]
    assert_as_in_full(built)
    assert steps(built, FULL) == count


def test_tables_may_get_columns_and_have_been_views(built: Desk, tmp_path: Path) -> None:
    """In a copy of the project, there and back again. What a build that was killed left beside a table goes."""
    project = copied_project(tmp_path / "project")
    words = (*WORDS, "--project-dir", str(project), "--profiles-dir", str(project))
    chosen = ("--select", "int_conditions", "int_exchange_sets")
    models = project / "models" / "intermediate"
    edit(models / "int_conditions.sql", "as token_ids,", "as token_ids, toUInt8(1) as noted,")
    edit(models / "int_exchange_sets.sql", "order_by='set_event_id'", "materialized='view'")
    build(built, "polyledger", *words, *chosen)
    columns = "select name from system.columns where database = 'polyledger' and table = 'int_conditions'"
    assert ("noted",) in built.rows(columns)
    write(built, "alter table polyledger.int_conditions modify comment ''")
    write(built, "create table polyledger.int_conditions__before as polyledger.int_conditions")
    build(built, "polyledger", *WORDS, *chosen)
    assert ("noted",) not in built.rows(columns)
    beside = "select name from system.tables where database = 'polyledger' and match(name, '__(before|changing)$')"
    assert not built.rows(beside)


def test_where_nobody_can_tell_all_is_made_anew(built: Desk) -> None:
    """A build that died before it said what it made; one that left a table out; rows that were deleted."""
    one_more = f"""
        insert into polyledger_raw.splits select * replace ({LATER}, timestamp + %s as timestamp, '0x%s' as id)
        from polyledger_raw.splits where condition in (select condition_id from polyledger.int_markets)
        order by id desc limit 1
    """
    write(built, one_more % (7, "1" * 64))
    build(built, "polyledger", *STEP)
    assert "int_entries" in patched(built)
    write(built, "alter table polyledger.int_entries modify comment ''")
    write(built, one_more % (7, "2" * 64))
    build(built, "polyledger", *STEP)
    assert not {"int_entries", "int_positions"} & set(patched(built))

    for digit in "34":
        write(built, one_more % (7, digit * 64))
        build(built, "polyledger", *WORDS, "--select", "int_entries")
    assert "int_entries" in patched(built)
    build(built, "polyledger", *STEP)
    assert "int_positions" not in patched(built)

    # Rows of one month are deleted, then another one is landed, and all of them are merged.
    month = built.rows("select _partition_id from polyledger_raw.splits where id like '0x444%'")[0][0]
    write(
        built,
        f"""
        alter table polyledger_raw.splits delete in partition id '{month}' where id like '0x444%'
        settings mutations_sync = 2
        """,
    )
    write(built, one_more % (9, "5" * 64))
    write(built, "optimize table polyledger_raw.splits final")
    build(built, "polyledger", *STEP)
    assert "int_entries" not in patched(built)

    # All months are emptied and filled again: blocks are counted from one once more, and one comes that is newer.
    splits = "polyledger_raw.splits"
    partitions = (
        "select partition_id, min(min_block_number), max(max_block_number) from system.parts"
        " where database = 'polyledger_raw' and table = 'splits' and active group by 1 order by 1"
    )
    blocks = []
    for condition, digit in ("1", "6"), ("id not like '0x5%'", "7"):
        write(built, f"create or replace table {splits}_aside engine = MergeTree order by id as select * from {splits}")
        write(built, f"truncate table {splits}")
        write(
            built,
            f"insert into {splits} select * replace ({LATER}) from {splits}_aside where {condition} order by timestamp",
        )
        blocks.append(built.rows(partitions))
        if digit == "6":
            build(built, "polyledger", *STEP)
        write(built, one_more % (9, digit * 64))
    assert blocks[0] == blocks[1]
    build(built, "polyledger", *WORDS)
    assert "int_entries" not in patched(built)
    assert_as_in_full(built)
