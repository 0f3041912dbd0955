"""What is loaded: each entity once, with its subgraph, fields, raw table and conversions. A new one is a few lines.

Sources: the subgraphs' schemas. Units stay as served (base units of 10^-6, unix seconds); only the type changes.
"""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

Row = dict[str, Any]
Columns = list[list[Any]]  # values of many rows, by field
Convert = Callable[[Any], Any]
ConvertMany = Callable[[list[Any]], list[Any]]


class RowError(Exception):
    """A row that cannot be understood; the message says which field and why."""


@dataclass(frozen=True)
class Kind:
    """A ClickHouse type and how a served value becomes one of it; `many` is the same for a column, only faster."""

    type: str
    one: Convert
    fast: ConvertMany | None = None

    def many(self, values: list[Any]) -> list[Any]:
        """Convert a column. Raises ValueError when any value cannot be understood."""
        try:
            quickly = self.fast(values) if self.fast else None
        except TypeError:  # not all are texts
            quickly = None
        return quickly or [self.one(value) for value in values]


def _hex(size: int) -> Convert:
    wanted = re.compile(rf"0x[0-9a-fA-F]{{{2 * size}}}")

    def convert(value: Any) -> bytes:
        if not isinstance(value, str) or not wanted.fullmatch(value):
            raise ValueError(f"is not 0x and {2 * size} hex digits")
        return bytes.fromhex(value[2:])

    return convert


def _hex_column(size: int) -> ConvertMany:
    length = 2 + 2 * size

    def convert(values: list[Any]) -> list[Any]:
        text, count = "".join(values), len(values)
        if set(map(len, values)) != {length} or text[::length] != "0" * count or text[1::length] != "x" * count:
            return []
        data = bytes.fromhex("".join([value[2:] for value in values]))
        # Blanks are skipped by fromhex, and would shift what follows.
        whole = len(data) == size * count
        return [data[start : start + size] for start in range(0, len(data), size)] if whole else []

    return convert


def _integer_column(bits: int) -> ConvertMany:
    def convert(values: list[Any]) -> list[Any]:
        text = "".join(values)
        if "" in values or not (text.isascii() and text.isdigit()):
            return []
        numbers = list(map(int, values))
        return numbers if max(numbers) < 2**bits else []

    return convert


