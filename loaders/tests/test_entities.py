"""What a served row becomes, and that a damaged one is refused by the name of what is wrong with it."""

import contextlib
import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loaders import embedded
from loaders.entities import (
    CONDITIONS,
    CONVERSIONS,
    FEE_REFUNDS,
    MARKET_DATA,
    MERGES,
    NEG_RISK_EVENTS,
    ORDER_FILLS,
    REDEMPTIONS,
    SPLITS,
    USER_POSITIONS,
    Entity,
    Field,
    Kind,
    Row,
    RowError,
)
from loaders.target import Target
from loaders.tests.conftest import Desk
from loaders.warehouse import Warehouse

TRANSACTION, ORDER, CONDITION, EVENT = "0x" + "aa" * 32, "0x" + "bb" * 32, "0x" + "cc" * 32, "0x" + "dd" * 31 + "00"
WALLET, EXCHANGE = "0x" + "0a" * 20, "0x4bfb41d5b3570defd03c39a9a4d8de6bd8b8982e"
TOKEN = 2**256 - 1  # the largest there can be
LOG_ID = f"{TRANSACTION}_0x1a"  # the log index is in hex
MOMENT = 1_735_689_600

# Each entity as the subgraphs serve it, and what its columns then hold.
GOOD: list[tuple[Entity, Row, tuple[Any, ...]]] = [
    (
        ORDER_FILLS,
        {
            "id": f"{TRANSACTION}_{ORDER}",
            "transactionHash": TRANSACTION,
            "timestamp": str(MOMENT),
            "orderHash": ORDER,
            "maker": WALLET,
            "taker": EXCHANGE,
            "makerAssetId": "0",
            "takerAssetId": str(TOKEN),
            "makerAmountFilled": "540000",
            "takerAmountFilled": "1000000",
            "fee": "0",
        },
        (
            b"\xaa" * 32,
            MOMENT,
            b"\xbb" * 32,
            b"\x0a" * 20,
            bytes.fromhex(EXCHANGE[2:]),
            0,
            TOKEN,
            540_000,
            1_000_000,
            0,
        ),
    ),
    (
        FEE_REFUNDS,
        {
            "id": LOG_ID,
            "orderHash": ORDER,
            "tokenId": "0",
            "timestamp": str(MOMENT),
            "refundee": WALLET,
            "feeRefunded": "7",
            "feeCharged": "3",
            "negRisk": True,
        },
        (LOG_ID, b"\xbb" * 32, 0, MOMENT, b"\x0a" * 20, 7, 3, True),
    ),
    (
        MARKET_DATA,
        {"id": str(TOKEN), "condition": CONDITION, "outcomeIndex": None},
        (TOKEN, b"\xcc" * 32, None),
    ),
    (
        CONDITIONS,
        {
            "id": CONDITION,
            "positionIds": [str(TOKEN), "5"],
            "payoutNumerators": ["1", "0"],
            "payoutDenominator": "1",
        },
        (b"\xcc" * 32, [TOKEN, 5], ["1", "0"], "1"),
    ),
    *(
        (
            entity,
            {
                "id": LOG_ID,
                "timestamp": str(MOMENT),
                "stakeholder": WALLET,
                "condition": CONDITION,
                "amount": str(TOKEN),  # of another project's collateral, with more decimals
            },
            (LOG_ID, MOMENT, b"\x0a" * 20, b"\xcc" * 32, TOKEN),
        )
        for entity in (SPLITS, MERGES)
    ),
    (
        REDEMPTIONS,
        {
            "id": LOG_ID,
            "timestamp": str(MOMENT),
            "redeemer": WALLET,
            "condition": CONDITION,
            "indexSets": ["1", "2"],
            "payout": "0",
        },
        (LOG_ID, MOMENT, b"\x0a" * 20, b"\xcc" * 32, [1, 2], 0),
    ),
    (
        CONVERSIONS,
        {
            "id": LOG_ID,
            "timestamp": str(MOMENT),
            "stakeholder": WALLET,
            "negRiskMarketId": EVENT,
            "amount": "1000000",
            "indexSet": "5",
            "questionCount": 3,
        },
        (LOG_ID, MOMENT, b"\x0a" * 20, bytes.fromhex(EVENT[2:]), 1_000_000, 5, 3),
    ),
    (NEG_RISK_EVENTS, {"id": EVENT, "questionCount": 3}, (bytes.fromhex(EVENT[2:]), 3)),
    (
        USER_POSITIONS,
        {
            "id": f"{WALLET}-{TOKEN}",
            "user": WALLET,
            "tokenId": str(TOKEN),
            "amount": "0",
            "avgPrice": "-120000",  # a conversion can make it negative
            "realizedPnl": str(-(2**255)),
            "totalBought": "9",
        },
        (f"{WALLET}-{TOKEN}", b"\x0a" * 20, TOKEN, 0, -120_000, -(2**255), 9),
    ),
]
ROWS = {entity.name: row for entity, row, _ in GOOD}

