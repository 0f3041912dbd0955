"""loaders/standin/record.py: positions as Polymarket's pnl-subgraph stores them, event by event in the chain's order.

Written from the published algorithm (pnl-subgraph/src at 7a92ba026a): integers in 10^-6, truncated toward zero at every
event. Knows the amounts of every redemption and the true order of events, which no row tells.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

SCALE = 1_000_000
HALF = 500_000


def truncated(dividend: int, divisor: int) -> int:
    """The quotient, rounded toward zero."""
    quotient = abs(dividend) // abs(divisor)
    return quotient if (dividend < 0) == (divisor < 0) else -quotient


def pool_price(amounts: Sequence[int], outcome: int) -> int:
    return truncated(amounts[1 - outcome] * SCALE, sum(amounts))


@dataclass
class Position:
    amount: int = 0
    avg_price: int = 0
    realized_pnl: int = 0
    total_bought: int = 0


class Record:
    """Every position by user and token."""

    def __init__(self) -> None:
        self.positions: dict[tuple[str, int], Position] = {}

    def buy(self, user: str, token: int, price: int, amount: int) -> None:
        if amount <= 0:
            return
        position = self.positions.setdefault((user, token), Position())
        paid = position.avg_price * position.amount + price * amount
        position.avg_price = truncated(paid, position.amount + amount)
        position.amount += amount
        position.total_bought += amount

    def sell(self, user: str, token: int, price: int, amount: int) -> None:
        position = self.positions.setdefault((user, token), Position())
        sold = min(amount, position.amount)
        position.realized_pnl += truncated(sold * (price - position.avg_price), SCALE)
        position.amount -= sold

    def fill(self, user: str, token: int, buys: bool, shares: int, usdc: int) -> None:
        """Before fees: the subgraph does not look at them."""
        (self.buy if buys else self.sell)(user, token, truncated(usdc * SCALE, shares), shares)

    def split(self, user: str, tokens: Sequence[int], amount: int) -> None:
        for token in tokens:
            self.buy(user, token, HALF, amount)

    def merge(self, user: str, tokens: Sequence[int], amount: int) -> None:
        for token in tokens:
            self.sell(user, token, HALF, amount)

    def redeem(
        self, user: str, tokens: Sequence[int], payouts: Sequence[int], amounts: Sequence[int] | None = None
    ) -> None:
        """At the neg-risk adapter the amounts asked for; elsewhere all that is tracked, whatever was redeemed."""
        for outcome, token in enumerate(tokens):
            held = self.positions.get((user, token), Position()).amount
            price = truncated(payouts[outcome] * SCALE, sum(payouts))
            self.sell(user, token, price, held if amounts is None else amounts[outcome])

    def convert(self, user: str, questions: Sequence[Sequence[int]], index_set: int, amount: int) -> None:
        """NO of the set leaves at its average price; YES of the others comes at what is left of it."""
        prices = []
        for index, (_, no_token) in enumerate(questions):
            if index_set >> index & 1:
                price = self.positions.get((user, no_token), Position()).avg_price
                self.sell(user, no_token, price, amount)
                prices.append(price)
        if len(prices) == len(questions):
            return
        no_price = truncated(sum(prices), len(prices))
        yes_price = truncated(no_price * len(prices) - SCALE * (len(prices) - 1), len(questions) - len(prices))
        for index, (yes_token, _) in enumerate(questions):
            if not index_set >> index & 1:
                self.buy(user, yes_token, yes_price, amount)

    def add_funding(
        self, user: str, tokens: Sequence[int], share_token: int, added: Sequence[int], minted: int
    ) -> None:
        """What comes back is bought at the pool's price, and the shares of the pool at what is left of the cost."""
        if not sum(added):
            return
        scarce = 1 if added[0] > added[1] else 0
        price, surplus = pool_price(added, scarce), added[1 - scarce] - added[scarce]
        self.buy(user, tokens[scarce], price, surplus)
        if minted:
            cost = max(added) - truncated(surplus * price, SCALE)
            self.buy(user, share_token, truncated(cost * SCALE, minted), minted)

    def remove_funding(
        self, user: str, tokens: Sequence[int], share_token: int, removed: Sequence[int], fees: int, burnt: int
    ) -> None:
        """Takes the cost of the tokens off the price of the shares, where one would expect it to be added."""
        if not sum(removed):
            return
        cost = 0
        for outcome, token in enumerate(tokens):
            price = pool_price(removed, outcome)
            self.buy(user, token, price, removed[outcome])
            cost += truncated(price * removed[outcome], SCALE)
        if burnt:
            self.sell(user, share_token, truncated((fees - cost) * SCALE, burnt), burnt)

    def rows(self) -> list[dict[str, Any]]:
        """As the subgraph serves them."""
        return [
            {
                "id": f"{user}-{token}",
                "user": user,
                "tokenId": str(token),
                "amount": str(position.amount),
                "avgPrice": str(position.avg_price),
                "realizedPnl": str(position.realized_pnl),
                "totalBought": str(position.total_bought),
            }
            for (user, token), position in self.positions.items()
        ]
