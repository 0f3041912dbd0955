"""loaders/standin/world.py: random wallets trade, split, convert and redeem, always the same way for one seed.

The rows are what the subgraphs would serve; the ledger is what every wallet really gained, kept by the chain's
own books and not derived from the rows. As a command it writes the rows as a recording:
python -m loaders.standin.world --seed 0 --steps 1500 world.json
"""

import argparse
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from random import Random
from typing import TypeVar

from loaders.standin.chain import (
    BURNED,
    FEE_MODULES,
    ONE,
    TICKS,
    USDC_E,
    Account,
    Chain,
    Event,
    Fill,
    Market,
    Order,
    Pool,
    Row,
    condition_id,
    condition_row,
    position_id,
)

T = TypeVar("T")

DAYS = 60
PURSE = 10**13  # ten million USDC a wallet: nobody runs dry
HOUSES = frozenset(FEE_MODULES)  # gain without ever being the maker of a row

# Outcomes of the resolved plain conditions, in turn.
USUAL = ([1, 0], [0, 1], [1, 0], [1, 1], [0, 1])
UNUSUAL = (
    [1, 0],
    [0, 1],
    [54, 46],
    [1, 0],
    [1, 1],
    [540000000000000000, 460000000000000000],
    [0, 1],
    [333333333333333333, 666666666666666667],
    [1, 0],
    [0, 1],
)
POOL_FEES = (ONE // 50, 0, ONE // 200)  # of market makers, in turn

# Fee rates of plain conditions, in turn. Neg-risk events alternate.
FEE_RATES = (0, 1000, 0, 0, 200)


@dataclass(frozen=True)
class Closing:
    """One market pays `payouts`; the other questions of a neg-risk event, late ones too, are NO."""

    step: int
    markets: list[Market]
    winner: int
    payouts: list[int]


@dataclass(frozen=True)
class World:
    """A whole history; unix seconds, base units."""

    entities: dict[str, list[Row]] = field(repr=False)  # as the subgraphs serve them
    # By wallet and condition id. The fee modules (HOUSES) are in both, so that they sum to nothing.
    ledger: dict[tuple[str, str], Account] = field(repr=False)
    settled: dict[tuple[str, str], Fraction] = field(repr=False)  # resolved conditions, open shares at payout
    history: list[tuple[str, Row]] = field(repr=False)  # entity and row of every event, in the order of the chain
    redeemed: dict[str, list[int]] = field(repr=False)  # shares by outcome that left in each redemption, by row id
    resolutions: list[tuple[int, Market]] = field(repr=False)  # unix seconds and what was resolved then
    since: int  # the first event
    until: int  # one after the last event


class Crowd:
    """Wallets and what they do next.

    Every draw is a random() or getrandbits(): their numbers are the same in all versions of Python, those of
    choice() and shuffle() are not. An action that finds nothing to do says so and leaves no row.
    """

    def __init__(self, seed: int, wallets: int, leftovers: bool) -> None:
        self.random = Random(seed)
        self.leftovers = leftovers
        self.wallets = [self.bits(160) for _ in range(wallets)]
        self.chain = Chain(self.wallets, PURSE)
        self.second = 0
        self.prices: dict[str, int] = {}  # of outcome 0 in ticks, by condition
        self.resolutions: list[tuple[int, Market]] = []
        self.resting: dict[str, Order] = {}  # a partly filled order, by condition

    def bits(self, count: int) -> str:
        return f"0x{self.random.getrandbits(count):0{count // 4}x}"

    def below(self, limit: int) -> int:
        return int(self.random.random() * limit)

    def chance(self, percent: int) -> bool:
        return self.below(100) < percent

    def pick(self, things: Sequence[T]) -> T:
        return things[self.below(len(things))]

    def amount(self) -> int:
        """Now and then a round lot, else anything from dust to 400 shares."""
        if self.chance(20):
            return (1 + self.below(20)) * 10_000_000
        draw = self.random.random()
        return 1 + int(draw * draw * draw * 400_000_000)  # not **: pow() rounds as the platform likes

    def part_of(self, whole: int) -> int:
        return whole if self.chance(50) else 1 + self.below(whole)

    def begin(self) -> None:
        self.chain.begin(self.second, self.bits(256))

    def holders(self, market: Market, *outcomes: int) -> list[str]:
        """Wallets that hold all of these outcomes."""
        return [
            wallet for wallet in self.wallets if all(self.chain.shares(wallet, market)[outcome] for outcome in outcomes)
        ]

    # --- trading ---

    def price(self, market: Market, outcome: int) -> int:
        """Near the last price of the outcome, in ticks."""
        last = self.prices.get(market.condition)
        if last is None:
            last = 1 + self.below(TICKS - 1)
        self.prices[market.condition] = last = min(max(last + self.below(41) - 20, 1), TICKS - 1)
        tick = (TICKS - last if outcome else last) + self.below(21) - 10
        return min(max(tick, 1), TICKS - 1)

    def trade(self, market: Market) -> bool:
        """A taker order against one to three maker orders, of the same outcome or of the other one."""
        outcome = self.below(2)
        sellers = self.holders(market, outcome)
        buys = not sellers or self.chance(55)
        owner = self.pick(self.wallets if buys else sellers)
        taker = Order(self.bits(256), owner, outcome, buys, self.price(market, outcome))
        fills: list[Fill] = []
        left = {taker.owner: list(self.chain.shares(taker.owner, market))}  # shares not yet promised
        for _ in range(1 + self.below(3)):
            order = self.maker_order(market, taker)
            left.setdefault(order.owner, list(self.chain.shares(order.owner, market)))
            shares = self.amount()
            for seller in (taker, order):
                if not seller.buys:
                    shares = min(shares, left[seller.owner][seller.outcome])
            fill = limit_fill(order, shares)
            if 0 < fill.usdc < fill.shares:
                fills.append(fill)
                for seller in (taker, order):
                    if not seller.buys:
                        left[seller.owner][seller.outcome] -= fill.shares
        if not fills:
            return False
        unspent = self.unspent(fills, taker, left[taker.owner][outcome])
        self.begin()
        self.chain.match(market, taker, fills, self.refund_percents(len(fills)), unspent)
        if self.chance(50):
            self.resting[market.condition] = fills[-1].order
        return True

    def maker_order(self, market: Market, taker: Order) -> Order:
        resting = self.resting.get(market.condition)
        if resting and (resting.outcome == taker.outcome) == (resting.buys != taker.buys):
            return self.resting.pop(market.condition)
        same_outcome = self.chance(50)
        outcome = taker.outcome if same_outcome else 1 - taker.outcome
        buys = taker.buys != same_outcome
        owners = self.wallets if buys else self.holders(market, outcome)
        if not owners:  # nobody can sell, but somebody can always buy
            outcome, buys, owners = (1 - outcome, True, self.wallets)
        owner = taker.owner if taker.owner in owners and self.chance(5) else self.pick(owners)
        return Order(self.bits(256), owner, outcome, buys, self.price(market, outcome))

    def refund_percents(self, makers: int) -> list[int]:
        """Makers mostly get all back, takers some; without the fee module nobody does."""
        if self.chance(15):
            return [0] * (makers + 1)
        return [self.pick((0, 0, 40, 100)), *(self.pick((100, 100, 100, 33)) for _ in range(makers))]

    def unspent(self, fills: Sequence[Fill], taker: Order, shares: int) -> int:
        """What the taker gives beyond what the makers take: shares that it has, or USDC at a price of 1 at most."""
        if not self.leftovers or not self.chance(25):
            return 0
        costs = (fill.usdc if fill.order.buys != taker.buys else fill.shares - fill.usdc for fill in fills)
        room = sum(fill.shares for fill in fills) - sum(costs) if taker.buys else shares
        return 1 + self.below(room) if room else 0

    # --- conditional tokens and neg-risk adapter ---

    def split(self, market: Market) -> bool:
        self.begin()
        self.chain.split(self.pick(self.wallets), market, self.amount())
        return True

    def merge(self, market: Market) -> bool:
        owners = self.holders(market, 0, 1)
        if not owners:
            return False
        owner = self.pick(owners)
        self.begin()
        self.chain.merge(owner, market, self.part_of(min(self.chain.shares(owner, market))))
        return True

    def convert(self, event: Event) -> bool:
        """Any NO shares of one wallet; now and then it first buys a set of every question and converts them all."""
        count = len(event.questions)
        wallet = self.pick(self.wallets)
        everything = self.chance(25)
        if everything:
            for market in event.questions:
                self.begin()
                self.chain.split(wallet, market, 1_000_000 + self.amount())
        held = [self.chain.shares(wallet, market)[1] for market in event.questions]
        chosen = [index for index in range(count) if held[index] and (everything or self.chance(70))]
        if not chosen:
            return False
        amount = self.part_of(min(held[index] for index in chosen))
        if everything and amount % count == 0 and amount > 1:  # an amount that the uniform price cannot divide
            amount -= 1
        self.begin()
        self.chain.convert(wallet, event, sum(1 << index for index in chosen), amount)
        return True

    def redeem(self, market: Market) -> bool:
        """Winners and losers alike; plain conditions burn a whole balance, the adapter the amounts asked for."""
        outcome = self.below(2)
        owners = self.holders(market, outcome)
        if not owners:
            return False
        owner = self.pick(owners)
        shares = list(self.chain.shares(owner, market))
        index_sets = ["1", "2"]
        if market.neg_risk:
            shares = [self.part_of(held) if held else 0 for held in shares]
        elif self.chance(30):
            shares[1 - outcome] = 0
            index_sets = [str(1 << outcome)]
        self.begin()
        self.chain.redeem(owner, market, shares, index_sets)
        return True

    # --- automated market makers ---

    def use_pool(self) -> bool:
        """Buy, sell, provide or take back. A pool is left alone for the rest of a second, since rows of providers do
        not tell when in it they were."""
        pool = self.pick(self.chain.pools)
        if pool.busy_at == self.second:
            return False
        dice = self.below(100)
        if pool.market.payouts:  # some never take back
            return dice < 6 and self.take_back(pool)
        if pool.supply and dice < 10:
            return self.take_back(pool)
        self.begin()
        if not pool.supply or dice < 22:
            odds = 2 + self.below(7)
            self.chain.add_funding(self.pick(self.wallets), pool, 20_000_000 + self.amount(), (odds, 10 - odds))
        elif dice < 26:
            provider = self.pick([wallet for wallet, shares in pool.providers.items() if shares])
            if not self.chain.can_pay_fees(provider, pool):
                return False
            self.chain.collect_fees(provider, pool)
        elif dice < 32:
            self.chain.split(self.pick(self.wallets), pool.market, self.amount())
        else:
            return self.trade_with(pool, self.below(2), buys=dice < 70)
        return True

    def take_back(self, pool: Pool) -> bool:
        providers = [wallet for wallet, shares in pool.providers.items() if shares]
        if not providers:
            return False
        provider = self.pick(providers)
        if not self.chain.can_pay_fees(provider, pool):
            return False
        self.begin()
        self.chain.remove_funding(provider, pool, self.part_of(pool.providers[provider]))
        return True

    def trade_with(self, pool: Pool, outcome: int, buys: bool) -> bool:
        held = self.chain.in_pool(pool)
        owners = self.holders(pool.market, outcome)
        if buys or not owners:
            usdc = min(self.amount(), 2 * min(held))
            if not usdc or not self.chain.bought(pool, outcome, usdc):
                return False
            self.chain.buy_from_pool(self.pick(self.wallets), pool, outcome, usdc)
            return True
        owner = self.pick(owners)
        usdc = min(self.part_of(self.chain.shares(owner, pool.market)[outcome]), held[1 - outcome]) // 3
        if not usdc or self.chain.sold(pool, outcome, usdc) > self.chain.shares(owner, pool.market)[outcome]:
            return False
        self.chain.sell_to_pool(owner, pool, outcome, usdc)
        return True

    # --- a step ---

    def act(self) -> None:
        """Mostly trades, in popular markets more than in others; whoever finds nothing to do trades."""
        if self.chain.pools and self.chance(25) and self.use_pool():
            return
        traded = [market for market in self.chain.markets if market.is_listed and not market.payouts]
        closed = [market for market in self.chain.markets if market.payouts]
        dice, draw = self.below(100), self.random.random()
        if not traded or (closed and dice < 12 and self.redeem(self.pick(closed))):
            return
        market = traded[int((draw + draw * draw) / 2 * len(traded))]
        events = [event for event in self.chain.events if not event.questions[0].payouts]
        done = (
            (12 <= dice < 18 and self.split(market))
            or (18 <= dice < 23 and self.merge(market))
            or (23 <= dice < 28 and bool(events) and self.convert(self.pick(events)))
        )
        if not done:
            self.trade(market)

    def visit_strangers(self, condition: str, known: Market | None = None) -> None:
        """Other users of conditional tokens, whose collateral has 18 decimals."""
        stranger, amount = self.bits(160), str((1 + self.below(50)) * ONE // 2)
        if known:  # the pnl subgraph does not ask for the collateral
            self.chain.record.split(stranger, known.tokens, int(amount))
            self.chain.record.redeem(stranger, known.tokens, known.payouts)
        self.begin()
        self.chain.log("Split", stakeholder=stranger, condition=condition, amount=amount)
        self.begin()
        self.chain.log("Redemption", redeemer=stranger, condition=condition, indexSets=["1", "2"], payout=amount)


def limit_fill(order: Order, shares: int) -> Fill:
    """At the order's price; a buyer gives whole base units and gets no more shares than they pay for."""
    usdc = shares * order.price // TICKS
    return Fill(order, usdc * TICKS // order.price if order.buys else shares, usdc)


def simulate(
    seed: int = 0,
    *,
    steps: int = 1500,
    wallets: int = 60,
    plain: int = 24,
    neg_risk_events: int = 4,
    fees: bool = True,
    foreign: bool = True,
    unusual_payouts: bool = True,
    leftovers: bool = False,
    pools: int = 0,
    start: int = 1735689600,
) -> World:
    """Play a number of steps over about 60 days. Three of four conditions and events resolve on the way.

    `leftovers`: some takers give more than their makers take, and get it back outside of the row. `pools`: that many
    automated market makers, every other one in a condition that no exchange lists.
    """
    crowd = Crowd(seed, wallets, leftovers)
    chain = crowd.chain
    prepare_markets(crowd, plain, neg_risk_events, fees)
    open_pools(crowd, pools, start)
    closings = plan_closings(crowd, steps, UNUSUAL if unusual_payouts else USUAL)
    known = foreign_market(crowd) if foreign else None
    crowd.second = start
    pause = DAYS * 86_400 / steps
    rush = range(steps // 2, steps // 2 + steps // 20)  # all in one second

    for step in range(steps):
        if step and step not in rush and not crowd.chance(20):
            crowd.second += int(crowd.random.random() * 2.6 * pause)
        if step == steps * 3 // 5 and chain.events:  # a late question
            chain.add_question(chain.events[0], listed_backwards=crowd.chance(50))
        for closing in closings:
            if closing.step == step:
                chain.prove()
                for index, market in enumerate(closing.markets):
                    market.payouts = closing.payouts if index == closing.winner else [0, 1]
                    crowd.resolutions.append((crowd.second, market))
        if known and step % max(steps // 5, 1) == 1:
            crowd.visit_strangers(crowd.bits(256))
        if known and step == steps // 3:
            crowd.visit_strangers(known.condition, known)
        crowd.act()
    chain.prove()
    return world_of(chain, known, crowd.resolutions)


def prepare_markets(crowd: Crowd, plain: int, neg_risk_events: int, fees: bool) -> None:
    chain = crowd.chain
    oracle = crowd.bits(160)
    for number in range(plain):
        rate = FEE_RATES[number % len(FEE_RATES)] if fees else 0
        chain.prepare(oracle, crowd.bits(256), fee_rate_bps=rate, listed_backwards=crowd.chance(50))
    for number in range(neg_risk_events):
        event = Event(f"{crowd.bits(248)}00", fee_rate_bps=1000 if fees and number % 2 else 0)
        chain.events.append(event)
        for _ in range(3 + number % 4):
            chain.add_question(event, listed_backwards=crowd.chance(50))


def open_pools(crowd: Crowd, count: int, start: int) -> None:
    chain = crowd.chain
    chain.second = start
    traded = [market for market in chain.markets if not market.neg_risk]
    for number in range(count):
        if number % 2 or not traded:
            market = chain.prepare(crowd.bits(160), crowd.bits(256))
            market.is_listed = False
        else:
            market = traded[number // 2 % len(traded)]  # a condition may have more than one
        chain.open_pool(crowd.bits(160), market, POOL_FEES[number % len(POOL_FEES)], crowd.pick(crowd.wallets))


def plan_closings(crowd: Crowd, steps: int, kinds: Sequence[list[int]]) -> list[Closing]:
    """Every fourth condition and every fourth event stays open."""
    conditions = [market for market in crowd.chain.markets if not market.neg_risk]
    closing = [market for number, market in enumerate(conditions) if number % 4 != 3]
    closings = [
        Closing(steps * (35 + crowd.below(55)) // 100, [market], 0, kinds[number % len(kinds)])
        for number, market in enumerate(closing)
    ]
    for number, event in enumerate(crowd.chain.events):
        if number % 4 != 3:
            # Never the late question: conversions before it would have paid as if it could not win.
            winner = crowd.below(len(event.questions))
            closings.append(Closing(steps * (70 + crowd.below(20)) // 100, event.questions, winner, [1, 0]))
    return closings


def foreign_market(crowd: Crowd) -> Market:
    """A condition over another collateral; the pnl subgraph knows it and takes its collateral for USDC."""
    condition = condition_id(crowd.bits(160), crowd.bits(256))
    tokens = [position_id(USDC_E, condition, outcome) for outcome in (0, 1)]
    return Market(condition, tokens, neg_risk=False, payouts=[1, 0])


def world_of(chain: Chain, known: Market | None, resolutions: list[tuple[int, Market]]) -> World:
    chain.divide_pools()
    entities = chain.entities()
    if known:
        entities["Condition"].append(condition_row(known))
    nobody = {BURNED, *(pool.address for pool in chain.pools)}
    ledger = {key: account for key, account in chain.books.items() if key[0] not in nobody}
    payouts = {market.condition: market.payouts for market in chain.markets if market.payouts}
    settled = {
        (wallet, condition): account.cash
        + account.pooled_cash
        + worth(account.shares, payouts[condition])
        + worth(account.pooled_shares, payouts[condition])
        for (wallet, condition), account in ledger.items()
        if condition in payouts
    }
    seconds = [int(row["timestamp"]) for rows in entities.values() for row in rows if "timestamp" in row]
    return World(entities, ledger, settled, chain.history, chain.redeemed, resolutions, min(seconds), max(seconds) + 1)


def worth(shares: Sequence[int | Fraction], payouts: Sequence[int]) -> Fraction:
    return Fraction(sum(held * payout for held, payout in zip(shares, payouts, strict=True))) / sum(payouts)


def main() -> None:
    parser = argparse.ArgumentParser(description="Write a simulated world as a recording.")
    parser.add_argument("file", type=Path, metavar="FILE.json")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--steps", type=int, default=1500)
    asked = parser.parse_args()
    world = simulate(asked.seed, steps=asked.steps)
    asked.file.write_text(json.dumps(world.entities, indent=1) + "\n")
    print(f"{sum(map(len, world.entities.values())):,} rows written to {asked.file}")


if __name__ == "__main__":
    main()
