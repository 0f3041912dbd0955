"""loaders/standin/goldsky.py: a small server that answers as Goldsky's Polymarket subgraphs would.

It holds rows in memory and serves every subgraph of schema.py at {base_url}/{subgraph}/{version}/gn, with the limits
and refusals of graph-node; faults can be asked for. Rows are served exactly as given, damaged ones too. graph-node
itself is not involved: a query that works here may still be too slow there.

    with Goldsky({"OrderFilledEvent": rows}) as server:
        ...  # ask server.base_url
"""

import argparse
import hashlib
import json
import socket
import sys
import threading
import time
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import lru_cache, partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLError,
    GraphQLIncludeDirective,
    GraphQLSkipDirective,
    InlineFragmentNode,
    OperationDefinitionNode,
    SelectionSetNode,
    VariableValues,
    execute_sync,
    get_argument_values,
    get_directive_values,
    get_operation_ast,
    get_variable_values,
    parse,
    validate,
)

from loaders.standin import schema
from loaders.standin.faults import ALLOWANCE, FAILURES, FAULTS, Faults
from loaders.standin.rows import Refused, Row, Table, page

__all__ = ["ALLOWANCE", "FAULTS", "FIRST_HEAD", "Faults", "Goldsky", "Row", "main", "read_recording"]

FIRST_HEAD = 50_000_000  # block number of the head before anything is put; rows of a later `_block` raise it
SECONDS_PER_BLOCK = 2  # of Polygon
REQUESTS_KEPT = 100_000


# Queries


@dataclass(frozen=True)
class Prepared:
    """A query text read once: its document, or why it is refused."""

    document: DocumentNode | None
    errors: list[str]


@lru_cache(maxsize=512)
def prepare(subgraph: str, query: str) -> Prepared:
    try:
        document = parse(query)
    except GraphQLError as error:
        return Prepared(None, [error.message])
    return Prepared(document, [error.message for error in validate(schema.load(subgraph).schema, document)])


@dataclass(frozen=True)
class Selection:
    """What decides which fields of a selection set are answered, beside the set itself."""

    fragments: dict[str, FragmentDefinitionNode]
    variables: VariableValues

    def fields(self, selected: SelectionSetNode | None) -> Iterator[tuple[str, FieldNode]]:
        """Yield each field with the name it goes by in the answer."""
        for node in selected.selections if selected else ():
            skip = get_directive_values(GraphQLSkipDirective, node, self.variables)
            include = get_directive_values(GraphQLIncludeDirective, node, self.variables)
            if (skip and skip["if"]) or (include and not include["if"]):
                continue
            if isinstance(node, FieldNode):
                yield (node.alias or node.name).value, node
            elif isinstance(node, InlineFragmentNode):
                yield from self.fields(node.selection_set)
            elif isinstance(node, FragmentSpreadNode):
                yield from self.fields(self.fragments[node.name.value].selection_set)

    def rows(self, selected: SelectionSetNode | None, rows: list[Row], type_name: str) -> list[Row]:
        """Return the chosen fields of each row, null where a row lacks one."""
        # By hand, because graphql-core's own completion takes 60 ms for a page of 1,000 rows and refuses damaged ones.
        names = {alias: node.name.value for alias, node in self.fields(selected)}
        constants = {alias: type_name for alias, name in names.items() if name == "__typename"}
        columns = [(alias, name) for alias, name in names.items() if alias not in constants]
        found = [{alias: row.get(name) for alias, name in columns} | constants for row in rows]
        for alias, node in self.fields(selected):
            if node.selection_set:  # a row has the id of what it refers to
                for row in found:
                    row[alias] = referred(row[alias]) if row[alias] is not None else None
        return found

    def tree(self, selected: SelectionSetNode | None, value: Any) -> Any:
        """Return the chosen fields of nested dicts."""
        if not isinstance(value, dict):
            return value
        return {alias: self.tree(node.selection_set, value[node.name.value]) for alias, node in self.fields(selected)}


