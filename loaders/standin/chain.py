"""loaders/standin/chain.py: the contracts behind the rows, as integer books. Knows nothing of chance.

Conditional tokens, V1 exchange, fee module, neg-risk adapter and automated market makers in base units (10^-6 USDC or
shares). Every call moves balances between accounts and logs the rows that the subgraphs would serve; the accounts are
never read from the rows, so the two can be held against each other.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

from Crypto.Hash import keccak

from loaders.standin.record import Record

Row = dict[str, Any]

USDC_E = "0x2791bca1f2de4661ed88a30c99a7a9449aa84174"
WCOL = "0x3a3bd7bb9528e159577f7c2e685cc81a765002e2"
NEG_RISK_ADAPTER = "0xd91e80cf2e7be2e162c6513ced06f1dd0da35296"
# By neg_risk: plain conditions first.
EXCHANGES = ("0x4bfb41d5b3570defd03c39a9a4d8de6bd8b8982e", "0xc5d563a36ae78145c45a50134d48a1215220f80a")
FEE_MODULES = ("0xe3f18acc55091e2c48d883fc8c8413319d4ab7b0", "0xb768891e3130f6df18214ac804d4db76c2c37730")
BURNED = "burned"  # where the adapter sends NO shares that nobody may redeem

ENTITIES = (
    "OrderFilledEvent",
    "MarketData",
    "Condition",
    "Split",
    "Merge",
    "Redemption",
    "NegRiskConversion",
    "NegRiskEvent",
    "FeeRefundedEntity",
    "FpmmTransaction",
    "FpmmFundingAddition",
    "FpmmFundingRemoval",
)
CURVE_PRIME = 21888242871839275222246405745257275088696311157297823662689037894645226208583
ONE = 10**18  # the exchange counts prices in 18 decimals
BPS = 10_000
TICKS = 1000  # prices are whole thousandths


def keccak256(data: bytes) -> bytes:
    return keccak.new(digest_bits=256, data=data).digest()


def condition_id(oracle: str, question_id: str) -> str:
    packed = bytes.fromhex(oracle[2:]) + bytes.fromhex(question_id[2:]) + (2).to_bytes(32, "big")
    return "0x" + keccak256(packed).hex()


def question_id(market_id: str, index: int) -> str:
    """A neg-risk question is its market's id with the index in the last byte."""
    return f"{market_id[:-2]}{index:02x}"