NO_TEXT: tuple[Any, ...] = (None, True, 7, 1.5, [], {}, "")
NO_HEX = (*NO_TEXT, "0x", "letters", "0x" + "g" * 64, "0x" + "g" * 40, "aa" * 32, "aa" * 20, -1)
NO_HASH = (*NO_HEX, TRANSACTION[:-1], TRANSACTION + "a", TRANSACTION + "\n", " " + TRANSACTION, WALLET)
NO_ADDRESS = (*NO_HEX, WALLET[:-1], WALLET + "a", WALLET + "\n", CONDITION)
NO_DECIMAL: tuple[Any, ...] = (None, True, 0.54, [], {}, "", "x", "-1", -1, "1e-5", "1.", ".5", "0,54", "NaN", "9" * 41)


def no_integer(least: int, most: int) -> tuple[Any, ...]:
    shapes: tuple[Any, ...] = (
        True,
        1.5,
        [],
        {},
        "",
        "x",
        "1.5",
        "1e5",
        "0x10",
        " 1",
        "1 ",
        "1\n",
        "1_000",
        "+1",
        "\u0661",
        "9" * 81,
    )
    return (*shapes, least - 1, str(least - 1), most + 1, str(most + 1))


NO_UINT256 = no_integer(0, 2**256 - 1)
DAMAGE: dict[str, tuple[Any, ...]] = {  # by a column's type, what cannot become a value of it
    "FixedString(32)": NO_HASH,
    "FixedString(20)": NO_ADDRESS,
    "UInt256": (None, *NO_UINT256),
    "Nullable(UInt256)": NO_UINT256,
    "Int256": (None, *no_integer(-(2**255), 2**255 - 1)),
    "UInt64": (None, *no_integer(0, 2**64 - 1)),
    "UInt32": (None, *no_integer(0, 2**32 - 1)),
    "DateTime('UTC')": (None, *no_integer(0, 2**32 - 1)),
    "Array(UInt256)": (None, "1", 1, {}, *([value] for value in (None, *NO_UINT256))),
    "Array(String)": (None, "1", 1, {}, *([value, "0"] for value in NO_DECIMAL)),
    "Bool": (None, "true", 0, 1, []),
    "String": NO_TEXT,
}


def damaged_values(field: Field) -> tuple[Any, ...]:
    if field.name == "payoutDenominator":  # without one, their sum is meant
        return tuple(value for value in NO_DECIMAL if value not in (None, ""))
    return DAMAGE[field.kind.type]


@pytest.mark.parametrize(("entity", "row", "values"), GOOD, ids=[entity.name for entity, _, _ in GOOD])
def test_a_good_row_becomes_typed_values(entity: Entity, row: Row, values: tuple[Any, ...]) -> None:
    assert set(entity.field_names) == row.keys()
    assert entity.parse(row) == values


@pytest.fixture
def warehouse(desk: Desk) -> Iterator[Warehouse]:
    warehouse = Warehouse(Target("embedded", f"chdb:{desk.data}", None, "", "", False, 300, "models", "raw"))
    warehouse.create_tables()
    yield warehouse
    warehouse.close()
    embedded.release(desk.data)


def test_what_was_parsed_is_what_the_warehouse_holds(warehouse: Warehouse) -> None:
    for entity, row, values in GOOD:
        block = entity.block([row], "run")
        warehouse.insert(entity, [block.data], block.rows)
        columns = ", ".join(
            f"toUnixTimestamp({field.column})" if field.kind.type.startswith("DateTime") else field.column
            for field in entity.fields
        )
        assert warehouse.rows(f"select {columns}, _run_id from raw.{entity.table}") == [(*values, "run")]