@dataclass
class Request:
    """What was asked and how it was answered."""

    subgraph: str
    fields: list[str] = field(default_factory=list)  # at the top of the query, as ["_meta", "orderFilledEvents"]
    variables: dict[str, Any] = field(default_factory=dict)
    status: int = 0  # of HTTP; 0 if the connection was closed without an answer
    fault: str | None = None
    blocks_behind: int = 0  # of the replica that answered
    error: str | None = None  # the first of the answer's own `errors`, which no fault made


@dataclass(frozen=True)
class Reply:
    """An HTTP answer; status 0 closes the connection without one."""

    status: int
    body: bytes = b""
    content_type: str = "application/json"
    retry_after: str | None = None
    cut: bool = False  # send half of the body and hang up


class Server:
    """Listens on loopback and hands every POST to `reply`."""

    path = ""

    def __init__(self, host: str = "127.0.0.1", port: int = 0) -> None:
        self.host = host
        self.port = port
        self.base_url = ""  # known once started
        self.lock = threading.RLock()
        self.stopping = threading.Event()
        self.connections: set[socket.socket] = set()
        self.listener: Listener | None = None

    def reply(self, path: str, authorization: str | None, body: bytes) -> Reply:
        """Answer one request."""
        raise NotImplementedError

    def start(self) -> Self:
        """Listen; after a stop, at the same address again."""
        self.stopping.clear()
        self.listener = Listener((self.host, self.port), partial(Handler, self))
        self.port = self.listener.server_address[1]
        self.base_url = f"http://{self.host}:{self.port}{self.path}"
        threading.Thread(target=self.listener.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def stop(self) -> None:
        """Stop listening and hang up on whoever is connected."""
        if self.listener is None:
            return
        self.stopping.set()
        self.listener.shutdown()
        self.listener.server_close()
        self.listener = None
        with self.lock:
            for connection in self.connections:
                with suppress(OSError):  # the client may have hung up first
                    connection.shutdown(socket.SHUT_RDWR)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()


class Goldsky(Server):
    """The server. Entities are lists of rows by entity name, as {"OrderFilledEvent": [{"id": ..}, ..]}.

    A row may have a `_block`, the block from which it exists; it is not served. Rows that are put without one are of a
    new block. Of two rows of one id the later one wins, and the earlier stays visible to queries pinned before its
    `_block`. Rows are not copied: to change one while
    the server runs, `put` a new one. `head` is the unix time of the newest block (default: the largest timestamp
    among the rows), `latency` the seconds every answer takes, `token` what a request must bear, if anything,
    `allowance` the requests answered in any ten seconds, if that is limited; more are refused with 429. With
    `blocks_behind` every other request is answered by a replica that has indexed so many blocks less.
    """

    path = "/subgraphs"

    def __init__(
        self,
        entities: dict[str, list[Row]],
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        head: int | None = None,
        faults: Faults | None = None,
        latency: float = 0.0,
        token: str | None = None,
        allowance: int | None = None,
        blocks_behind: int = 0,
    ) -> None:
        super().__init__(host, port)
        self.head = head
        self.faults = faults or Faults(0.0)
        self.latency = latency
        self.token = token
        self.allowance = allowance
        self.blocks_behind = blocks_behind
        self.granted: deque[float] = deque()  # when, in the last ten seconds
        self.requests: list[Request] = []
        self.started_at = int(time.time())
        self.head_number = FIRST_HEAD
        self.tables = {name: Table() for name in schema.ENTITY_NAMES}
        check(entities, "the entities given")
        for name, rows in entities.items():
            self.tables[name].put(rows)
        self.head_number = max(self.head_number, *(table.newest for table in self.tables.values()))

    def put(self, entity: str, rows: list[Row]) -> None:
        """Add rows, or replace those of the same id; the head moves on by a block, or to the last `_block` given."""
        check({entity: rows}, "the rows put")
        with self.lock:
            new = {"_block": self.head_number + 1}
            self.tables[entity].put([row if "_block" in row else row | new for row in rows])
            self.head_number = max(self.head_number + 1, self.tables[entity].newest)

    def reply(self, path: str, authorization: str | None, body: bytes) -> Reply:
        """Answer one request, and keep a note of it."""
        self.stopping.wait(self.latency)
        asked = Request(subgraph_in(path))
        reply = self.reply_noting(asked, authorization, body)
        asked.status = reply.status
        with self.lock:
            self.requests.append(asked)
            del self.requests[:-REQUESTS_KEPT]
        return reply

    def grant(self) -> bool:
        """Whether the allowance admits one more request now."""
        if self.allowance is None:
            return True
        with self.lock:
            now = time.monotonic()
            while self.granted and self.granted[0] < now - 10:
                self.granted.popleft()
            if len(self.granted) >= self.allowance:
                return False
            self.granted.append(now)
            return True

    def reply_noting(self, asked: Request, authorization: str | None, body: bytes) -> Reply:
        """Answer one request, and fill in what was asked."""
        if self.token is not None and authorization != f"Bearer {self.token}":
            return message(401, "Unauthorized")
        if asked.subgraph not in schema.SUBGRAPHS:
            return message(404, "Subgraph not found")
        posted = read_post(body)
        if posted is None:
            return message(400, "Expected a JSON object with a query and, if any, variables")
        query, asked.variables, operation_name = posted
        prepared = prepare(asked.subgraph, query)
        operation = get_operation_ast(prepared.document, operation_name) if prepared.document else None
        selected = operation.selection_set.selections if operation else ()
        asked.fields = [node.name.value for node in selected if isinstance(node, FieldNode)]

        if not self.grant():
            asked.fault = "429"
            return Reply(429, ALLOWANCE.encode(), "text/plain")
        fault = self.faults.take()
        if fault == "ok":
            return as_json(self.answer_noting(asked, prepared, operation))
        asked.fault = fault
        if fault == "429":
            return Reply(429, ALLOWANCE.encode(), "text/plain", retry_after=self.faults.choose((None, "0")))
        if fault in ("500", "502", "503"):
            return Reply(int(fault), f"<html><body><h1>{fault}</h1></body></html>".encode(), "text/html")
        if fault == "errors":
            return as_json(errors([self.faults.choose(FAILURES)]))
        if fault == "null":
            return as_json({"data": None})
        if fault == "not_json":
            return Reply(200, b"<html><body>Please wait</body></html>", "text/html")
        if fault == "hang":
            self.stopping.wait(self.faults.hang_seconds)
            return Reply(0)
        answer = self.answer_noting(asked, prepared, operation)
        if fault == "partial":
            return as_json({"data": halved(answer.get("data")), **errors(["Query timed out"])})
        whole = as_json(answer)
        if fault == "truncated":
            return Reply(200, whole.body, cut=True)
        return Reply(200, whole.body[: len(whole.body) // 2])  # short_json

    def answer_noting(
        self, asked: Request, prepared: Prepared, operation: OperationDefinitionNode | None
    ) -> dict[str, Any]:
        """Return the answer's JSON; what graph-node refuses is under `errors`, without data."""
        try:
            if prepared.document is None or prepared.errors:
                return errors(prepared.errors, asked)
            if operation is None:
                raise Refused("Operation name required")
            # One lock for all of it, so that the fields of one query agree about the head.
            with self.lock:
                return self.answer(asked, prepared.document, operation)
        except (Refused, GraphQLError) as error:
            return errors([str(error) if isinstance(error, Refused) else error.message], asked)

    def answer(self, asked: Request, document: DocumentNode, operation: OperationDefinitionNode) -> dict[str, Any]:
        """Execute a validated query; Refused or GraphQLError if an argument is not acceptable."""
        subgraph = schema.load(asked.subgraph)
        query_type = subgraph.schema.query_type
        assert query_type is not None
        if any(name in ("__schema", "__type") for name in asked.fields):
            introspected = execute_sync(subgraph.schema, document, variable_values=asked.variables).formatted
            return dict(introspected)
        variables = get_variable_values(subgraph.schema, operation.variable_definitions or (), asked.variables)
        if isinstance(variables, list):
            return errors([error.message for error in variables], asked)
        fragments = {node.name.value: node for node in document.definitions if isinstance(node, FragmentDefinitionNode)}
        selection = Selection(fragments, variables)

        asked.blocks_behind = self.behind(asked)
        head = self.head_number - asked.blocks_behind
        data: dict[str, Any] = {}
        for alias, node in selection.fields(operation.selection_set):
            name = node.name.value
            if name == "__typename":
                data[alias] = query_type.name
                continue
            arguments = get_argument_values(query_type.fields[name], node, variables)
            block = self.pinned_block(arguments.get("block") or {}, head)
            if name == "_meta":
                meta = self.meta(asked.subgraph, block)
                if block is None and asked.blocks_behind:
                    meta["block"] = self.block(head)
                data[alias] = selection.tree(node.selection_set, meta)
                continue
            if block is None and asked.blocks_behind:
                block = head
            if name in subgraph.lists:
                entity = subgraph.lists[name]
                found = page(self.tables[entity.name].at(block), entity, arguments)
                data[alias] = selection.rows(node.selection_set, found, entity.name)
            else:
                entity = subgraph.singles[name]
                row = self.tables[entity.name].at(block).by_id.get(arguments["id"])
                rows = selection.rows(node.selection_set, [row] if row else [], entity.name)
                data[alias] = rows[0] if rows else None
        return {"data": data}

    def behind(self, asked: Request) -> int:
        """How many blocks the replica that answers has not indexed yet."""
        return self.blocks_behind if len(self.requests) % 2 else 0

    def pinned_block(self, block: dict[str, Any], head: int) -> int | None:
        """Return the block number a query is pinned to, None for the head; Refused if it lies ahead."""
        for name in ("number", "number_gte"):
            number = block.get(name)
            if number is not None and number > head:
                raise Refused(
                    f"Failed to decode `block.{name}` value: `subgraph has only indexed up to block number "
                    f"{head} and data for block number {number} is therefore not yet available`"
                )
        if block.get("hash") is not None and block["hash"] != block_hash(self.head_number):
            raise Refused("Failed to decode `block.hash` value: `no block with that hash found`")
        return block.get("number")

    def meta(self, subgraph: str, pinned: int | None) -> dict[str, Any]:
        unknown = {"hash": None, "parentHash": None, "timestamp": None}  # graph-node looks them up for the head only
        return {
            "__typename": "_Meta_",
            "block": self.block(self.head_number) if pinned is None else self.block(pinned) | unknown,
            "deployment": "Qm" + digest(subgraph)[:44],
            "hasIndexingErrors": False,
        }

    def block(self, number: int) -> dict[str, Any]:
        newest = self.head or max(table.timestamp for table in self.tables.values()) or self.started_at
        return {
            "__typename": "_Block_",
            "number": number,
            "hash": block_hash(number),
            "parentHash": block_hash(number - 1),
            "timestamp": newest - SECONDS_PER_BLOCK * (self.head_number - number),
        }


def referred(row_id: Any) -> dict[str, Any]:
    """What a reference to another entity is answered with; of its fields only the id is known here."""
    return {"id": row_id}


def digest(words: str) -> str:
    return hashlib.sha256(words.encode()).hexdigest()


def block_hash(number: int) -> str:
    return "0x" + digest(str(number))


def subgraph_in(path: str) -> str:
    """Return the subgraph that a path of the form /subgraphs/{name}/{version}/gn names, or ""."""
    parts = path.split("?")[0].split("/")
    fits = len(parts) == 5 and parts[1] == "subgraphs" and parts[3] and parts[4] == "gn"
    return parts[2] if fits else ""


def read_post(body: bytes) -> tuple[str, dict[str, Any], str | None] | None:
    """Return the query, variables and operation name of a request's body, or None if it is something else."""
    try:
        posted = json.loads(body)
    except ValueError:
        return None
    if not isinstance(posted, dict) or not isinstance(posted.get("query"), str):
        return None
    variables = posted.get("variables") or {}
    return (posted["query"], variables, posted.get("operationName")) if isinstance(variables, dict) else None


def errors(messages: list[str], asked: Request | None = None) -> dict[str, Any]:
    """Return an answer that holds errors only; they are noted if a request is given."""
    if asked:
        asked.error = messages[0]
    return {"errors": [{"message": each} for each in messages]}


def halved(data: dict[str, Any] | None) -> dict[str, Any]:
    """Return the answer with the first half of every list."""
    halves = dict(data or {})
    for name, value in halves.items():
        if isinstance(value, list):
            halves[name] = value[: len(value) // 2]
    return halves


def as_json(answer: dict[str, Any], status: int = 200) -> Reply:
    return Reply(status, json.dumps(answer, separators=(",", ":")).encode())


def message(status: int, words: str) -> Reply:
    return as_json({"message": words}, status)


# HTTP


class Listener(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Stay silent about clients that hang up: tests do so on purpose."""
        if not isinstance(sys.exc_info()[1], OSError):
            super().handle_error(request, client_address)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"  # keeps connections open
    disable_nagle_algorithm = True  # or every answer waits 40 ms for an acknowledgement

    def __init__(self, of: Server, *arguments: Any) -> None:
        self.of = of
        super().__init__(*arguments)

    def setup(self) -> None:
        super().setup()
        with self.of.lock:
            self.of.connections.add(self.connection)

    def finish(self) -> None:
        with self.of.lock:
            self.of.connections.discard(self.connection)
        super().finish()

    def do_POST(self) -> None:
        length = int(self.headers.get("Content-Length", 0))
        body = self.rfile.read(length)
        if len(body) < length:  # the client hung up
            self.close_connection = True
            return
        self.send(self.of.reply(self.path, self.headers.get("Authorization"), body))

    def do_GET(self) -> None:
        self.send(message(405, "Send a POST with a GraphQL query"))

    def send(self, reply: Reply) -> None:
        if reply.status == 0:
            self.close_connection = True
            return
        self.send_response(reply.status)
        self.send_header("Content-Type", reply.content_type)
        self.send_header("Content-Length", str(len(reply.body)))
        if reply.retry_after is not None:
            self.send_header("Retry-After", reply.retry_after)
        self.end_headers()
        self.wfile.write(reply.body[: len(reply.body) // 2] if reply.cut else reply.body)
        if reply.cut:
            self.close_connection = True

    def log_message(self, format: str, *args: Any) -> None:
        """Print nothing: `requests` has it all."""


# Recordings


def check(entities: Any, where: str) -> None:
    """Raise ValueError unless this is a dict of known entity names to lists of dicts."""
    if not isinstance(entities, dict):
        raise ValueError(f"Expected {{entity: [rows]}} in {where}, found a {type(entities).__name__}.")
    for name, rows in entities.items():
        if name not in schema.ENTITY_NAMES:
            known = ", ".join(sorted(schema.ENTITY_NAMES))
            raise ValueError(f"Unknown entity {name!r} in {where}: use one of {known}.")
        if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
            raise ValueError(f"Expected a list of objects under {name!r} in {where}: write each row as an object.")


def read_recording(path: Path) -> dict[str, list[Row]]:
    """Read a JSON file of the form {entity: [rows]}; ValueError if it is something else."""
    try:
        recording = json.loads(path.read_bytes())
    except ValueError as error:
        raise ValueError(f"{path} is not JSON ({error}): give a file of the form {{entity: [rows]}}.") from error
    check(recording, str(path))
    return dict(recording)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="Serve a recording as Goldsky would, until Ctrl-C.")
    parser.add_argument("recording", type=Path, help="JSON file of the form {entity: [rows]}")
    parser.add_argument("--port", type=int, default=0, help="default: any free one")
    options = parser.parse_args(arguments)
    try:
        entities = read_recording(options.recording)
    except (OSError, ValueError) as error:
        raise SystemExit(f"error: {error}") from error
    with Goldsky(entities, port=options.port) as server:
        print(server.base_url, flush=True)
        try:
            threading.Event().wait()
        except KeyboardInterrupt:
            print("stopped")


if __name__ == "__main__":
    main()
