"""What is loaded: each entity once, with its subgraph, fields, raw table and conversions. A new one is a few lines.

Sources: the subgraphs' schemas. Units stay as served (base units of 10^-6, unix seconds); only the type changes.
"""

import contextlib
import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from loaders import native
from loaders.native import Write

Row = dict[str, Any]
Convert = Callable[[Any], Any]


class RowError(Exception):
    """A row that cannot be understood; the message says which field and why."""


@dataclass(frozen=True)
class Kind:
    """A ClickHouse type: how a served value becomes one of it, and how a column of them is written (native.py).

    `write_served` writes served values at once, and raises ValueError where one is not as usual.
    """

    type: str
    convert: Convert
    write: Write
    write_served: Write | None = None

    def column(self, values: list[Any]) -> bytes:
        """Served values as written. Raises ValueError when any cannot be understood."""
        if self.write_served:
            with contextlib.suppress(ValueError, TypeError):  # TypeError: not all are texts
                return self.write_served(values)
        return self.write([self.convert(value) for value in values])


def _hex(size: int) -> Kind:
    wanted = re.compile(rf"0x[0-9a-fA-F]{{{2 * size}}}")
    length = 2 + 2 * size

    def convert(value: Any) -> bytes:
        if not isinstance(value, str) or not wanted.fullmatch(value):
            raise ValueError(f"is not 0x and {2 * size} hex digits")
        return bytes.fromhex(value[2:])

    def write_served(values: list[Any]) -> bytes:
        text, count = "".join(values), len(values)
        if set(map(len, values)) != {length} or text[::length] != "0" * count or text[1::length] != "x" * count:
            raise ValueError("not all are 0x and as many digits")
        written = bytes.fromhex(text.replace("0x", ""))
        if len(written) != size * count:
            raise ValueError("a blank or a second 0x was skipped")
        return written

    return Kind(f"FixedString({size})", convert, b"".join, write_served)


