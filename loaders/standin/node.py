"""loaders/standin/node.py: a small server that answers as a Polygon node would, by JSON-RPC.

It holds logs in memory, with the limits and refusals of those who rent nodes out. Faults can be asked for, blocks
reorganised, and a replica may lag behind. Logs are served exactly as given, damaged ones too.

    with Node([fill_log(..)], head=..) as node:
        ...  # ask node.base_url
"""

import json
from bisect import bisect_left
from dataclasses import dataclass
from typing import Any

from eth_abi.abi import encode

from loaders.entities import V1_EXCHANGES
from loaders.events import CONDITIONAL_TOKENS, ORDER_FILLS_V2, RESOLUTIONS, V2_EXCHANGES
from loaders.standin.chain import Market, Row
from loaders.standin.faults import Faults
from loaders.standin.goldsky import Reply, Server, as_json, digest

FIRST_BLOCK = ORDER_FILLS_V2.first_block
FIRST_TIME = 1_777_374_000  # of that block here; 2026-04-28 11:00 UTC
SUCCESSORS = dict(zip(V1_EXCHANGES, V2_EXCHANGES, strict=False))  # the V2 exchange of each of V1
NO_BATCH = {"jsonrpc": "2.0", "id": None, "error": {"code": -32600, "message": "batch requests are not supported"}}


@dataclass(frozen=True)
class Log:
    """A log in its block."""

    block: int
    index: int
    transaction: str
    address: str
    topics: tuple[str, ...]
    data: str


@dataclass
class Asked:
    """A request: its methods, the range of blocks of logs, and how it was answered."""

    methods: list[str]
    first: int = 0
    last: int = 0
    status: int = 0
    fault: str | None = None
    error: str | None = None
    is_behind: bool = False


def word(value: str) -> str:
    """An address or a hash as a topic."""
    return f"0x{value.removeprefix('0x').rjust(64, '0')}"


def fill_log(row: Row, block: int, index: int, *, fee: int = 0, exchange: str = V2_EXCHANGES[0]) -> Log:
    """The log that a V2 exchange writes for an order filled as in this row of the V1 subgraph, but for the fee."""
    taker = SUCCESSORS.get(row["taker"]) or row["taker"]
    buys = row["makerAssetId"] == "0"
    token = int(row["takerAssetId"] if buys else row["makerAssetId"])
    amounts = [int(row["makerAmountFilled"]), int(row["takerAmountFilled"])]
    nothing = bytes(32)
    values = [0 if buys else 1, token, *amounts, fee, nothing, nothing]
    data = encode(["uint8", "uint256", "uint256", "uint256", "uint256", "bytes32", "bytes32"], values)
    topics = (ORDER_FILLS_V2.topic, row["orderHash"], word(row["maker"]), word(taker))
    return Log(block, index, row["transactionHash"], exchange, topics, f"0x{data.hex()}")


def resolution_log(market: Market, block: int, index: int, transaction: str) -> Log:
    """The log that the conditional tokens contract writes when a condition is resolved."""
    data = encode(["uint256", "uint256[]"], [len(market.payouts), market.payouts])
    topics = (RESOLUTIONS.topic, market.condition, word(market.oracle), market.question)
    return Log(block, index, transaction, CONDITIONAL_TOKENS, topics, f"0x{data.hex()}")


def json_of(answer: Any) -> Reply:
    return Reply(200, json.dumps(answer).encode())


@dataclass
class Limits:
    """What is too much for one question about logs, and whether the refusal helps. None: nothing is."""

    blocks: int | None = None
    results: int | None = None
    words: str = ""  # the refusal; by default the usual ones
    suggests: bool = False


