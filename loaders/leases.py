"""One load of the same thing at a time on a server: a second one is told who has it, and leaves.

Who wants to load says so in load_leases (`asked`) and then looks around. It holds its things (`held`) only after a look
that shows nobody else there; of two that ask at once, the later gives way. Whoever looks has already said so, so that
of any two at least one sees the other. Landing twice would do no harm: a lease saves work, rows do not depend on it.
"""

import contextlib
import os
import re
import socket
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from loaders.embedded import WarehouseBusy
from loaders.warehouse import EPOCH, Warehouse, WarehouseError

DEAD_SECONDS = 120  # without a sign of life, of which there is one in 30 seconds: the holder has died
LOOK_SECONDS = 0.2  # between two looks
GIVE_WAY_SECONDS = 10.0  # in which a later one that asks has given way, or holds
FOREVER = datetime(2106, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Claim:
    """Entities with their scope, as `OrderFilledEvent wallet:0x..` or `Condition all:1/4`, in a range."""

    things: tuple[str, ...]
    since: datetime = EPOCH
    until: datetime = FOREVER

    def overlaps(self, other: "Claim") -> bool:
        """Whether both load some of the same."""
        is_same = any(_are_same(one, another) for one in self.things for another in other.things)
        return is_same and self.since < other.until and other.since < self.until


def _are_same(one: str, other: str) -> bool:
    mine, theirs = (re.fullmatch(r"(.*?)(\d+)/(\d+)", thing) for thing in (one, other))
    # Shares of one split are apart; those of two splits are not.
    return one == other or bool(mine and theirs and mine[1] == theirs[1] and mine[3] != theirs[3])


@dataclass(frozen=True)
class Holder:
    """Another run that asks for or holds something."""

    run_id: str
    state: str
    claim: Claim
    command: str
    host: str
    place: str
    pid: int
    asked_at: datetime
    silent: float  # seconds since its last sign of life

    def __str__(self) -> str:
        return (
            f"process {self.pid} on {self.host} ({self.command}, run {self.run_id}) "
            f"since {self.asked_at:%Y-%m-%d %H:%M:%S} UTC, last heard of {self.silent:.0f} s ago"
        )

    @property
    def is_dead(self) -> bool:
        """Whether it is known to have ended without a word: its process was here, and is not."""
        if (self.host, self.place) != (socket.gethostname(), _place()):
            return False
        if self.pid == os.getpid():
            return True  # its number is ours by now
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return True
        except PermissionError:
            pass
        return False


class Lease:
    """What this run loads; nobody else loads it meanwhile."""

    def __init__(self, warehouse: Warehouse, run_id: str, claim: Claim) -> None:
        self._warehouse = warehouse
        self._run_id = run_id
        self._claim = claim
        self._asked_at = datetime.now(UTC)

    def take(self, wait: float = 0) -> None:
        """Ask for it for `wait` seconds. Raises WarehouseBusy, which names the holder, and WarehouseError."""
        deadline = time.monotonic() + wait
        while True:
            self._say("asked")
            holder = self._look()
            if holder is None:
                return self.beat()
            self.free()
            if time.monotonic() >= deadline:
                raise WarehouseBusy(
                    f"{self._shared(holder)} is being loaded by {holder}. Let it finish, or wait for it with "
                    f"--wait SECONDS; if it died, it counts as gone {DEAD_SECONDS} s after it was last heard of."
                )
            time.sleep(1)

    def beat(self) -> None:
        """Give a sign of life. Raises WarehouseError."""
        self._say("held")

    def free(self) -> None:
        """Let others load it. Raises WarehouseError."""
        self._say("free")

    def _look(self) -> Holder | None:
        """Who is in the way; nobody once all that asked later have given way."""
        deadline = time.monotonic() + GIVE_WAY_SECONDS
        while True:
            others = [one for one in self._others() if one.claim.overlaps(self._claim) and not one.is_dead]
            first = min(others, key=lambda one: (one.state != "held", one.asked_at, one.run_id), default=None)
            if first is None:
                return None
            is_earlier = (first.asked_at, first.run_id) < (self._asked_at, self._run_id)
            if first.state == "held" or is_earlier or time.monotonic() > deadline:
                return first
            time.sleep(LOOK_SECONDS)

    def _others(self) -> list[Holder]:
        # Where there are replicas, the one that answers must know what the others were told.
        found = self._warehouse.rows(
            f"""
            with signs as (
                select run_id, argMax(
                    (state, things, since, until, command, host, place, pid, asked_at), updated_at
                ) as said, dateDiff('millisecond', max(updated_at), now64(6)) / 1000 as silent
                from {self._warehouse.raw}.load_leases
                where updated_at > now64(6) - interval {DEAD_SECONDS} second
                group by run_id
            )

            select run_id, said.1, said.2, said.3, said.4, said.5, said.6, said.7, said.8, said.9, silent
            from signs where said.1 != 'free' and run_id != {{run_id:String}}
            settings select_sequential_consistency = 1
            """,
            {"run_id": self._run_id},
        )
        return [
            Holder(
                run_id,
                state,
                Claim(tuple(things), since.replace(tzinfo=UTC), until.replace(tzinfo=UTC)),
                command,
                host,
                place,
                pid,
                asked_at.replace(tzinfo=UTC),
                silent,
            )
            for run_id, state, things, since, until, command, host, place, pid, asked_at, silent in found
        ]

    def _shared(self, holder: Holder) -> str:
        return next(
            thing for thing in self._claim.things if any(_are_same(thing, other) for other in holder.claim.things)
        )

    def _say(self, state: str) -> None:
        self._warehouse.record_lease(
            {
                "run_id": self._run_id,
                "things": list(self._claim.things),
                "since": self._claim.since,
                "until": self._claim.until,
                "state": state,
                "command": " ".join(sys.argv[1:3]),
                "host": socket.gethostname(),
                "place": _place(),
                "pid": os.getpid(),
                "asked_at": self._asked_at,
            }
        )


def _place() -> str:
    """What process numbers of this host mean; containers of one name count their own."""
    with contextlib.suppress(OSError):
        return os.readlink("/proc/self/ns/pid")
    return ""


@contextlib.contextmanager
def leased(warehouse: Warehouse, run_id: str, claim: Claim | None, wait: float) -> Iterator[Callable[[], None]]:
    """Hold a claim while inside, if there is one; yields what gives a sign of life. Raises as Lease.take does."""
    if claim is None:
        yield lambda: None
        return
    lease = Lease(warehouse, run_id, claim)
    try:
        lease.take(wait)
        yield lease.beat
    finally:
        with contextlib.suppress(WarehouseError):  # without a sign of life it counts as free in the end
            lease.free()
