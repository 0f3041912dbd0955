"""Commands as processes of their own that begin within milliseconds.

Tests that kill hundreds of loads would spend their time on imports. So one process imports everything once and forks a
child for each command. A child is what a user's process is: its own pid, engine, files, connections and exit code.
"""

import contextlib
import importlib
import io
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any
from unittest import mock

from loaders import cli, execute, subgraph, warehouse
from loaders.tests.conftest import PROJECT, Desk
from loaders.warehouse import Warehouse

HUNG = 300.0  # seconds: nothing here takes as long, even on a busy machine


@dataclass
class Process:
    """A command under way."""

    mother: subprocess.Popen[str]
    pid: int
    out: Path
    err: Path
    code: int | None = None

    def poll(self) -> int | None:
        """The exit code (a signal's number, negated, where one killed it), None while it runs."""
        if self.code is None:
            self.code = _ask(self.mother, {"poll": self.pid})
        return self.code

    def wait(self, within: float = HUNG) -> int:
        """The exit code. Fails where it takes longer."""
        deadline = time.monotonic() + within
        while self.poll() is None:
            if time.monotonic() > deadline:
                self.send(signal.SIGKILL)
                raise AssertionError(f"{self.pid} hung: {self.said()}")
            time.sleep(0.005)
        assert self.code is not None
        return self.code

    def send(self, number: signal.Signals) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> int:
        """End it as kill -9 does; the exit code tells whether it had ended before."""
        self.send(signal.SIGKILL)
        return self.wait()

    def said(self) -> str:
        return self.out.read_text() + self.err.read_text()


class Processes:
    """Starts commands; use as made by `processes`."""

    def __init__(self, mother: subprocess.Popen[str], folder: Path) -> None:
        self._mother = mother
        self._folder = folder
        self._started = 0

    def start(
        self, desk: Desk, *words: str, dies_after: int = 0, patience: float = warehouse.PATIENCE, **env: str
    ) -> Process:
        """Begin `polyledger WORDS`, which waits `patience` seconds for a warehouse that is away.

        Where `dies_after` is given, it is killed right after so many inserts.
        """
        self._started += 1
        out, err = (self._folder / f"{self._started}.{kind}" for kind in ("out", "err"))
        asked = {"words": words, "out": str(out), "err": str(err), "dies_after": dies_after, "patience": patience}
        pid = _ask(self._mother, asked | {"env": desk.environment(**env)})
        assert pid is not None
        return Process(self._mother, pid, out, err)


@contextmanager
def processes(folder: Path) -> Iterator[Processes]:
    """What starts processes, with their output in the folder."""
    words = [sys.executable, "-m", "loaders.tests.processes"]
    with subprocess.Popen(words, cwd=PROJECT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as mother:
        yield Processes(mother, folder)


def _ask(mother: subprocess.Popen[str], what: dict[str, Any]) -> int | None:
    assert mother.stdin and mother.stdout
    mother.stdin.write(json.dumps(what) + "\n")
    mother.stdin.flush()
    answer: int | None = json.loads(mother.stdout.readline())
    return answer


# The mother


class Mortal(Warehouse):
    """A warehouse whose process is killed right after an insert, between that and whatever follows."""

    inserts_left = 0

    def _land(self, table: str, names: list[str], block: str | bytes, form: str, rows: int) -> None:
        super()._land(table, names, block, form, rows)
        Mortal.inserts_left -= 1
        if Mortal.inserts_left == 0:
            os.kill(os.getpid(), signal.SIGKILL)


def mother() -> None:
    """Start what is asked for on stdin, a line of JSON each, and answer with pids and exit codes, until it closes."""
    # What is imported late, at the first insert, request and command. Not the engine: its threads must be each child's.
    for name in ("pandas", "httpcore", "anyio._backends._asyncio"):
        importlib.import_module(name)
    with contextlib.redirect_stdout(io.StringIO()):
        cli.app(["version"], standalone_mode=False)
    for line in sys.stdin:
        asked = json.loads(line)
        if "poll" in asked:
            pid, status = os.waitpid(asked["poll"], os.WNOHANG)
            answer = os.waitstatus_to_exitcode(status) if pid else None
        else:
            answer = os.fork()
            if not answer:
                return child(**asked)
        print(json.dumps(answer), flush=True)


def child(words: list[str], env: dict[str, str], out: str, err: str, dies_after: int, patience: float) -> None:
    """Be the command."""
    for number, path in ((0, os.devnull), (1, out), (2, err)):
        os.dup2(os.open(path, os.O_RDWR | os.O_CREAT), number)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    random.seed()
    os.environ.clear()
    os.environ.update(env)
    sys.argv = ["polyledger", *words]
    subgraph.FIRST_PAUSE = 0.01  # tries follow each other quickly
    mock.patch.object(execute, "PATIENCE", patience).start()
    if dies_after:
        Mortal.inserts_left = dies_after
        mock.patch.object(execute, "Warehouse", Mortal).start()
    cli.main()


def ignore(number: int, frame: FrameType | None) -> None:
    """The mother outlives a Ctrl-C; her stdin closes when whoever started her ends."""


if __name__ == "__main__":
    signal.signal(signal.SIGINT, ignore)
    mother()
