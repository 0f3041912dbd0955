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
Convert = Callable[[Any], Any]


class RowError(Exception):
    """A row that cannot be understood; the message says which field and why."""


def _hex(size: int) -> Convert:
    wanted = re.compile(rf"0x[0-9a-fA-F]{{{2 * size}}}")

    def convert(value: Any) -> bytes:
        if not isinstance(value, str) or not wanted.fullmatch(value):
            raise ValueError(f"is not 0x and {2 * size} hex digits")
        return bytes.fromhex(value[2:])

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
    if not isinstance(value, str) or not re.fullmatch(r"0x[0-9a-f]{64}(_0x[0-9a-f]{1,8})?", value):
        raise ValueError("is not a transaction hash with a log index")
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


def _list(of: Convert) -> Convert:
    def convert(value: Any) -> list[Any]:
        if not isinstance(value, list):
            raise ValueError("is not a list")
        return [of(item) for item in value]

    return convert


def _or_null(of: Convert) -> Convert:
    return lambda value: None if value is None else of(value)


HASH = ("FixedString(32)", _hex(32))
ADDRESS = ("FixedString(20)", _hex(20))
UINT256 = ("UInt256", _integer(256))
INT256 = ("Int256", _integer(256, signed=True))
UINT64 = ("UInt64", _integer(64))
UINT32 = ("UInt32", _integer(32))
MOMENT = ("DateTime('UTC')", _integer(32))  # unix seconds
EVENT_ID = ("String", _event_id)
DENOMINATOR = ("String", lambda value: "" if value in (None, "") else _numerator(value))


@dataclass(frozen=True)
class Field:
    """One field: its name in the subgraph, its column, the column's type and how a value becomes one of that type."""

    name: str
    column: str
    type: str
    convert: Convert


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

    @property
    def is_timed(self) -> bool:
        """Events are paged by (timestamp, id), state by id."""
        return any(field.name == "timestamp" for field in self.fields)

    @property
    def field_names(self) -> list[str]:
        """What is asked for: every field, and the id, by which pages are turned."""
        return list(dict.fromkeys(["id", *(field.name for field in self.fields)]))

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
                values.append(field.convert(row[field.name]))
            except ValueError as error:
                raise RowError(f"{field.name} {error}: {json.dumps(row[field.name])[:100]}") from None
        if wrong := self.check(row):
            raise RowError(wrong)
        return tuple(values)


def _fields(*given: tuple[str, tuple[str, Convert]]) -> tuple[Field, ...]:
    return tuple(
        Field(name, re.sub(r"(?=[A-Z])", "_", name).lower(), type_, convert) for name, (type_, convert) in given
    )


def _check_fill(row: Row) -> str | None:
    if row["id"].lower() != f"{row['transactionHash']}_{row['orderHash']}".lower():
        return "id is not transactionHash_orderHash"
    if (int(row["makerAssetId"]) == 0) == (int(row["takerAssetId"]) == 0):
        return "neither a buy nor a sell: exactly one of makerAssetId and takerAssetId must be 0"
    return None


def _check_conversion(row: Row) -> str | None:
    questions = int(row["questionCount"])
    if not 0 < questions <= 256 or not 0 < int(row["indexSet"]) < 2**questions:
        return "indexSet names no question, or one beyond questionCount"
    return None


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
        ("negRisk", ("Bool", _truth)),
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
        ("outcomeIndex", ("Nullable(UInt256)", _or_null(_integer(256)))),
    ),
)
CONDITIONS = Entity(
    name="Condition",
    subgraph="pnl",
    many="conditions",
    table="conditions",
    fields=_fields(
        ("id", HASH),
        ("positionIds", ("Array(UInt256)", _list(_integer(256)))),
        ("payoutNumerators", ("Array(String)", _list(_numerator))),
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
        ("indexSets", ("Array(UInt256)", _list(_integer(256)))),
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
)
USER_POSITIONS = Entity(
    name="UserPosition",
    subgraph="pnl",
    many="userPositions",
    table="user_positions",
    fields=_fields(
        ("id", ("String", _text_id)),
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