def _integer(bits: int, signed: bool = False) -> Convert:
    least, most = (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if signed else (0, 2**bits - 1)
    digits = re.compile(r"-?[0-9]{1,80}" if signed else r"[0-9]{1,80}")

    def convert(value: Any) -> int:
        if isinstance(value, bool) or not isinstance(value, int | str):
            raise ValueError("is not a whole number")
        if isinstance(value, str) and not digits.fullmatch(value):
            raise ValueError("is not a whole number")
        number = int(value)
        if not least <= number <= most:
            raise ValueError(f"does not fit {bits} bits")
        return number

    return convert


def _event_id(value: Any) -> str:
    if not isinstance(value, str) or not re.fullmatch(r"0x[0-9a-fA-F]{64}(_0x[0-9a-fA-F]{1,8})?", value):
        raise ValueError("is not a transaction hash with a log index")
    return value.lower()


def _numerator(value: Any) -> str:
    # A fraction arrives as text (subgraph.py), so that 0.1 stays 0.1.
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    if not isinstance(value, str) or not re.fullmatch(r"[0-9]{1,40}(\.[0-9]{1,30})?", value):
        raise ValueError("is not a decimal number")
    return value


def _truth(value: Any) -> bool:
    if not isinstance(value, bool):
        raise ValueError("is neither true nor false")
    return value


def _list(of: Convert) -> Convert:
    def convert(value: Any) -> list[Any]:
        if not isinstance(value, list):
            raise ValueError("is not a list")
        return [of(item) for item in value]

    return convert


def _or_null(of: Convert) -> Convert:
    return lambda value: None if value is None else of(value)


HASH = Kind("FixedString(32)", _hex(32), _hex_column(32))
ADDRESS = Kind("FixedString(20)", _hex(20), _hex_column(20))
UINT256 = Kind("UInt256", _integer(256), _integer_column(256))
INT256 = Kind("Int256", _integer(256, signed=True))
UINT64 = Kind("UInt64", _integer(64), _integer_column(64))
UINT32 = Kind("UInt32", _integer(32))
MOMENT = Kind("DateTime('UTC')", _integer(32), _integer_column(32))  # unix seconds
EVENT_ID = Kind("String", _event_id)
DENOMINATOR = Kind("String", lambda value: "" if value in (None, "") else _numerator(value))
TRUTH = Kind("Bool", _truth)


@dataclass(frozen=True)
class Field:
    """One field: its name in the subgraph, its column, and what kind of value it is."""

    name: str
    column: str
    kind: Kind


@dataclass(frozen=True)
class Entity:
    """One entity: where it is served, where it lands, and the field that holds the wallet."""

    name: str
    subgraph: str
    many: str  # the subgraph's name of the list
    table: str
    fields: tuple[Field, ...]
    wallet_field: str | None = None
    check: Callable[[Row], str | None] = lambda row: None
    check_page: Callable[[list[Row]], bool] | None = None  # whether all pass `check`, only faster

    @property
    def is_timed(self) -> bool:
        """Events are paged by (timestamp, id), state by id."""
        return any(field.name == "timestamp" for field in self.fields)

    @property
    def field_names(self) -> list[str]:
        """What is asked for: every field, and the id, by which pages are turned."""
        return list(dict.fromkeys(["id", *(field.name for field in self.fields)]))

    def is_page_good(self, rows: list[Any]) -> bool:
        """Whether every row is an object with an id that passes the check."""
        if not all([type(row) is dict and type(row["id"]) is str for row in rows]):
            return False
        return bool(self.check_page and self.check_page(rows)) or not any(map(self.check, rows))

    def parse_page(self, rows: list[Any]) -> tuple[Columns, list[tuple[Any, str]]]:
        """The rows' values by field, and the rows that cannot be understood, each with its reason."""
        try:
            if self.is_page_good(rows):
                return [field.kind.many([row[field.name] for row in rows]) for field in self.fields], []
        except (AttributeError, KeyError, TypeError, ValueError):
            pass  # some row is damaged: one by one
        good, damaged = [], []
        for row in rows:
            try:
                good.append(self.parse(row))
            except RowError as error:
                damaged.append((row, str(error)))
        return [list(column) for column in zip(*good, strict=True)] or [[] for _ in self.fields], damaged

    def parse(self, row: Any) -> tuple[Any, ...]:
        """The row's values in column order. Raises RowError."""
        if not isinstance(row, dict):
            raise RowError("the row is not an object")
        if not isinstance(row.get("id"), str):
            raise RowError("id is missing or no text")
        values = []
        for field in self.fields:
            if field.name not in row:
                raise RowError(f"{field.name} is missing")
            try:
                values.append(field.kind.one(row[field.name]))
            except ValueError as error:
                raise RowError(f"{field.name} {error}: {json.dumps(row[field.name])[:100]}") from None
        if wrong := self.check(row):
            raise RowError(wrong)
        return tuple(values)


def _fields(*given: tuple[str, Kind]) -> tuple[Field, ...]:
    return tuple(Field(name, re.sub(r"(?=[A-Z])", "_", name).lower(), kind) for name, kind in given)


def _check_fill(row: Row) -> str | None:
    if row["id"].lower() != f"{row['transactionHash']}_{row['orderHash']}".lower():
        return "id is not transactionHash_orderHash"
    if (int(row["makerAssetId"]) == 0) == (int(row["takerAssetId"]) == 0):
        return "neither a buy nor a sell: exactly one of makerAssetId and takerAssetId must be 0"
    return None


def _check_fills(rows: list[Row]) -> bool:
    ids = [row["id"] for row in rows]
    return ids == [f"{row['transactionHash']}_{row['orderHash']}" for row in rows] and all(
        [(row["makerAssetId"] == "0") != (row["takerAssetId"] == "0") for row in rows]
    )


def _check_conversion(row: Row) -> str | None:
    questions = int(row["questionCount"])
    if not 0 < questions <= 256 or not 0 < int(row["indexSet"]) < 2**questions:
        return "indexSet names no question, or one beyond questionCount"
    return None


def _check_event(row: Row) -> str | None:
    # A question's index is one byte of its id.
    return "questionCount is above 256" if int(row["questionCount"]) > 256 else None


def _check_condition(row: Row) -> str | None:
    if row["payoutNumerators"] and len(row["payoutNumerators"]) != len(row["positionIds"]):
        return "payoutNumerators and positionIds differ in length"
    return None


def _text_id(value: Any) -> str:
    if not isinstance(value, str) or not value:
        raise ValueError("is not a text")
    return value


ORDER_FILLS = Entity(
    name="OrderFilledEvent",
    subgraph="orderbook",
    many="orderFilledEvents",
    table="order_filled_events",
    fields=_fields(
        ("transactionHash", HASH),
        ("timestamp", MOMENT),
        ("orderHash", HASH),
        ("maker", ADDRESS),
        ("taker", ADDRESS),
        ("makerAssetId", UINT256),
        ("takerAssetId", UINT256),
        ("makerAmountFilled", UINT64),
        ("takerAmountFilled", UINT64),
        ("fee", UINT64),
    ),
    wallet_field="maker",  # every row is a fill of its maker, the taker order's row too
    check=_check_fill,
    check_page=_check_fills,
)
FEE_REFUNDS = Entity(
    name="FeeRefundedEntity",
    subgraph="fee-module",
    many="feeRefundedEntities",
    table="fee_refunds",
    fields=_fields(
        ("id", EVENT_ID),
        ("orderHash", HASH),
        ("tokenId", UINT256),
        ("timestamp", MOMENT),
        ("refundee", ADDRESS),
        ("feeRefunded", UINT256),
        ("feeCharged", UINT256),
        ("negRisk", TRUTH),
    ),
    wallet_field="refundee",
)
MARKET_DATA = Entity(
    name="MarketData",
    subgraph="orderbook",
    many="marketDatas",
    table="market_data",
    fields=_fields(
        ("id", UINT256),
        ("condition", HASH),
        ("outcomeIndex", Kind("Nullable(UInt256)", _or_null(_integer(256)))),
    ),
)
CONDITIONS = Entity(
    name="Condition",
    subgraph="pnl",
    many="conditions",
    table="conditions",
    fields=_fields(
        ("id", HASH),
        ("positionIds", Kind("Array(UInt256)", _list(_integer(256)))),
        ("payoutNumerators", Kind("Array(String)", _list(_numerator))),
        ("payoutDenominator", DENOMINATOR),
    ),
    check=_check_condition,
)
_SET_EVENT = _fields(
    ("id", EVENT_ID),
    ("timestamp", MOMENT),
    ("stakeholder", ADDRESS),
    ("condition", HASH),
    ("amount", UINT256),
)
SPLITS = Entity("Split", "activity", "splits", "splits", _SET_EVENT, "stakeholder")
MERGES = Entity("Merge", "activity", "merges", "merges", _SET_EVENT, "stakeholder")
REDEMPTIONS = Entity(
    name="Redemption",
    subgraph="activity",
    many="redemptions",
    table="redemptions",
    fields=_fields(
        ("id", EVENT_ID),
        ("timestamp", MOMENT),
        ("redeemer", ADDRESS),
        ("condition", HASH),
        ("indexSets", Kind("Array(UInt256)", _list(_integer(256)))),
        ("payout", UINT256),
    ),
    wallet_field="redeemer",
)
CONVERSIONS = Entity(
    name="NegRiskConversion",
    subgraph="activity",
    many="negRiskConversions",
    table="neg_risk_conversions",
    fields=_fields(
        ("id", EVENT_ID),
        ("timestamp", MOMENT),
        ("stakeholder", ADDRESS),
        ("negRiskMarketId", HASH),
        ("amount", UINT256),
        ("indexSet", UINT256),
        ("questionCount", UINT32),
    ),
    wallet_field="stakeholder",
    check=_check_conversion,
)
NEG_RISK_EVENTS = Entity(
    name="NegRiskEvent",
    subgraph="activity",
    many="negRiskEvents",
    table="neg_risk_events",
    fields=_fields(("id", HASH), ("questionCount", UINT32)),
    check=_check_event,
)
USER_POSITIONS = Entity(
    name="UserPosition",
    subgraph="pnl",
    many="userPositions",
    table="user_positions",
    fields=_fields(
        ("id", Kind("String", _text_id)),
        ("user", ADDRESS),
        ("tokenId", UINT256),
        ("amount", UINT256),
        ("avgPrice", INT256),
        ("realizedPnl", INT256),
        ("totalBought", UINT256),
    ),
    wallet_field="user",
)

V1_START = datetime(2022, 11, 21, tzinfo=UTC)  # first order fill: 2022-11-21 19:49:29 UTC
ACTIVITY_START = datetime(2020, 9, 1, tzinfo=UTC)  # the conditional tokens contract on Polygon
V1_END = datetime(2026, 4, 28, 11, tzinfo=UTC)  # the public subgraphs are incomplete from here on

ENTITIES = tuple(value for value in list(vars().values()) if isinstance(value, Entity))