def collection_id(condition: str, outcome: int) -> bytes:
    """The first point at or after the hash that lies on the curve y^2 = x^3 + 3; the hash's top bit chooses y."""
    start = int.from_bytes(keccak256(bytes.fromhex(condition[2:]) + (1 << outcome).to_bytes(32, "big")), "big")
    x = (start + 1) % CURVE_PRIME
    while pow(x**3 + 3, (CURVE_PRIME - 1) // 2, CURVE_PRIME) != 1:  # Euler: 1 says there is a root
        x = (x + 1) % CURVE_PRIME
    return (x ^ (start >> 255 << 254)).to_bytes(32, "big")


def position_id(collateral: str, condition: str, outcome: int) -> int:
    return int.from_bytes(keccak256(bytes.fromhex(collateral[2:]) + collection_id(condition, outcome)), "big")


def up(dividend: int, divisor: int) -> int:
    """The quotient, rounded up."""
    return -(-dividend // divisor)


def exchange_fee(rate_bps: int, buys: bool, shares: int, usdc: int) -> int:
    """What the V1 exchange keeps of the side received: shares of a buyer, collateral of a seller."""
    price = usdc * ONE // shares
    weighted = rate_bps * min(price, ONE - price) * shares
    return weighted // (price * BPS) if buys else weighted // (ONE * BPS)


@dataclass
class Account:
    """What one wallet gained in one condition. A conversion's cash is split at the uniform price, hence exact."""

    cash: Fraction = Fraction(0)  # received minus paid
    shares: list[int] = field(default_factory=lambda: [0, 0])  # held, by outcome
    fees_cash: int = 0  # net of refunds; already in cash and shares
    fees_shares: list[int] = field(default_factory=lambda: [0, 0])
    conversions: int = 0
    # Its part of what pools hold, which stands in no book of its own: the pool's, less what was paid out.
    pooled_cash: Fraction = Fraction(0)
    pooled_shares: list[Fraction] = field(default_factory=lambda: [Fraction(0), Fraction(0)])


@dataclass
class Market:
    """A condition of two outcomes and the exchange's settings for it."""

    condition: str
    tokens: list[int]  # by outcome
    neg_risk: bool
    fee_rate_bps: int = 0
    listed_backwards: bool = False  # the registry announces tokens in either order
    is_listed: bool = True  # on an exchange; before the order books only market makers traded
    payouts: list[int] = field(default_factory=list)  # empty until resolved
    locked: int = 0  # collateral behind the shares
    oracle: str = ""
    question: str = ""


@dataclass
class Event:
    """A neg-risk market: questions of which exactly one will be YES."""

    market_id: str
    fee_rate_bps: int = 0
    questions: list[Market] = field(default_factory=list)
    unbacked: int = 0  # wrapped collateral that stands for burned NO shares, not for USDC


@dataclass
class Pool:
    """A market maker of constant product. The contract keeps fees apart from shares, by weight of the providers.

    `fee` is in 10^-18. `weight` is all fees ever, as if every share of the pool had been there from the beginning;
    `withdrawn` is what of it a provider has had, or came too late for.
    """

    address: str
    market: Market
    fee: int
    creator: str
    created_at: int
    providers: dict[str, int] = field(default_factory=lambda: defaultdict(int))  # shares of the pool
    withdrawn: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    weight: int = 0
    busy_at: int = 0  # second of its last event

    @property
    def supply(self) -> int:
        return sum(self.providers.values())

    @property
    def share_token(self) -> int:
        """As the pnl subgraph names the pool's shares: the address read from its end."""
        return int.from_bytes(bytes.fromhex(self.address[2:]), "little")

    def due(self, provider: str) -> int:
        """Fees that the provider may withdraw."""
        if not self.supply:
            return 0
        return self.weight * self.providers[provider] // self.supply - self.withdrawn[provider]


@dataclass(frozen=True)
class Order:
    hash: str
    owner: str
    outcome: int
    buys: bool
    price: int  # in ticks


@dataclass(frozen=True)
class Fill:
    order: Order
    shares: int
    usdc: int

    @property
    def given(self) -> tuple[int | None, int]:
        """Outcome (None is collateral) and amount."""
        return (None, self.usdc) if self.order.buys else (self.order.outcome, self.shares)

    @property
    def received(self) -> tuple[int | None, int]:
        return (self.order.outcome, self.shares) if self.order.buys else (None, self.usdc)


class Chain:
    def __init__(self, wallets: Sequence[str], cash: int) -> None:
        self.rows: dict[str, list[Row]] = {entity: [] for entity in ENTITIES}
        self.history: list[tuple[str, Row]] = []  # the same rows with their entity, in the order of the chain
        self.redeemed: dict[str, list[int]] = {}  # by row: the shares that left by outcome, which it does not tell
        self.books: dict[tuple[str, str], Account] = {}
        self.markets: list[Market] = []
        self.events: list[Event] = []
        self.pools: list[Pool] = []
        self.granted = dict.fromkeys(wallets, cash)
        self.purses = defaultdict(int, self.granted)
        self.second = 0
        self.transaction = ""
        self.log_index = 0
        self.record = Record()

    def begin(self, second: int, transaction: str) -> None:
        """Start a transaction; those of one second share a block, so their log indexes go on counting."""
        if second != self.second:
            self.log_index = 0
        self.second, self.transaction = second, transaction

    def log(self, entity: str, **fields: Any) -> None:
        self.log_index += 5  # transfers and approvals of the same transaction take the numbers between
        key = f"{self.transaction}_{self.log_index:#x}"
        self.rows[entity].append({"id": key, "timestamp": str(self.second), **fields})
        self.history.append((entity, self.rows[entity][-1]))

    # --- accounts ---

    def shares(self, owner: str, market: Market) -> list[int]:
        account = self.books.get((owner, market.condition))
        return account.shares if account else [0, 0]

    def account(self, owner: str, market: Market) -> Account:
        return self.books.setdefault((owner, market.condition), Account())

    def book(self, owner: str, market: Market, outcome: int | None, amount: int) -> None:
        """Add shares of an outcome, or collateral if it is None. Nobody can give what he has not got."""
        account = self.account(owner, market)
        if outcome is None:
            account.cash += amount
            self.purses[owner] += amount
            assert self.purses[owner] >= 0, f"{owner} overspent in {market.condition}"
        else:
            account.shares[outcome] += amount
            assert account.shares[outcome] >= 0, f"{owner} oversold {market.condition}"

    def move(self, giver: str, receiver: str, market: Market, outcome: int | None, amount: int) -> None:
        self.book(giver, market, outcome, -amount)
        self.book(receiver, market, outcome, amount)

    def mint(self, owner: str, market: Market, amount: int) -> None:
        """Collateral becomes one share of each outcome; a negative amount is the way back."""
        self.book(owner, market, None, -amount)
        for outcome in (0, 1):
            self.book(owner, market, outcome, amount)
        market.locked += amount

    # --- conditional tokens and neg-risk adapter ---

    def prepare(self, oracle: str, question: str, *, fee_rate_bps: int = 0, listed_backwards: bool = False) -> Market:
        neg_risk = oracle == NEG_RISK_ADAPTER
        condition = condition_id(oracle, question)
        tokens = [position_id(WCOL if neg_risk else USDC_E, condition, outcome) for outcome in (0, 1)]
        market = Market(condition, tokens, neg_risk, fee_rate_bps, listed_backwards, oracle=oracle, question=question)
        self.markets.append(market)
        return market

    def add_question(self, event: Event, *, listed_backwards: bool = False) -> Market:
        question = question_id(event.market_id, len(event.questions))
        market = self.prepare(
            NEG_RISK_ADAPTER, question, fee_rate_bps=event.fee_rate_bps, listed_backwards=listed_backwards
        )
        event.questions.append(market)
        return market

    def split(self, owner: str, market: Market, amount: int) -> None:
        self.mint(owner, market, amount)
        self.record.split(owner, market.tokens, amount)
        self.log("Split", stakeholder=owner, condition=market.condition, amount=str(amount))

    def merge(self, owner: str, market: Market, amount: int) -> None:
        self.mint(owner, market, -amount)
        self.record.merge(owner, market.tokens, amount)
        self.log("Merge", stakeholder=owner, condition=market.condition, amount=str(amount))

    def convert(self, owner: str, event: Event, index_set: int, amount: int) -> None:
        """NO of the questions in the set becomes YES of all others and (set size - 1) collateral a share.

        The adapter mints the YES unbacked: a burned NO of every question pays all but one of them for sure.
        """
        count = len(event.questions)
        for index, market in enumerate(event.questions):
            account = self.account(owner, market)
            account.conversions += 1
            if index_set >> index & 1:
                self.move(owner, BURNED, market, 1, amount)
                account.cash += Fraction(amount * (count - 1), count)
            else:
                self.book(owner, market, 0, amount)
                self.book(BURNED, market, 1, amount)
                market.locked += amount
                account.cash -= Fraction(amount, count)
        self.purses[owner] += (index_set.bit_count() - 1) * amount
        event.unbacked += (count - 1) * amount
        self.record.convert(owner, [market.tokens for market in event.questions], index_set, amount)
        self.log(
            "NegRiskConversion",
            stakeholder=owner,
            negRiskMarketId=event.market_id,
            amount=str(amount),
            indexSet=str(index_set),
            questionCount=count,
        )

    def redeem(self, owner: str, market: Market, amounts: Sequence[int], index_sets: Sequence[str]) -> None:
        """Shares leave at payout, each outcome rounded down. Plain conditions always take the whole balance."""
        total = sum(market.payouts)
        payout = 0
        for outcome, amount in enumerate(amounts):
            self.book(owner, market, outcome, -amount)
            payout += amount * market.payouts[outcome] // total
        self.book(owner, market, None, payout)
        market.locked -= payout
        self.record.redeem(owner, market.tokens, market.payouts, amounts if market.neg_risk else None)
        self.log(
            "Redemption",
            redeemer=owner,
            condition=market.condition,
            indexSets=list(index_sets),
            payout=str(payout),
        )
        self.redeemed[self.rows["Redemption"][-1]["id"]] = list(amounts)

    # --- exchange and fee module ---

    def match(
        self, market: Market, taker: Order, makers: Sequence[Fill], refund_percents: Sequence[int], unspent: int = 0
    ) -> None:
        """One taker order against maker orders; refunds in percent of the fee, the taker's first.

        The same side of the other outcome is minted for two buyers and merged for two sellers. The taker gives
        `unspent` more than the makers take; it comes back, but the row tells what was given.
        """
        exchange = EXCHANGES[market.neg_risk]
        taken = Fill(
            taker,
            sum(fill.shares for fill in makers),
            sum(fill.usdc if fill.order.buys != taker.buys else fill.shares - fill.usdc for fill in makers),
        )
        fees = {}
        asset, amount = taken.given
        self.move(taker.owner, exchange, market, asset, amount + unspent)
        for fill in makers:
            self.move(fill.order.owner, exchange, market, *fill.given)
            if fill.order.buys == taker.buys:
                self.mint(exchange, market, fill.shares if taker.buys else -fill.shares)
            fees[fill.order] = self.pay_out(market, fill, taker.owner)
        fees = {taker: self.pay_out(market, taken, exchange, unspent), **fees}
        self.move(exchange, taker.owner, market, asset, unspent)
        for (order, fee), percent in zip(fees.items(), refund_percents, strict=True):
            self.refund(market, order, fee, fee * percent // 100)
        left = self.books.pop((exchange, market.condition))
        assert not left.cash and not any(left.shares), f"the exchange kept something of {self.transaction}"

    def pay_out(self, market: Market, fill: Fill, counterparty: str, unspent: int = 0) -> int:
        order = fill.order
        fee = exchange_fee(market.fee_rate_bps, order.buys, fill.shares, fill.usdc)
        outcome, amount = fill.received
        self.move(EXCHANGES[market.neg_risk], order.owner, market, outcome, amount - fee)
        self.move(EXCHANGES[market.neg_risk], FEE_MODULES[market.neg_risk], market, outcome, fee)
        self.charge(market, order, fee)
        self.record.fill(order.owner, market.tokens[order.outcome], order.buys, fill.shares, fill.usdc)
        assets = ("0", str(market.tokens[order.outcome]))
        self.log(
            "OrderFilledEvent",
            id=f"{self.transaction}_{order.hash}",
            transactionHash=self.transaction,
            orderHash=order.hash,
            maker=order.owner,
            taker=counterparty,
            makerAssetId=assets[not order.buys],
            takerAssetId=assets[order.buys],
            makerAmountFilled=str(fill.given[1] + unspent),
            takerAmountFilled=str(amount),
            fee=str(fee),
        )
        return fee

    def refund(self, market: Market, order: Order, fee: int, amount: int) -> None:
        if not amount:
            return
        outcome = order.outcome if order.buys else None
        self.move(FEE_MODULES[market.neg_risk], order.owner, market, outcome, amount)
        self.charge(market, order, -amount)
        self.log(
            "FeeRefundedEntity",
            orderHash=order.hash,
            tokenId=str(market.tokens[order.outcome]) if order.buys else "0",
            refundee=order.owner,
            feeRefunded=str(amount),
            feeCharged=str(fee - amount),  # what the operator keeps
            negRisk=market.neg_risk,
        )

    def charge(self, market: Market, order: Order, fee: int) -> None:
        account = self.account(order.owner, market)
        if order.buys:
            account.fees_shares[order.outcome] += fee
        else:
            account.fees_cash += fee

    # --- automated market makers: no other contract, and no row, tells of the sets that they make and give back ---

    def open_pool(self, address: str, market: Market, fee: int, creator: str) -> Pool:
        self.pools.append(Pool(address, market, fee, creator, self.second))
        return self.pools[-1]

    def in_pool(self, pool: Pool) -> list[int]:
        return list(self.shares(pool.address, pool.market))

    def bought(self, pool: Pool, outcome: int, usdc: int) -> int:
        """Shares that a buyer gets: those that keep the product of both, rounded in favour of the pool."""
        net = usdc - usdc * pool.fee // ONE
        held = self.in_pool(pool)
        other = held[1 - outcome]
        left = up(up(held[outcome] * ONE * other, other + net), ONE)
        return held[outcome] + net - left

    def sold(self, pool: Pool, outcome: int, usdc: int) -> int:
        """Shares that a seller has to give for so much."""
        gross = usdc * ONE // (ONE - pool.fee)
        held = self.in_pool(pool)
        other = held[1 - outcome]
        left = up(up(held[outcome] * ONE * other, other - gross), ONE)
        return gross + left - held[outcome]

    def buy_from_pool(self, owner: str, pool: Pool, outcome: int, usdc: int) -> None:
        shares, fee = self.bought(pool, outcome, usdc), usdc * pool.fee // ONE
        self.move(owner, pool.address, pool.market, None, usdc)
        self.mint(pool.address, pool.market, usdc - fee)
        self.move(pool.address, owner, pool.market, outcome, shares)
        self.log_pool_trade("Buy", owner, pool, outcome, usdc, fee, shares)

    def sell_to_pool(self, owner: str, pool: Pool, outcome: int, usdc: int) -> None:
        shares, fee = self.sold(pool, outcome, usdc), usdc * pool.fee // (ONE - pool.fee)
        self.move(owner, pool.address, pool.market, outcome, shares)
        self.mint(pool.address, pool.market, -(usdc + fee))
        self.move(pool.address, owner, pool.market, None, usdc)
        self.log_pool_trade("Sell", owner, pool, outcome, usdc, fee, shares)

    def log_pool_trade(self, kind: str, owner: str, pool: Pool, outcome: int, usdc: int, fee: int, shares: int) -> None:
        pool.weight += fee
        pool.busy_at = self.second
        self.record.fill(owner, pool.market.tokens[outcome], kind == "Buy", shares, usdc)
        self.log(
            "FpmmTransaction",
            type=kind,
            market=pool.address,
            user=owner,
            tradeAmount=str(usdc),
            feeAmount=str(fee),
            outcomeIndex=str(outcome),
            outcomeTokensAmount=str(shares),
        )

    def add_funding(self, owner: str, pool: Pool, usdc: int, hint: Sequence[int] = (1, 1)) -> None:
        """Shares beyond what keeps the pool's price go back. `hint` says what the price is to be in an empty pool."""
        supply, held = pool.supply, self.in_pool(pool)
        shape = held if supply else hint
        added = [usdc * one // max(shape) for one in shape]
        minted = usdc * supply // max(held) if supply else usdc
        self.move(owner, pool.address, pool.market, None, usdc)
        self.mint(pool.address, pool.market, usdc)
        for outcome in (0, 1):
            self.move(pool.address, owner, pool.market, outcome, usdc - added[outcome])
        late = pool.weight * minted // supply if supply else minted
        pool.weight += late
        pool.withdrawn[owner] += late
        pool.providers[owner] += minted
        pool.busy_at = self.second
        self.record.add_funding(owner, pool.market.tokens, pool.share_token, added, minted)
        self.log(
            "FpmmFundingAddition",
            id=self.transaction,
            fpmm=pool.address,
            funder=owner,
            amountsAdded=[str(one) for one in added],
            amountsRefunded=[str(usdc - one) for one in added],
            sharesMinted=str(minted),
        )

    def remove_funding(self, owner: str, pool: Pool, burnt: int) -> None:
        supply, held = pool.supply, self.in_pool(pool)
        removed = [one * burnt // supply for one in held]
        fees = self.collect_fees(owner, pool)
        early = pool.weight * burnt // supply
        pool.withdrawn[owner] -= early
        pool.weight -= early
        pool.providers[owner] -= burnt
        for outcome in (0, 1):
            self.move(pool.address, owner, pool.market, outcome, removed[outcome])
        self.record.remove_funding(owner, pool.market.tokens, pool.share_token, removed, fees, burnt)
        self.log(
            "FpmmFundingRemoval",
            id=self.transaction,
            fpmm=pool.address,
            funder=owner,
            amountsRemoved=[str(one) for one in removed],
            collateralRemoved=str(fees),
            sharesBurnt=str(burnt),
        )

    def can_pay_fees(self, owner: str, pool: Pool) -> bool:
        """Whether a pool has what is due; by rounding it may be a base unit off, and the contract refuses."""
        return 0 <= pool.due(owner) <= self.purses[pool.address]

    def collect_fees(self, owner: str, pool: Pool) -> int:
        """Pay a provider what is due. By itself it leaves no row."""
        due = pool.due(owner)
        pool.withdrawn[owner] += due
        pool.busy_at = self.second
        self.move(pool.address, owner, pool.market, None, due)
        return due

    def divide_pools(self) -> None:
        """Write what pools hold into the accounts of those who may take it out."""
        for pool in self.pools:
            supply, held = pool.supply, self.in_pool(pool)
            for provider, shares in pool.providers.items():
                if shares:
                    account = self.account(provider, pool.market)
                    account.pooled_cash += pool.due(provider)
                    for outcome in (0, 1):
                        account.pooled_shares[outcome] += Fraction(held[outcome] * shares, supply)

    # --- what is served, and the proof that nothing appeared or vanished ---

    def entities(self) -> dict[str, list[Row]]:
        """The logged rows and the present state of conditions, tokens and events."""
        state: dict[str, list[Row]] = {"MarketData": [], "Condition": [], "NegRiskEvent": []}
        state["UserPosition"] = self.record.rows()
        for market in self.markets:
            tokens = market.tokens if market.is_listed else []
            for token in reversed(tokens) if market.listed_backwards else tokens:
                state["MarketData"].append({"id": str(token), "condition": market.condition, "outcomeIndex": None})
            state["Condition"].append(condition_row(market))
        for event in self.events:
            state["NegRiskEvent"].append({"id": event.market_id, "questionCount": len(event.questions)})
        state["FixedProductMarketMaker"] = [pool_row(pool) for pool in self.pools]
        return {**self.rows, **state}

    def prove(self) -> None:
        """Open markets hold one share of each outcome per collateral, closed ones can pay, all USDC is there."""
        totals: dict[str, list[int]] = defaultdict(lambda: [0, 0])
        gains: dict[str, Fraction] = defaultdict(Fraction)
        for (owner, condition), account in self.books.items():
            gains[owner] += account.cash
            for outcome in (0, 1):
                totals[condition][outcome] += account.shares[outcome]
        for market in self.markets:
            held = totals[market.condition]
            if market.payouts:
                owed = sum(shares * payout for shares, payout in zip(held, market.payouts, strict=True))
                assert owed <= market.locked * sum(market.payouts), f"{market.condition} cannot pay"
            else:
                assert held == [market.locked, market.locked], f"{market.condition} is out of balance"
        for owner, purse in self.purses.items():
            assert purse == self.granted.get(owner, 0) + gains[owner], f"cash of {owner} is out of balance"
        locked = sum(market.locked for market in self.markets) - sum(event.unbacked for event in self.events)
        assert sum(self.purses.values()) + locked == sum(self.granted.values()), "USDC appeared or vanished"


def condition_row(market: Market) -> Row:
    return {
        "id": market.condition,
        "positionIds": [str(token) for token in market.tokens],
        "payoutNumerators": [str(payout) for payout in market.payouts],
        "payoutDenominator": str(sum(market.payouts)),
    }


def pool_row(pool: Pool) -> Row:
    return {
        "id": pool.address,
        "creator": pool.creator,
        "creationTimestamp": str(pool.created_at),
        "collateralToken": USDC_E,
        "conditions": [pool.market.condition],
        "fee": str(pool.fee),
    }
