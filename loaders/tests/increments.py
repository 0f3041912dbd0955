"""A simulated world that arrives piece by piece, as years of loads bring it: late, twice, corrected, out of order."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from random import Random
from typing import Any

from loaders.entities import ENTITIES, FILE_PAYOUTS, USER_POSITIONS, Entity
from loaders.events import ORDER_FILLS_V2, RESOLUTIONS
from loaders.standin.node import FIRST_BLOCK, SUCCESSORS, Log, fill_log, resolution_log
from loaders.standin.world import World
from loaders.target import read_target
from loaders.tests.conftest import Desk
from loaders.warehouse import EPOCH, WindowState, opened

Row = dict[str, Any]
Landed = tuple[str, Row]  # entity and row

BY_NAME = {entity.name: entity for entity in ENTITIES}
EVENTS = (
    "OrderFilledEvent",
    "FeeRefundedEntity",
    "Split",
    "Merge",
    "Redemption",
    "NegRiskConversion",
    "FpmmTransaction",
    "FpmmFundingAddition",
    "FpmmFundingRemoval",
)
ERA = datetime(2022, 11, 21, tzinfo=UTC)


class Arrival:
    """What of a world is landed, and what is not yet. Every draw comes from one seed."""

    def __init__(self, desk: Desk, world: World, seed: int) -> None:
        self.desk, self.world, self.random = desk, world, Random(seed)
        self.coming = list(world.history)  # in the order of the chain
        self.late: list[Landed] = []  # passed over
        self.landed: list[Landed] = []  # events
        fills = [row for name, row in world.history if name == "OrderFilledEvent"]
        self.places = {row["id"]: number for number, row in enumerate(fills)}
        exchanges = {row["transactionHash"]: SUCCESSORS[row["taker"]] for row in fills if row["taker"] in SUCCESSORS}
        of_v2 = sorted(transaction for transaction in exchanges if self.random.random() < 0.2)
        self.exchanges = {transaction: exchanges[transaction] for transaction in of_v2}  # what V1 did not match
        self.payouts = {row["id"]: row for row in world.entities["Condition"] if row["payoutNumerators"]}
        self.open = {
            row["id"]: row | {"payoutNumerators": [], "payoutDenominator": "0"} for row in self.payouts.values()
        }
        self.paid: list[str] = []
        self.now = world.since

    def begin(self) -> None:
        """Land half of the events. Of conditions and tokens most are known, no payout, and a question is missing."""
        conditions = [self.open.get(row["id"], row) for row in self.world.entities["Condition"]]
        self.unknown = self.some(conditions, 15)
        unknown = {row["id"] for row in self.unknown}
        self.unregistered = [row for row in self.world.entities["MarketData"] if row["condition"] in unknown]
        self.land("Condition", [row for row in conditions if row["id"] not in unknown])
        self.land("MarketData", [row for row in self.world.entities["MarketData"] if row["condition"] not in unknown])
        first, *others = self.world.entities["NegRiskEvent"]
        self.land("NegRiskEvent", [first | {"questionCount": first["questionCount"] - 1}, *others])
        self.unseen, *pools = self.world.entities["FixedProductMarketMaker"]
        self.land("FixedProductMarketMaker", pools)
        self.advance(len(self.coming) // 2)

    def step(self, count: int) -> list[str]:
        """Time passes, and `count` other things happen; said in words."""
        happenings: list[Callable[[], str]] = [
            self.late_events,
            self.resolutions,
            self.correction,
            self.withdrawal,
            self.copies,
            self.window_read_again,
            self.positions,
            self.question,
            self.conditions_known,
            self.pool_known,
            self.reorganisation,
            self.logs_withdrawn,
            self.chain_says,
            self.file_says,
        ]
        chosen = sorted(range(len(happenings)), key=lambda _: self.random.random())[:count]
        return [self.advance(len(self.coming) // 4), *(happenings[number]() for number in chosen)]

    def advance(self, count: int) -> str:
        """Events arrive in order, but for some rows and some transactions, which are late."""
        now, self.coming = self.coming[:count], self.coming[count:]
        missed = {transaction_of(row) for _, row in self.some(now, 5)}
        late = [one for one in now if transaction_of(one[1]) in missed or self.random.random() < 0.02]
        self.late += late
        self.arrive([one for one in now if one not in late])
        self.now = max([self.now, *(int(row["timestamp"]) + 1 for _, row in now)])
        until = datetime.fromtimestamp(self.now, UTC)
        with self.warehouse() as warehouse:
            warehouse.record(WindowState(name, "", ERA, until, "", "complete") for name in EVENTS)
        return f"{len(now)} events happened, of which {len(late)} are late"

    def late_events(self) -> str:
        now = self.some(self.late, 60)
        self.late = [one for one in self.late if one not in now]
        self.arrive(now)
        return f"{len(now)} late events arrived"

    def resolutions(self) -> str:
        ids = self.some([one for one in self.open if one not in self.paid], 50)
        self.paid += ids
        self.land("Condition", [self.payouts[one] for one in ids])
        return f"{len(ids)} conditions resolved"

    def correction(self) -> str:
        """A payout turns around, and another one that did before is as it should be."""
        ids = self.some(self.paid, 20)
        turned = [self.payouts[one] for one in ids]
        for row in turned:
            self.payouts[row["id"]] = row | {"payoutNumerators": row["payoutNumerators"][::-1]}
        self.land("Condition", [self.payouts[one] for one in ids])
        return f"payouts of {len(ids)} conditions were corrected"

    def withdrawal(self) -> str:
        ids = self.some(self.paid, 10)
        self.paid = [one for one in self.paid if one not in ids]
        self.land("Condition", [self.open[one] for one in ids])
        return f"payouts of {len(ids)} conditions were taken back"

    def copies(self) -> str:
        again = self.some(self.landed, 10)
        self.arrive(again, are_new=False)
        return f"{len(again)} events were landed again"

    def window_read_again(self) -> str:
        """All of some days, and a few fills are others now than when they were first read."""
        first = self.random.choice(self.landed)[1]["timestamp"]
        window = range(int(first), int(first) + 5 * 86_400)
        again = [one for one in self.landed if int(one[1]["timestamp"]) in window]
        changed = [one for one in self.some(again, 5) if one[0] == "OrderFilledEvent"]
        for one in changed:
            self.landed.remove(one)
            again.remove(one)
            more = str(int(one[1]["makerAmountFilled"]) + 10_000)
            again.append((one[0], one[1] | {"makerAmountFilled": more}))
            self.landed.append(again[-1])
        self.arrive(again, are_new=False)
        return f"a window of {len(again)} events was read again, {len(changed)} fills of it are others"

    def positions(self) -> str:
        """Of some wallets, as Polymarket itself has them at the end of time."""
        rows = self.world.entities["UserPosition"]
        wallets = set(self.some(sorted({row["user"] for row in rows}), 20))
        self.land("UserPosition", [row for row in rows if row["user"] in wallets])
        until = datetime.fromtimestamp(self.now, UTC)
        cursor = f"50000000:{self.now}:made"
        with self.warehouse() as warehouse:
            warehouse.record(
                WindowState(USER_POSITIONS.name, f"wallet:{one}", EPOCH, until, cursor, "complete")
                for one in sorted(wallets)
            )
        return f"positions of {len(wallets)} wallets were loaded"

    def question(self) -> str:
        self.land("NegRiskEvent", self.world.entities["NegRiskEvent"])
        return "a question joined a neg-risk event"

    def conditions_known(self) -> str:
        """Fills of their tokens may be landed long since. Payouts come with them where they are known by now."""
        conditions, tokens = self.some(self.unknown, 50), self.some(self.unregistered, 50)
        self.unknown = [row for row in self.unknown if row not in conditions]
        self.unregistered = [row for row in self.unregistered if row not in tokens]
        self.land("Condition", [self.payouts[row["id"]] if row["id"] in self.paid else row for row in conditions])
        self.land("MarketData", tokens)
        return f"{len(conditions)} conditions and {len(tokens)} tokens became known"

    def pool_known(self) -> str:
        self.land("FixedProductMarketMaker", [self.unseen])
        return "a market maker became known, of whom events may be landed"

    def reorganisation(self) -> str:
        """Transactions stand in other blocks, at other times; where they were is known no more."""
        moved = {transaction_of(row) for _, row in self.some(self.landed, 2)} - set(self.exchanges)
        later = self.random.randrange(-7_200, 7_200)
        again = [
            (name, row | {"timestamp": type(row["timestamp"])(int(row["timestamp"]) + later)})
            for name, row in self.landed
            if transaction_of(row) in moved
        ]
        self.arrive(again)
        return f"{len(moved)} transactions moved by {later} seconds"

    def logs_withdrawn(self) -> str:
        """Logs of a day count no more, until they are landed again."""
        first = FIRST_BLOCK + int(self.random.choice(self.landed)[1]["timestamp"])
        with self.warehouse() as warehouse:
            counts = [
                warehouse.withdraw(event, first, first + 86_400, "run") for event in (ORDER_FILLS_V2, RESOLUTIONS)
            ]
        return f"{counts[0]} fills of V2 and {counts[1]} resolutions of a day left the chain"

    def chain_says(self) -> str:
        """When and how markets were resolved; what was corrected later it does not know."""
        told = self.some([one for one in self.world.resolutions if one[1].condition in self.payouts], 30)
        logs = [(resolution_log(market, FIRST_BLOCK + second, 0, market.condition), second) for second, market in told]
        self.put(RESOLUTIONS, [served(log, second) for log, second in logs])
        return f"the chain says how {len(told)} conditions were resolved"

    def file_says(self) -> str:
        ids = self.some(list(self.payouts), 10)
        rows = [
            {
                "id": one,
                "conditionId": one,
                "payouts": self.payouts[one]["payoutNumerators"][:: self.random.choice((1, -1))],
                "resolvedAt": self.random.choice((None, self.now - 86_400)),
                "file": "payouts.csv",
            }
            for one in ids
        ]
        self.put(FILE_PAYOUTS, rows)
        return f"a file says how {len(ids)} conditions were resolved"

    def some(self, things: list[Any], percent: int) -> list[Any]:
        """A part of them, at least one if there is any."""
        chosen = [one for one in things if self.random.random() * 100 < percent]
        return chosen or things[:1]

    def arrive(self, events: list[Landed], are_new: bool = True) -> None:
        for name in EVENTS:
            self.land(name, [row for entity, row in events if entity == name])
        if are_new:
            self.landed += events

    def land(self, name: str, rows: list[Row]) -> None:
        """As a load lands them; what V2 matched is served by the chain."""
        references = {field.name for field in BY_NAME[name].fields if field.is_reference}
        logs, of_v2 = [], self.exchanges if name == "OrderFilledEvent" else {}
        for row in rows:
            if exchange := of_v2.get(transaction_of(row)):
                second, place = int(row["timestamp"]), self.places[row["id"]]
                logs.append(served(fill_log(row, FIRST_BLOCK + second, place, exchange=exchange), second))
        self.put(ORDER_FILLS_V2, logs)
        of_subgraph = [row for row in rows if transaction_of(row) not in of_v2]
        self.put(
            BY_NAME[name],
            [{key: {"id": row[key]} if key in references else row[key] for key in row} for row in of_subgraph],
        )

    def put(self, entity: Entity, rows: list[Row]) -> None:
        if rows:
            block = entity.block(rows, "run")
            assert not block.damaged, block.damaged[0]
            with self.warehouse() as warehouse:
                warehouse.insert(entity, [block.data], block.rows)

    def warehouse(self) -> Any:
        return opened(replace(read_target("embedded"), host=f"chdb:{self.desk.data}", raw_schema="polyledger_raw"))


def served(log: Log, second: int) -> Row:
    """As a node serves it, of a block of that second."""
    return {
        "id": log.transaction,
        "address": log.address,
        "topics": list(log.topics),
        "data": log.data,
        "blockNumber": hex(log.block),
        "blockTimestamp": hex(second),
        "transactionHash": log.transaction,
        "logIndex": hex(log.index),
    }


def transaction_of(row: Row) -> str:
    return str(row["id"]).partition("_")[0]