def test_the_raw_tables_have_the_columns_that_the_entities_fill(warehouse: Warehouse) -> None:
    for entity, _, _ in GOOD:
        declared = dict(
            warehouse.rows(
                "select name, type from system.columns "
                f"where database = 'raw' and table = '{entity.table}' and default_kind != 'ALIAS'"
            )
        )
        filled = {field.column: field.kind.type for field in entity.fields}
        assert filled.items() <= declared.items()
        assert declared.keys() - filled.keys() == {"_loaded_at", "_run_id"}


@pytest.mark.parametrize(
    ("entity", "field"),
    [pytest.param(entity, field, id=f"{entity.name}.{field.name}") for entity, _, _ in GOOD for field in entity.fields],
)
def test_a_damaged_field_is_refused_by_its_name(entity: Entity, field: Field) -> None:
    good = ROWS[entity.name]
    with pytest.raises(RowError, match=rf"^{field.name} is missing|^id is missing"):
        entity.parse({name: value for name, value in good.items() if name != field.name})
    for value in damaged_values(field):
        with pytest.raises(RowError) as refused:
            entity.parse(good | {field.name: value})
        assert str(refused.value).startswith(f"{field.name} "), (value, str(refused.value))


def test_upper_case_hex_is_the_same_value() -> None:
    for entity, row, values in GOOD:
        shouted = {
            name: f"0x{value[2:].upper().replace('_0X', '_0x')}" if str(value).startswith("0x") else value
            for name, value in row.items()
        }
        if entity is not USER_POSITIONS:  # its id is kept as it came
            assert entity.parse(shouted) == values


@pytest.mark.parametrize("ending", ["_", "_26", "_0x", "_0xg", "_0x123456789", "_0x1a_0x1a", "-0x1a"])
def test_an_event_id_is_a_transaction_with_a_log_index_in_hex(ending: str) -> None:
    with pytest.raises(RowError, match=r"^id is not a transaction hash with a log index"):
        SPLITS.parse(ROWS["Split"] | {"id": TRANSACTION + ending})


@pytest.mark.parametrize("row", [None, 7, "text", [], [{}]])
def test_what_is_no_object_is_refused(row: Any) -> None:
    with pytest.raises(RowError, match="not an object"):
        ORDER_FILLS.parse(row)


def test_a_null_outcome_index_is_unknown_and_a_number_is_kept() -> None:
    assert MARKET_DATA.parse(ROWS["MarketData"] | {"outcomeIndex": "1"})[-1] == 1
    with pytest.raises(RowError, match=r"^outcomeIndex is not a whole number"):
        MARKET_DATA.parse(ROWS["MarketData"] | {"outcomeIndex": "second"})


# Fills


def test_an_id_of_another_transaction_or_order_is_refused() -> None:
    fill = ROWS["OrderFilledEvent"]
    for wrong in (TRANSACTION, f"{ORDER}_{TRANSACTION}", f"{TRANSACTION}_{ORDER}0", f"{TRANSACTION}-{ORDER}", ""):
        with pytest.raises(RowError, match="id is not transactionHash_orderHash"):
            ORDER_FILLS.parse(fill | {"id": wrong})


@pytest.mark.parametrize(("given_asset", "received_asset"), [("0", "0"), ("5", "7"), ("5", "5"), ("00", "0")])
def test_a_fill_is_either_a_buy_or_a_sell(given_asset: str, received_asset: str) -> None:
    with pytest.raises(RowError, match="neither a buy nor a sell"):
        ORDER_FILLS.parse(ROWS["OrderFilledEvent"] | {"makerAssetId": given_asset, "takerAssetId": received_asset})


# Conversions


@pytest.mark.parametrize(("index_set", "questions"), [("0", 3), ("8", 3), ("9", 3), ("1", 0), ("1", 257), ("2", 1)])
def test_a_conversion_names_questions_of_its_event(index_set: str, questions: int) -> None:
    with pytest.raises(RowError, match="indexSet names no question, or one beyond questionCount"):
        CONVERSIONS.parse(ROWS["NegRiskConversion"] | {"indexSet": index_set, "questionCount": questions})


def test_a_conversion_of_all_of_256_questions_is_understood() -> None:
    row = ROWS["NegRiskConversion"] | {"indexSet": str(2**256 - 1), "questionCount": 256}
    assert CONVERSIONS.parse(row)[-2:] == (2**256 - 1, 256)


# Payouts


