"""Events of the chain itself: which contract logs them, and how a log becomes a row. Decoded by eth-abi.

Sources: Polymarket/ctf-exchange-v2 (OrderFilled) and gnosis/conditional-tokens-contracts (ConditionResolution).
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from Crypto.Hash import keccak
from eth_abi.abi import decode
from eth_abi.exceptions import DecodingError

from loaders.entities import (
    ADDRESS,
    HASH,
    MOMENT,
    UINT8,
    UINT32,
    UINT64,
    UINT256,
    Entity,
    Row,
    RowError,
    fields,
    list_of,
)

CONDITIONAL_TOKENS = "0x4d97dcd97ec945f40cf65f87097ace5ea0476045"
V2_EXCHANGES = (
    "0xe111180000d2663c0091e4f400237545b87b996b",
    "0xe2222d279d744050d28e00520010520000310f59",
    "0xe2222d002000ba0053cef3375333610f64600036",  # of a third-party list; without logs it costs nothing
)
MOST_OUTCOMES = 256  # of the conditional tokens contract


def topic_of(signature: str) -> str:
    """The first topic of an event, given as Name(type,..)."""
    return "0x" + _keccak256(signature.encode()).hex()


def _keccak256(data: bytes) -> bytes:
    return keccak.new(digest_bits=256, data=data).digest()


@dataclass(frozen=True)
class Event(Entity):
    """An entity whose rows are logs: the contracts that log it, its first topic, and since which block."""

    addresses: tuple[str, ...] = ()
    topic: str = ""
    first_block: int = 0
    decode: Callable[[Row], Row] = dict

    def is_page_good(self, rows: list[Any]) -> bool:
        """Logs are decoded one by one."""
        return False

    def parse(self, row: Any) -> tuple[Any, ...]:
        """The values of a log, with its blockTimestamp, in column order. Raises RowError."""
        if str(row.get("address")).lower() not in self.addresses:
            raise RowError(f"address {str(row.get('address'))[:60]} is none that logs this event")
        return super().parse(self._place(row) | self.decode(row))

    def _place(self, log: Row) -> Row:
        place = {
            "transactionHash": log.get("transactionHash"),
            "logIndex": _quantity(log, "logIndex"),
            "blockNumber": _quantity(log, "blockNumber"),
            "timestamp": _quantity(log, "blockTimestamp"),
            "address": log["address"],
        }
        return place | {"id": f"{place['transactionHash']}_{place['logIndex']:#x}"}


def _quantity(log: Row, name: str) -> int:
    value = log.get(name)
    if not isinstance(value, str) or not re.fullmatch("0x[0-9a-fA-F]{1,64}", value):
        raise RowError(f"{name} is not 0x and hex digits: {str(value)[:60]!r}")
    return int(value, 16)


def _decoded(log: Row, topics: Sequence[str], data: Sequence[str]) -> tuple[Any, ...]:
    """Values of the topics after the first, then those of the data. Raises RowError."""
    given = log["topics"][1:]
    if len(given) != len(topics):
        raise RowError(f"{len(given) + 1} topics and not {len(topics) + 1}")
    texts = [*given, log.get("data")]
    if not all(isinstance(text, str) and re.fullmatch("0x([0-9a-fA-F]{2})*", text) for text in texts):
        raise RowError("topics or data are not 0x and pairs of hex digits")
    if any(len(text) != 66 for text in given):
        raise RowError("a topic is not 32 bytes long")
    body = bytes.fromhex(log["data"][2:])
    try:
        values = decode(data, body)
        indexed = decode(topics, bytes.fromhex("".join(topic[2:] for topic in given)))
    except (DecodingError, OverflowError) as error:
        raise RowError(f"{len(body)} bytes of data are not ({', '.join(data)}): {error}"[:300]) from None
    # A word each; of a list its place, its length and its items.
    words = sum(2 + len(value) if isinstance(value, tuple) else 1 for value in values)
    if len(body) != 32 * words:
        raise RowError(f"{len(body)} bytes of data, where ({', '.join(data)}) are {32 * words}")
    return (*indexed, *values)


def _order_filled(log: Row) -> Row:
    order, maker, taker, side, token, given, received, fee, builder, metadata = _decoded(
        log,
        ("bytes32", "address", "address"),
        ("uint8", "uint256", "uint256", "uint256", "uint256", "bytes32", "bytes32"),
    )
    if side > 1:
        raise RowError(f"side is {side}, neither 0 (buy) nor 1 (sell)")
    if token == 0:
        raise RowError("tokenId is 0, which is no outcome token")
    return {
        "orderHash": _hex(order),
        "maker": maker,
        "taker": taker,
        "side": side,
        "tokenId": token,
        "makerAmountFilled": given,
        "takerAmountFilled": received,
        "fee": fee,
        "builder": _hex(builder),
        "metadata": _hex(metadata),
    }


def _condition_resolution(log: Row) -> Row:
    condition, oracle, question, outcomes, numerators = _decoded(
        log, ("bytes32", "address", "bytes32"), ("uint256", "uint256[]")
    )
    if not 2 <= outcomes <= MOST_OUTCOMES or len(numerators) != outcomes or not sum(numerators):
        raise RowError(f"{len(numerators)} numerators of {outcomes} outcomes, {sum(numerators)} in all")
    if _keccak256(bytes.fromhex(oracle[2:]) + question + outcomes.to_bytes(32, "big")) != condition:
        raise RowError("conditionId is not the hash of oracle, question and outcomes")
    return {
        "conditionId": _hex(condition),
        "oracle": oracle,
        "questionId": _hex(question),
        "outcomeSlotCount": outcomes,
        "payoutNumerators": list(numerators),
    }


def _hex(value: bytes) -> str:
    return f"0x{value.hex()}"


_PLACE = (
    ("transactionHash", HASH),
    ("logIndex", UINT32),
    ("blockNumber", UINT64),
    ("timestamp", MOMENT),
    ("address", ADDRESS),
)
ORDER_FILLS_V2 = Event(
    name="OrderFilledV2",
    subgraph="",
    many="",
    table="order_filled_events_v2",
    fields=fields(
        *_PLACE,
        ("orderHash", HASH),
        ("maker", ADDRESS),
        ("taker", ADDRESS),
        ("side", UINT8),
        ("tokenId", UINT256),
        ("makerAmountFilled", UINT64),
        ("takerAmountFilled", UINT64),
        ("fee", UINT64),
        ("builder", HASH),
        ("metadata", HASH),
    ),
    addresses=V2_EXCHANGES,
    topic=topic_of("OrderFilled(bytes32,address,address,uint8,uint256,uint256,uint256,uint256,bytes32,bytes32)"),
    first_block=84_902_353,  # before the first fill, 2026-04-28
    decode=_order_filled,
)
RESOLUTIONS = Event(
    name="ConditionResolution",
    subgraph="",
    many="",
    table="condition_resolutions",
    fields=fields(
        *_PLACE,
        ("conditionId", HASH),
        ("oracle", ADDRESS),
        ("questionId", HASH),
        ("outcomeSlotCount", UINT32),
        ("payoutNumerators", list_of(UINT256)),
    ),
    addresses=(CONDITIONAL_TOKENS,),
    topic=topic_of("ConditionResolution(bytes32,address,bytes32,uint256,uint256[])"),
    first_block=4_023_686,  # the contract is not older
    decode=_condition_resolution,
)
EVENTS = (ORDER_FILLS_V2, RESOLUTIONS)