def _integer(type_name: str, bits: int, signed: bool = False) -> Kind:
    least, most = (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if signed else (0, 2**bits - 1)
    digits = re.compile(r"-?[0-9]{1,80}" if signed else r"[0-9]{1,80}")
    write = native.integers(bits, signed)

    def convert(value: Any) -> int:
        if isinstance(value, bool) or not isinstance(value, int | str):
            raise ValueError("is not a whole number")
        if isinstance(value, str) and not digits.fullmatch(value):
            raise ValueError("is not a whole number")
        number = int(value)
        if not least <= number <= most:
            raise ValueError(f"does not fit {bits} bits")
        return number

    def write_served(values: list[Any]) -> bytes:
        text = "".join(values)
        if not (text.isascii() and text.isdigit()) or "" in values or max(map(len, values)) > 80:
            raise ValueError("not all are digits")
        try:
            return write(list(map(int, values)))
        except OverflowError as error:
            raise ValueError(str(error)) from None

    return Kind(type_name, convert, write, write_served)


def _event_id(value: Any) -> str:
    if not isinstance(value, str) or not re.fullmatch(r"0x[0-9a-fA-F]{64}(_0x[0-9a-fA-F]{1,8})?", value):
        raise ValueError("is not a transaction hash with a log index")
    return value.lower()


def _trade_type(value: Any) -> str:
    if value not in ("Buy", "Sell"):
        raise ValueError("is neither Buy nor Sell")
    return str(value)


def _position_id(value: Any) -> str:
    if not isinstance(value, str) or not value.isascii() or not value:
        raise ValueError("is not a plain text")
    return value


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


def list_of(item: Kind) -> Kind:
    def convert(value: Any) -> list[Any]:
        if not isinstance(value, list):
            raise ValueError("is not a list")
        return [item.convert(one) for one in value]

    return Kind(f"Array({item.type})", convert, native.arrays(item.write))


def _reference_to(value: Kind) -> Kind:
    """Another entity, served as an object with its id."""

    def convert(served: Any) -> Any:
        if not isinstance(served, dict) or "id" not in served:
            raise ValueError("is no object with an id")
        return value.convert(served["id"])

    return Kind(value.type, convert, value.write)


def _or_null(value: Kind) -> Kind:
    def convert(served: Any) -> Any:
        return None if served is None else value.convert(served)

    return Kind(f"Nullable({value.type})", convert, native.nullable(value.write, 0))


HASH = _hex(32)
ADDRESS = _hex(20)
UINT256 = _integer("UInt256", 256)
INT256 = _integer("Int256", 256, signed=True)
UINT64 = _integer("UInt64", 64)
UINT8 = _integer("UInt8", 8)
UINT32 = _integer("UInt32", 32)
MOMENT = _integer("DateTime('UTC')", 32)  # unix seconds
EVENT_ID = Kind("String", _event_id, native.texts)
POSITION_ID = Kind("String", _position_id, native.texts)
TEXT = Kind("String", str, native.texts)
NUMERATOR = Kind("String", _numerator, native.texts)
DENOMINATOR = Kind("String", lambda value: "" if value in (None, "") else _numerator(value), native.texts)
TRUTH = Kind("Bool", _truth, bytes)
TRADE_TYPE = Kind("String", _trade_type, native.texts)
REFERENCE = _reference_to(ADDRESS)


@dataclass(frozen=True)
class Field:
    """One field: its name in the subgraph, its column, and what kind of value it is."""

    name: str
    column: str
    kind: Kind
    is_reference: bool = False  # to another entity, of which the id is asked for

    @property
    def asked(self) -> str:
        """How a query asks for it."""
        return f"{self.name} {{ id }}" if self.is_reference else self.name


@dataclass(frozen=True)
class Block:
    """A page as written for its raw table (native.py), how many rows that is, and the others, each with its reason."""

    data: bytes
    rows: int
    damaged: list[tuple[Any, str]]


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

    @property
    def selection(self) -> str:
        """The same as a query's selection."""
        return " ".join(dict.fromkeys(["id", *(field.asked for field in self.fields)]))

    def is_page_good(self, rows: list[Any]) -> bool:
        """Whether every row is an object with an id that passes the check."""
        if not all([type(row) is dict and type(row["id"]) is str for row in rows]):
            return False
        return bool(self.check_page and self.check_page(rows)) or not any(map(self.check, rows))

    def block(self, rows: list[Any], run_id: str) -> Block:
        """The page as the raw table takes it."""
        written, good, damaged = self._columns(rows)
        columns = [(field.column, field.kind.type, values) for field, values in zip(self.fields, written, strict=True)]
        columns.append(("_run_id", "String", native.same_text(run_id, good)))
        return Block(native.block(good, columns), good, damaged)

    def _columns(self, rows: list[Any]) -> tuple[list[bytes], int, list[tuple[Any, str]]]:
        try:
            if self.is_page_good(rows):
                return [field.kind.column([row[field.name] for row in rows]) for field in self.fields], len(rows), []
        except (AttributeError, KeyError, TypeError, ValueError):
            pass  # some row is damaged: one by one
        good, damaged = [], []
        for row in rows:
            try:
                good.append(self.parse(row))
            except RowError as error:
                damaged.append((row, str(error)))
        columns = list(zip(*good, strict=True)) or [() for _ in self.fields]
        return [f.kind.write(list(column)) for f, column in zip(self.fields, columns, strict=True)], len(good), damaged

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
                values.append(field.kind.convert(row[field.name]))
            except ValueError as error:
                raise RowError(f"{field.name} {error}: {json.dumps(row[field.name])[:100]}") from None
        if wrong := self.check(row):
            raise RowError(wrong)
        return tuple(values)


def fields(*given: tuple[str, Kind]) -> tuple[Field, ...]:
    return tuple(Field(name, re.sub(r"(?=[A-Z])", "_", name).lower(), kind, kind is REFERENCE) for name, kind in given)


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


def _check_trade(row: Row) -> str | None:
    return None if int(row["outcomeIndex"]) < 256 else "outcomeIndex is above 255"


def _check_funding(amounts: str) -> Callable[[Row], str | None]:
    def check(row: Row) -> str | None:
        return None if len(row[amounts]) > 1 else f"{amounts} has less than two outcomes"

    return check


ORDER_FILLS = Entity(
    name="OrderFilledEvent",
    subgraph="orderbook",
    many="orderFilledEvents",
    table="order_filled_events",
    fields=fields(
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
    fields=fields(
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
    fields=fields(
        ("id", UINT256),
        ("condition", HASH),
        ("outcomeIndex", _or_null(UINT256)),
    ),
)
CONDITIONS = Entity(
    name="Condition",
    subgraph="pnl",
    many="conditions",
    table="conditions",
    fields=fields(
        ("id", HASH),
        ("positionIds", list_of(UINT256)),
        ("payoutNumerators", list_of(NUMERATOR)),
        ("payoutDenominator", DENOMINATOR),
    ),
    check=_check_condition,
)
_SET_EVENT = fields(
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
    fields=fields(
        ("id", EVENT_ID),
        ("timestamp", MOMENT),
        ("redeemer", ADDRESS),
        ("condition", HASH),
        ("indexSets", list_of(UINT256)),
        ("payout", UINT256),
    ),
    wallet_field="redeemer",
)
CONVERSIONS = Entity(
    name="NegRiskConversion",
    subgraph="activity",
    many="negRiskConversions",
    table="neg_risk_conversions",
    fields=fields(
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
    fields=fields(("id", HASH), ("questionCount", UINT32)),
    check=_check_event,
)
USER_POSITIONS = Entity(
    name="UserPosition",
    subgraph="pnl",
    many="userPositions",
    table="user_positions",
    fields=fields(
        ("id", POSITION_ID),
        ("user", ADDRESS),
        ("tokenId", UINT256),
        ("amount", UINT256),
        ("avgPrice", INT256),
        ("realizedPnl", INT256),
        ("totalBought", UINT256),
    ),
    wallet_field="user",
)

FPMMS = Entity(
    name="FixedProductMarketMaker",
    subgraph="fpmm",
    many="fixedProductMarketMakers",
    table="fpmms",
    fields=fields(
        ("id", ADDRESS),
        ("creator", ADDRESS),
        ("creationTimestamp", MOMENT),
        ("collateralToken", REFERENCE),
        ("conditions", list_of(HASH)),
        ("fee", UINT256),
    ),
)
FPMM_TRADES = Entity(
    name="FpmmTransaction",
    subgraph="fpmm",
    many="fpmmTransactions",
    table="fpmm_transactions",
    fields=fields(
        ("id", EVENT_ID),
        ("type", TRADE_TYPE),
        ("timestamp", MOMENT),
        ("market", REFERENCE),
        ("user", ADDRESS),
        ("tradeAmount", UINT256),
        ("feeAmount", UINT256),
        ("outcomeIndex", UINT256),
        ("outcomeTokensAmount", UINT256),
    ),
    wallet_field="user",
    check=_check_trade,
)
FPMM_ADDITIONS = Entity(
    name="FpmmFundingAddition",
    subgraph="fpmm",
    many="fpmmFundingAdditions",
    table="fpmm_funding_additions",
    fields=fields(
        ("id", EVENT_ID),
        ("timestamp", MOMENT),
        ("fpmm", REFERENCE),
        ("funder", ADDRESS),
        ("amountsAdded", list_of(UINT256)),
        ("amountsRefunded", list_of(UINT256)),
        ("sharesMinted", UINT256),
    ),
    wallet_field="funder",
    check=_check_funding("amountsAdded"),
)
FPMM_REMOVALS = Entity(
    name="FpmmFundingRemoval",
    subgraph="fpmm",
    many="fpmmFundingRemovals",
    table="fpmm_funding_removals",
    fields=fields(
        ("id", EVENT_ID),
        ("timestamp", MOMENT),
        ("fpmm", REFERENCE),
        ("funder", ADDRESS),
        ("amountsRemoved", list_of(UINT256)),
        ("collateralRemoved", UINT256),
        ("sharesBurnt", UINT256),
    ),
    wallet_field="funder",
    check=_check_funding("amountsRemoved"),
)

FILE_PAYOUTS = Entity(
    name="FilePayout",
    subgraph="",
    many="",
    table="file_payouts",
    fields=fields(
        ("conditionId", HASH),
        ("payouts", list_of(NUMERATOR)),
        ("resolvedAt", _or_null(MOMENT)),
        ("file", TEXT),
    ),
)

V1_START = datetime(2022, 11, 21, tzinfo=UTC)  # first order fill: 2022-11-21 19:49:29 UTC
ACTIVITY_START = datetime(2020, 9, 1, tzinfo=UTC)  # the conditional tokens contract on Polygon
V1_END = datetime(2026, 4, 28, 11, tzinfo=UTC)  # the public subgraphs are incomplete from here on
V1_EXCHANGES = ("0x4bfb41d5b3570defd03c39a9a4d8de6bd8b8982e", "0xc5d563a36ae78145c45a50134d48a1215220f80a")

ENTITIES = tuple(value for value in list(vars().values()) if isinstance(value, Entity) and value.subgraph)