class Node(Server):
    """The server. `head` is the newest block, of which `seconds_per_block` count from FIRST_BLOCK at FIRST_TIME on.

    With `behind` every other request is answered by a replica that has so many blocks less; of logs beyond its head it
    knows nothing and says nothing. `timestamps`: logs bear the time of their block, as those of newer nodes do.
    """

    def __init__(
        self,
        logs: list[Log],
        *,
        head: int,
        seconds_per_block: int = 2,
        limits: Limits | None = None,
        faults: Faults | None = None,
        behind: int = 0,
        timestamps: bool = True,
        batches: bool = True,
        chain: int = 137,
        latency: float = 0.0,
    ) -> None:
        super().__init__()
        self.head = head
        self.seconds_per_block = seconds_per_block
        self.limits = limits or Limits()
        self.faults = faults or Faults(0.0)
        self.behind = behind
        self.timestamps = timestamps
        self.batches = batches
        self.chain = chain
        self.latency = latency
        self.forks: list[int] = []  # first block of each reorganisation
        self.requests: list[Asked] = []
        self.logs: list[Log] = []
        self.put(logs)

    def put(self, logs: list[Log]) -> None:
        with self.lock:
            self.logs = sorted([*self.logs, *logs], key=lambda log: (log.block, log.index))

    def reorganise(self, first: int, logs: list[Log]) -> None:
        """Let the chain go on otherwise from this block on."""
        with self.lock:
            self.forks.append(first)
            self.logs = [log for log in self.logs if log.block < first]
            self.put(logs)

    def time(self, block: int) -> int:
        return FIRST_TIME + (block - FIRST_BLOCK) * self.seconds_per_block

    def hash(self, block: int) -> str:
        return "0x" + digest(f"{block} {sum(first <= block for first in self.forks)}")

    def reply(self, path: str, authorization: str | None, body: bytes) -> Reply:
        """Answer one request, and keep a note of it."""
        self.stopping.wait(self.latency)
        posted = json.loads(body)
        calls = posted if isinstance(posted, list) else [posted]
        asked = Asked([call["method"] for call in calls])
        for call in calls:
            if call["method"] == "eth_getLogs":
                asked.first, asked.last = (int(call["params"][0][name], 16) for name in ("fromBlock", "toBlock"))
        with self.lock:
            asked.is_behind = bool(self.behind) and len(self.requests) % 2 == 1
            self.requests.append(asked)
        reply = self.faulty(asked, posted)
        asked.status = reply.status
        return reply

    def faulty(self, asked: Asked, posted: Any) -> Reply:
        fault = self.faults.take()
        if fault == "ok":
            return json_of(self.answer(asked, posted))
        asked.fault = fault
        if fault == "429":
            return as_json({"error": {"code": 429, "message": "Too many requests, slow down"}}, 429)
        if fault in ("500", "502", "503"):
            return Reply(int(fault), f"<html><body><h1>{fault}</h1></body></html>".encode(), "text/html")
        if fault == "errors":
            return as_json({"jsonrpc": "2.0", "id": None, "error": {"code": -32603, "message": "Internal error"}})
        if fault == "null":
            return as_json({"jsonrpc": "2.0", "id": None})
        if fault == "not_json":
            return Reply(200, b"<html><body>Please wait</body></html>", "text/html")
        if fault == "hang":
            self.stopping.wait(self.faults.hang_seconds)
            return Reply(0)
        answer = self.answer(asked, posted)
        if fault == "partial":
            return json_of(answer[:-1] if isinstance(answer, list) else {})
        whole = json_of(answer)
        if fault == "truncated":
            return Reply(200, whole.body, cut=True)
        return Reply(200, whole.body[: len(whole.body) // 2])  # short_json

    def answer(self, asked: Asked, posted: Any) -> Any:
        with self.lock:
            if not isinstance(posted, list):
                return self.result(asked, posted)
            return [self.result(asked, call) for call in posted] if self.batches else NO_BATCH

    def result(self, asked: Asked, call: Row) -> Row:
        head = self.head - self.behind * asked.is_behind
        answer: Row = {"jsonrpc": "2.0", "id": call["id"]}
        try:
            return answer | {"result": self.value(asked, call["method"], call["params"], head)}
        except RefusedError as refusal:
            asked.error = str(refusal)
            return answer | {"error": {"code": -32005, "message": str(refusal)}}

    def value(self, asked: Asked, method: str, given: list[Any], head: int) -> Any:
        if method == "eth_chainId":
            return hex(self.chain)
        if method == "eth_blockNumber":
            return hex(head)
        return (
            self.header(int(given[0], 16), head)
            if method == "eth_getBlockByNumber"
            else self.found(asked, given[0], head)
        )

    def header(self, block: int, head: int) -> Row | None:
        if not 0 <= block <= head:
            return None
        return {
            "number": hex(block),
            "hash": self.hash(block),
            "parentHash": self.hash(block - 1),
            "timestamp": hex(self.time(block)),
        }

    def found(self, asked: Asked, wanted: Row, head: int) -> list[Row]:
        limits, blocks = self.limits, asked.last - asked.first + 1
        if limits.blocks and blocks > limits.blocks:
            raise RefusedError(limits.words or f"block range is too wide: {blocks}, maximum is set to {limits.blocks}")
        start, end = (
            bisect_left(self.logs, bound, key=lambda log: log.block) for bound in (asked.first, asked.last + 1)
        )
        found = [
            log
            for log in self.logs[start:end]
            if log.block <= head and log.address in wanted["address"] and log.topics[:1] == tuple(wanted["topics"])
        ]
        if limits.results and len(found) > limits.results:
            last = max(found[limits.results].block - 1, asked.first)
            hint = f". Try with this block range [{asked.first:#x}, {last:#x}]." if limits.suggests else ""
            raise RefusedError(limits.words or f"query returned more than {limits.results} results{hint}")
        return [self.served(log) for log in found]

    def served(self, log: Log) -> Row:
        row = {
            "address": log.address,
            "topics": list(log.topics),
            "data": log.data,
            "blockNumber": hex(log.block),
            "blockHash": self.hash(log.block),
            "transactionHash": log.transaction,
            "transactionIndex": "0x0",
            "logIndex": hex(log.index),
            "removed": False,
        }
        return row | {"blockTimestamp": hex(self.time(log.block))} if self.timestamps else row


def block_of(log: Log) -> int:
    return log.block


class RefusedError(Exception):
    """What the node says instead of an answer."""
