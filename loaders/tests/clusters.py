"""Two real shards on loopback, or the cluster that CLICKHOUSE_CLUSTER names.

The nodes are those of tools/clickhouse_server.py, behind tools/on_cluster_proxy.py, which does what ON CLUSTER asks.
"""

import contextlib
import os
import socket
import socketserver
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from loaders.tests.conftest import SERVER_TOOL, SHARED, ClickHouse, ServerDesk

PROXY_TOOL = SHARED / "tools" / "on_cluster_proxy.py"
NAME = "poly"
CONFIG = """
<clickhouse>
  <remote_servers><{name}>{shards}</{name}></remote_servers>
  <macros><shard>{number}</shard><replica>r1</replica><cluster>{name}</cluster></macros>
</clickhouse>
"""
SHARD = "<shard><replica><host>127.0.0.1</host><port>{port}</port></replica></shard>"


class Relay(socketserver.ThreadingTCPServer):
    """Stands between the nodes and `port` of one of them, and hangs up properly.

    A node that stops reading an answer early resets the connection. A server shrugs at that; these nodes end.
    """

    daemon_threads = True
    request_queue_size = 1024

    def __init__(self, port: int) -> None:
        class Handler(socketserver.BaseRequestHandler):
            def handle(self) -> None:
                with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port)) as node:
                    back = threading.Thread(target=copy, args=(node, self.request), daemon=True)
                    back.start()
                    copy(self.request, node)
                    back.join()

        super().__init__(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True).start()


def copy(source: socket.socket, sink: socket.socket) -> None:
    """Until the source ends, also where nobody listens any more."""
    is_heard = True
    with contextlib.suppress(OSError):
        while piece := source.recv(1 << 16):
            try:
                if is_heard:
                    sink.sendall(piece)
            except OSError:
                is_heard = False
    with contextlib.suppress(OSError):
        sink.shutdown(socket.SHUT_WR)


class Cluster(ClickHouse):
    """Answers as node 1 does; `nodes` answer for themselves."""

    def __init__(self, folder: Path | None) -> None:
        super().__init__(folder)
        self.nodes: list[ClickHouse] = []
        if folder is None:
            return
        self.settings["CLICKHOUSE_CLUSTER"] = NAME
        self._relays: list[Relay] = []
        for number in (1, 2):
            node = ClickHouse(folder / f"node{number}")
            self.nodes.append(node)
            self._relays.append(Relay(node.tcp_port))
        shards = "".join(SHARD.format(port=relay.server_address[1]) for relay in self._relays)
        folder.mkdir(parents=True, exist_ok=True)
        for number, node in enumerate(self.nodes, start=1):
            node.config = folder / f"node{number}.xml"
            node.config.write_text(CONFIG.format(name=NAME, shards=shards, number=number))

    def start(self) -> None:
        for node in self.nodes:
            node.start()
        addresses = ",".join(f"127.0.0.1:{node.settings['CLICKHOUSE_PORT']}" for node in self.nodes)
        words = ["--listen", self.settings["CLICKHOUSE_PORT"], "--cluster", f"{NAME}={addresses}"]
        self._process = subprocess.Popen(
            [sys.executable, str(PROXY_TOOL), *words], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        assert self._process.stdout and self._process.stdout.readline() == "READY\n"

    def kill(self) -> None:
        super().kill()
        for node in self.nodes:
            node.kill()

    def close(self) -> None:
        self.kill()
        for relay in self._relays:
            relay.shutdown()
            relay.server_close()


@dataclass
class ClusterDesk(ServerDesk):
    """A user's desk with databases of its own on a cluster."""

    server: Cluster = field(kw_only=True)

    @property
    def name(self) -> str:
        return self.server.settings["CLICKHOUSE_CLUSTER"]

    def environment(self, **more: str) -> dict[str, str]:
        return super().environment(**{"POLYLEDGER_TARGET": "cluster"} | more)

    def rows_at(self, node: ClickHouse, query: str) -> list[tuple[Any, ...]]:
        """What a plain client reads that asks another node."""
        for name, own in self.databases.items():
            query = query.replace(f"{name}.", f"{own}.")
        return node.rows(query)

    def drop(self) -> None:
        for database in self.databases.values():
            self.server.rows(f"drop database if exists {database} on cluster '{self.name}'")


@contextlib.contextmanager
def started_cluster(folder: Path) -> Iterator[Cluster]:
    """A cluster for tests. Skips them where none can be had."""
    if os.environ.get("CLICKHOUSE_CLUSTER"):
        yield Cluster(None)
        return
    if not (SERVER_TOOL.exists() and PROXY_TOOL.exists()):
        pytest.skip(f"no cluster: CLICKHOUSE_CLUSTER names none, and there is no tools/{PROXY_TOOL.name}")
    cluster = Cluster(folder)
    cluster.start()
    try:
        yield cluster
    finally:
        cluster.close()
