"""loaders/tests/ledgers.py: every position of a simulated world reckoned again from its rows, one event at a time.

`Subgraph` is Polymarket's own pnl-subgraph (its src at 7a92ba026a): integers in 10^-6, truncated toward zero at every
event. `AverageCost` is exact: base units as fractions. Both are written from the published rules, share no step with
the models, and read the events of a wallet in whatever order they are given: the one that the models define, or the
chain's own, in which case they may also know how many shares left in a redemption.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Protocol

from loaders.standin.chain import EXCHANGES, NEG_RISK_ADAPTER, Row, condition_id, question_id

Key = tuple[str, str, int]  # wallet, condition, outcome
Happening = tuple[str, Row]  # entity and row
Entities = dict[str, list[Row]]  # as the subgraphs serve them

SCALE = 1_000_000
HALF = 500_000
DAY = 86_400
KINDS = {"Split": 1, "Merge": 4, "NegRiskConversion": 5, "Redemption": 6}  # maker fills are 2, the taker's is 3
NO_LOG_INDEX = 2**32


def truncated(dividend: int, divisor: int) -> int:
    """The quotient toward zero; Python's own goes down."""
    quotient = abs(dividend) // abs(divisor)
    return quotient if (dividend < 0) == (divisor < 0) else -quotient


# --- what rows say ---


@dataclass(frozen=True)
class Facts:
    """What the rows of a history refer to."""

    outcomes: dict[str, tuple[str, int]]  # condition and outcome, by token
    payouts: dict[str, list[int]]  # by condition; empty until resolved
    questions: dict[str, list[str]]  # conditions, by neg-risk market
    neg_risk: set[str]
    listed: set[str]
    refunds: dict[tuple[str, str], int]  # by transaction and order


def facts_of(entities: Entities) -> Facts:
    conditions = entities["Condition"]
    questions = {
        row["id"]: [
            condition_id(NEG_RISK_ADAPTER, question_id(row["id"], index)) for index in range(row["questionCount"])
        ]
        for row in entities.get("NegRiskEvent", [])
    }
    refunds: dict[tuple[str, str], int] = defaultdict(int)
    for row in entities.get("FeeRefundedEntity", []):
        refunds[row["id"].split("_")[0], row["orderHash"]] += int(row["feeRefunded"])
    return Facts(
        outcomes={token: (row["id"], i) for row in conditions for i, token in enumerate(row["positionIds"])},
        payouts={row["id"]: [int(numerator) for numerator in row["payoutNumerators"]] for row in conditions},
        questions=questions,
        neg_risk={condition for event in questions.values() for condition in event},
        listed={row["condition"] for row in entities["MarketData"]},
        refunds=refunds,
    )


def kind(entity: str, row: Row) -> int:
    if entity == "OrderFilledEvent":
        return 3 if row["taker"] in EXCHANGES else 2
    return KINDS[entity]


def documented_order(entities: Entities) -> list[Happening]:
    """Time, transaction, kind, log index where known, id: all that rows tell."""

    def place(happening: Happening) -> tuple[int, str, int, int, str]:
        entity, row = happening
        transaction, rest = row["id"].split("_")
        log_index = NO_LOG_INDEX if entity == "OrderFilledEvent" else int(rest, 16)
        return int(row["timestamp"]), transaction, kind(entity, row), log_index, rest

    kinds = ("OrderFilledEvent", *KINDS)
    return sorted(((entity, row) for entity in kinds for row in entities.get(entity, [])), key=place)


def touched(facts: Facts, entity: str, row: Row) -> list[Key]:
    """The positions that an event changes."""
    if entity == "OrderFilledEvent":
        token = row["takerAssetId"] if row["makerAssetId"] == "0" else row["makerAssetId"]
        return [(row["maker"], *facts.outcomes[token])]
    if entity == "NegRiskConversion":
        event = facts.questions[row["negRiskMarketId"]][: row["questionCount"]]
        return [(row["stakeholder"], one, int(row["indexSet"]) >> index & 1) for index, one in enumerate(event)]
    wallet = row["redeemer" if entity == "Redemption" else "stakeholder"]
    return [(wallet, row["condition"], outcome) for outcome in (0, 1)]