@pytest.mark.parametrize(
    ("served", "kept"),
    [
        (["0.54", "0.46"], ["0.54", "0.46"]),
        ([1, 0], ["1", "0"]),
        ([str(10**18), "0"], [str(10**18), "0"]),
        ([10**18, 10**18], [str(10**18), str(10**18)]),
        ([], []),
    ],
)
def test_payouts_are_kept_as_served(served: list[Any], kept: list[str]) -> None:
    assert CONDITIONS.parse(ROWS["Condition"] | {"payoutNumerators": served})[2] == kept


@pytest.mark.parametrize(("served", "kept"), [(None, ""), ("", ""), ("0", "0"), (2, "2"), (str(10**18), str(10**18))])
def test_a_denominator_may_be_absent(served: Any, kept: str) -> None:
    assert CONDITIONS.parse(ROWS["Condition"] | {"payoutDenominator": served})[3] == kept


@pytest.mark.parametrize("numerators", [["1"], ["1", "0", "0"]])
def test_every_outcome_has_a_numerator(numerators: list[str]) -> None:
    with pytest.raises(RowError, match="payoutNumerators and positionIds differ in length"):
        CONDITIONS.parse(ROWS["Condition"] | {"payoutNumerators": numerators})


# Anything

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.sampled_from(["0", "1", TRANSACTION]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=5,
)


KINDS = {field.kind.type: field.kind for entity, _, _ in GOOD for field in entity.fields if field.kind.write_served}
TEXT = (
    st.integers(0, 2**256 - 1).map(str)
    | st.integers(0, 2**256).map(lambda n: f"0x{n:064x}")
    | st.integers(0, 2**160).map(lambda n: f"0x{n:040X}")
    | st.sampled_from(["0", "007", str(2**32), str(2**64), str(2**256), "9" * 80, "0" * 81, "", " 1", "1_0", "\u0661"])
    | st.sampled_from(["0x" + "0x" * 16 + "00" * 16, "0x" + "00 " * 21 + "0", "0X" + "0" * 40, "0x" + "0" * 39 + "x"])
)


@settings(max_examples=500, deadline=None, derandomize=True, database=None)
@given(
    kind=st.sampled_from(list(KINDS.values())), values=st.lists(TEXT | JSON, max_size=4) | st.lists(TEXT, max_size=2)
)
def test_a_column_is_written_at_once_as_it_is_one_by_one(kind: Kind, values: list[Any]) -> None:
    assert kind.write_served
    try:
        expected = kind.write([kind.convert(value) for value in values])
    except ValueError:
        with pytest.raises((ValueError, TypeError)):
            kind.write_served(values)
        return
    with contextlib.suppress(ValueError, TypeError):  # then it is written one by one
        assert kind.write_served(values) == expected
    assert kind.column(values) == expected


def test_pages_of_good_and_damaged_rows_land_side_by_side(warehouse: Warehouse) -> None:
    fill = ROWS["OrderFilledEvent"]
    order = "0x" + "ee" * 32
    pages = [
        [fill],
        [fill | {"fee": "x"}],
        [fill | {"fee": "x"}, fill | {"fee": 7, "orderHash": order, "id": f"{TRANSACTION}_{order}"}],
    ]
    blocks = [ORDER_FILLS.block(page, "run") for page in pages]
    assert [(block.rows, len(block.damaged)) for block in blocks] == [(1, 0), (0, 1), (1, 1)]
    assert all(row["fee"] == "x" and reason.startswith("fee ") for block in blocks for row, reason in block.damaged)
    warehouse.insert(ORDER_FILLS, [block.data for block in blocks], 2)
    query = "select order_hash, fee from raw.order_filled_events order by fee"
    assert warehouse.rows(query) == [(b"\xbb" * 32, 0), (b"\xee" * 32, 7)]


@settings(max_examples=300, deadline=None, derandomize=True, database=None)
@given(entity=st.sampled_from([entity for entity, _, _ in GOOD]), data=st.data())
def test_whatever_is_served_is_parsed_or_refused(entity: Entity, data: st.DataObject) -> None:
    names = data.draw(st.lists(st.sampled_from(entity.field_names), min_size=1, max_size=3))
    row = ROWS[entity.name] | {name: data.draw(JSON) for name in names}
    try:
        values = entity.parse(json.loads(json.dumps(row), parse_float=str))
    except RowError as refused:
        assert str(refused)
    else:
        assert len(values) == len(entity.fields)