def certain(entities: Entities) -> set[Key]:
    """Positions whose order of events the rows tell.

    Two events of one second have none, unless they are maker and taker fill of one transaction. YES shares that came
    from a conversion depend on the order of its NO positions too.
    """
    facts = facts_of(entities)
    seen: dict[Key, set[tuple[int, str, int]]] = defaultdict(set)
    moments: dict[Key, dict[int, str]] = defaultdict(dict)
    unsure: set[Key] = set()
    converted: list[list[Key]] = []
    for entity, row in documented_order(entities):
        if entity == "NegRiskConversion":
            converted.append(touched(facts, entity, row))
        elif entity != "OrderFilledEvent" and row["condition"] not in facts.listed:
            continue
        second, transaction = int(row["timestamp"]), row["id"].split("_")[0]
        place = (second, transaction, kind(entity, row))
        for key in touched(facts, entity, row):
            if moments[key].setdefault(second, transaction) != transaction or place in seen[key]:
                unsure.add(key)
            seen[key].add(place)
    for keys in converted:
        if any(key in unsure for key in keys if key[2] == 1):
            unsure.update(key for key in keys if key[2] == 0)
    return seen.keys() - unsure


# --- the two ledgers ---


class Ledger(Protocol):
    day: int  # of the event that is told next, since 1970

    def fill(self, key: Key, buys: bool, shares: int, usdc: int, fee: int) -> None:
        """Amounts before the fee, which is in shares of a buyer and in collateral of a seller."""

    def sets(self, wallet: str, condition: str, amount: int) -> None:
        """Made (+) for one USDC, or given back (-)."""

    def convert(self, given: list[Key], received: list[Key], amount: int) -> None:
        """NO shares against YES shares of all other questions and cash."""

    def redeem(self, wallet: str, condition: str, told: "Redeemed") -> None: ...


@dataclass(frozen=True)
class Redeemed:
    payouts: list[int]
    payout: int
    outcomes: list[int]  # asked for
    neg_risk: bool
    shares: list[int] | None  # that left, by outcome; None when only the row is known


def tell(
    entities: Entities, events: Iterable[Happening], ledger: Ledger, redeemed: dict[str, list[int]] | None = None
) -> None:
    """Tell a ledger every event of a listed condition. `redeemed`: shares that left, by id of the redemption."""
    facts = facts_of(entities)
    for entity, row in events:
        ledger.day = int(row["timestamp"]) // DAY
        keys = touched(facts, entity, row) if entity in KINDS or entity == "OrderFilledEvent" else []
        if entity == "OrderFilledEvent":
            buys = row["makerAssetId"] == "0"
            given, received = int(row["makerAmountFilled"]), int(row["takerAmountFilled"])
            shares, usdc = (received, given) if buys else (given, received)
            fee = int(row["fee"]) - facts.refunds.get((row["transactionHash"], row["orderHash"]), 0)
            ledger.fill(keys[0], buys, shares, usdc, fee)
        elif entity == "NegRiskConversion":
            no, yes = ([key for key in keys if key[2] == outcome] for outcome in (1, 0))
            ledger.convert(no, yes, int(row["amount"]))
        elif entity in KINDS and row["condition"] in facts.listed:
            wallet, condition, _ = keys[0]
            if entity == "Redemption":
                ledger.redeem(
                    wallet,
                    condition,
                    Redeemed(
                        payouts=facts.payouts[condition],
                        payout=int(row["payout"]),
                        outcomes=[int(index_set).bit_length() - 1 for index_set in row["indexSets"]],
                        neg_risk=condition in facts.neg_risk,
                        shares=redeemed[row["id"]] if redeemed else None,
                    ),
                )
            else:
                ledger.sets(wallet, condition, int(row["amount"]) * (1 if entity == "Split" else -1))


@dataclass
class Tracked:
    """As the subgraph stores it: 10^-6 shares, 10^-6 USDC a share, 10^-6 USDC, 10^-6 shares."""

    amount: int = 0
    avg_price: int = 0
    realized_pnl: int = 0
    total_bought: int = 0

    def state(self) -> tuple[int, int, int, int]:
        return self.amount, self.avg_price, self.realized_pnl, self.total_bought


@dataclass
class Subgraph:
    positions: dict[Key, Tracked] = field(default_factory=dict)
    guessed: set[Key] = field(default_factory=set)  # losers were redeemed, and no row tells how many
    day: int = 0

    def held(self, key: Key) -> Tracked:
        return self.positions.get(key, Tracked())

    def buy(self, key: Key, price: int, amount: int) -> None:
        if amount > 0:
            position = self.positions.setdefault(key, Tracked())
            cost = position.avg_price * position.amount + price * amount
            position.avg_price = truncated(cost, position.amount + amount)
            position.amount += amount
            position.total_bought += amount

    def sell(self, key: Key, price: int, amount: int) -> None:
        position = self.positions.setdefault(key, Tracked())
        amount = min(amount, position.amount)
        position.realized_pnl += truncated(amount * (price - position.avg_price), SCALE)
        position.amount -= amount

    def fill(self, key: Key, buys: bool, shares: int, usdc: int, fee: int) -> None:
        if shares:  # else it would divide by zero, and stop
            (self.buy if buys else self.sell)(key, truncated(usdc * SCALE, shares), shares)

    def sets(self, wallet: str, condition: str, amount: int) -> None:
        for outcome in (0, 1):
            (self.buy if amount > 0 else self.sell)((wallet, condition, outcome), HALF, abs(amount))

    def convert(self, given: list[Key], received: list[Key], amount: int) -> None:
        prices = []
        for key in given:
            prices.append(self.held(key).avg_price)
            self.sell(key, prices[-1], amount)
        if received:
            no_price = truncated(sum(prices), len(given))
            yes_price = truncated(no_price * len(given) - SCALE * (len(given) - 1), len(received))
            for key in received:
                self.buy(key, yes_price, amount)

    def redeem(self, wallet: str, condition: str, told: Redeemed) -> None:
        whole = sum(told.payouts)
        if not whole:
            return
        for outcome, numerator in enumerate(told.payouts):
            key = (wallet, condition, outcome)
            amount = self.held(key).amount
            if told.neg_risk and told.shares:
                amount = told.shares[outcome]
            elif told.neg_risk and numerator:
                assert numerator == whole, "the neg-risk operator knows one winner"
                amount = told.payout
            elif told.neg_risk and amount:
                self.guessed.add(key)
            self.sell(key, truncated(numerator * SCALE, whole), amount)


@dataclass
class Holding:
    """Base units."""

    shares: int = 0
    cost: Fraction = Fraction(0)
    realized: Fraction = Fraction(0)
    unmatched: int = 0  # shares given up beyond what was held
    by_day: dict[int, Fraction] = field(default_factory=lambda: defaultdict(Fraction))


@dataclass
class AverageCost:
    positions: dict[Key, Holding] = field(default_factory=lambda: defaultdict(Holding))
    day: int = 0

    def arrive(self, key: Key, shares: int, cost: Fraction | int) -> None:
        self.positions[key].shares += shares
        self.positions[key].cost += cost

    def leave(self, key: Key, shares: int) -> tuple[Fraction, Fraction]:
        """Take shares and their part of the cost. Returns what part of them was there, and that cost."""
        position = self.positions[key]
        there = min(shares, position.shares)
        cost = position.cost * Fraction(there, position.shares) if there else Fraction(0)
        position.shares -= there
        position.cost -= cost
        position.unmatched += shares - there
        return (Fraction(there, shares) if shares else Fraction(0)), cost

    def give_up(self, key: Key, shares: int, proceeds: Fraction | int) -> None:
        part, cost = self.leave(key, shares)
        gain = proceeds * part - cost
        self.positions[key].realized += gain
        self.positions[key].by_day[self.day] += gain

    def fill(self, key: Key, buys: bool, shares: int, usdc: int, fee: int) -> None:
        if buys:
            self.arrive(key, shares - fee, usdc)
        else:
            self.give_up(key, shares, usdc - fee)

    def sets(self, wallet: str, condition: str, amount: int) -> None:
        for outcome in (0, 1):
            if amount > 0:
                self.arrive((wallet, condition, outcome), amount, Fraction(amount, 2))
            else:
                self.give_up((wallet, condition, outcome), -amount, Fraction(-amount, 2))

    def convert(self, given: list[Key], received: list[Key], amount: int) -> None:
        if received:
            cost = sum((self.leave(key, amount)[1] for key in given), Fraction(0))
            for key in received:
                self.arrive(key, amount, (cost - (len(given) - 1) * amount) / len(received))
        else:
            for key in given:
                self.give_up(key, amount, Fraction((len(given) - 1) * amount, len(given)))

    def redeem(self, wallet: str, condition: str, told: Redeemed) -> None:
        positions = [self.positions[wallet, condition, outcome] for outcome in (0, 1)]
        # Shares given up before they came, by this order of events, are not held a second time.
        held = [max(position.shares - position.unmatched, 0) for position in positions]
        shares = told.shares or shares_redeemed(told, held)
        first = paid(shares[0], told.payouts, 0) if 0 in told.outcomes else 0
        for outcome, proceeds in enumerate((first, told.payout - first)):
            self.give_up((wallet, condition, outcome), shares[outcome], proceeds)


def paid(shares: int, payouts: Sequence[int], outcome: int) -> int:
    return shares * payouts[outcome] // sum(payouts)


def shares_redeemed(told: Redeemed, held: Sequence[int]) -> list[int]:
    """What must have left, as DECISIONS.md says: everything if it is worth the payout, else what the payout buys."""
    asked = [held[outcome] if outcome in told.outcomes else 0 for outcome in (0, 1)]
    worth = [paid(asked[outcome], told.payouts, outcome) for outcome in (0, 1)]
    if sum(worth) == told.payout:
        return asked
    left, payout = list(asked), told.payout
    for outcome in told.outcomes:
        if numerator := told.payouts[outcome]:
            left[outcome] = -(-payout * sum(told.payouts) // numerator)
            if outcome == 0 and 1 in told.outcomes and told.payouts[1]:
                left[outcome] = min(left[outcome], held[outcome])
            payout -= paid(left[outcome], told.payouts, outcome)
    return left


def last_trades(entities: Entities) -> dict[tuple[str, int], Fraction]:
    """USDC a share of the last fill, by condition and outcome."""
    facts = facts_of(entities)
    prices = {}
    for entity, row in documented_order(entities):
        if entity == "OrderFilledEvent":
            _, condition, outcome = touched(facts, entity, row)[0]
            given, received = int(row["makerAmountFilled"]), int(row["takerAmountFilled"])
            prices[condition, outcome] = (
                Fraction(given, received) if row["makerAssetId"] == "0" else Fraction(received, given)
            )
    return prices


def prices_of(entities: Entities) -> dict[tuple[str, int], Fraction]:
    """What a share is worth: its payout, else the price of its last trade; no entry when it was never traded."""
    prices = last_trades(entities)
    for condition, payouts in facts_of(entities).payouts.items():
        for outcome, numerator in enumerate(payouts):
            prices[condition, outcome] = Fraction(numerator, sum(payouts))
    return prices
