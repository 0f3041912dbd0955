"""Checks of fills: each landed one is in the mart, once, with values and ids that can be."""

from loaders.checks.evidence import FAIL, PASS, UNCHECKED, WARN, Check, Evidence, verdict
from loaders.entities import V1_END, V1_EXCHANGES

FILLS_AT_ONCE = 10_000_000  # compared in memory: half a GB


def check_fills(name: str, evidence: Evidence) -> Check:
    """Both ways: a landed fill is in fct_fills, a fill there was landed, and each once."""
    v1_exchanges = ", ".join(f"unhex('{address[2:]}')" for address in V1_EXCHANGES)
    (copies,) = evidence.one(
        f"select (select count() from {evidence.raw}.order_filled_events) "
        f"+ (select count() from {evidence.raw}.order_filled_events_v2)"
    )
    parts = 1 + copies // FILLS_AT_ONCE
    totals = [0, 0, 0, 0, 0]
    for part in range(parts):
        found = evidence.one(
            f"""
            select count(), countIf(landed > 0), countIf(shown = 0), countIf(landed = 0), countIf(shown > 1)
            from (
                select id, sum(is_landed) as landed, sum(is_shown) as shown
                from (
                    select sipHash128(transaction_hash, order_hash) as id, 1 as is_landed, 0 as is_shown
                    from {evidence.raw}.order_filled_events
                    where cityHash64(transaction_hash) % {{parts:UInt32}} = {{part:UInt32}}
                    union all
                    select sipHash128(transaction_hash, substring(id, 68)), 1 as is_landed, 0 as is_shown
                    from {evidence.raw}.order_filled_events_v2 final
                    where
                        is_deleted = 0
                        and address not in ({v1_exchanges})
                        and cityHash64(transaction_hash) % {{parts:UInt32}} = {{part:UInt32}}
                    union all
                    select
                        if(
                            protocol = 'v1',
                            sipHash128(
                                toFixedString(unhex(substring(fill_id, 3, 64)), 32),
                                toFixedString(unhex(substring(fill_id, 70, 64)), 32)
                            ),
                            sipHash128(toFixedString(unhex(substring(fill_id, 3, 64)), 32), substring(fill_id, 68))
                        ) as id,
                        0 as is_landed,
                        1 as is_shown
                    from {evidence.marts}.fct_fills
                    where
                        cityHash64(toFixedString(unhex(substring(fill_id, 3, 64)), 32))
                        % {{parts:UInt32}} = {{part:UInt32}}
                )
                group by id
            )
            """,
            {"parts": parts, "part": part},
        )
        totals = [total + more for total, more in zip(totals, found, strict=True)]
    numbers = dict(zip(("fills", "landed", "missing", "invented", "more_than_once"), totals, strict=True))
    numbers["landed_copies"] = copies
    if not totals[0]:
        return Check(name, UNCHECKED, numbers, "no fill is landed yet")
    why = "fct_fills is not what was landed"
    result = verdict(numbers, ("missing", "invented", "more_than_once"))
    return Check(name, result, numbers, why if result == FAIL else "")


def check_fill_values(name: str, evidence: Evidence) -> Check:
    """Price in (0, 1], shares and USDC positive."""
    fills, price, shares, usdc = evidence.one(
        f"""
        select
            count(),
            countIf(price is null or not (price > 0 and price <= 1)),
            countIf(shares <= 0),
            countIf(usdc <= 0)
        from {evidence.marts}.fct_fills
        """
    )
    numbers = {"fills": fills, "price_outside": price, "shares_not_positive": shares, "usdc_not_positive": usdc}
    if not fills:
        return Check(name, UNCHECKED, numbers, "no fill yet")
    result = verdict(numbers, ("price_outside", "shares_not_positive", "usdc_not_positive"))
    why = "a price is above 0 and at most 1, shares and USDC are above 0: see fct_fills"
    return Check(name, result, numbers, why if result == FAIL else "")


def check_fill_ids(name: str, evidence: Evidence) -> Check:
    """Wallet, token and hashes are there, well formed and not zero; an unknown counterparty is NULL."""

    def bad(column: str, digits: int) -> str:
        zero = f"concat('0x', repeat('0', {digits}))"
        return f"not match({column}, '^0x[0-9a-f]{{{digits}}}$') or {column} = {zero}"

    fills, wallets, others, tokens, transactions, orders = evidence.one(
        f"""
        select
            count(),
            countIf({bad("wallet", 40)}),
            countIf({bad("counterparty", 40)}),
            countIf(token_id = 0),
            countIf({bad("transaction_hash", 64)}),
            countIf({bad("order_hash", 64)})
        from {evidence.marts}.fct_fills
        """
    )
    numbers = {
        "fills": fills,
        "bad_wallets": wallets,
        "bad_counterparties": others,
        "bad_tokens": tokens,
        "bad_transactions": transactions,
        "bad_orders": orders,
    }
    if not fills:
        return Check(name, UNCHECKED, numbers, "no fill yet")
    result = verdict(numbers, list(numbers)[1:])
    return Check(name, result, numbers, "ids are missing, zero or malformed: see fct_fills" if result == FAIL else "")


def check_v1_end(name: str, evidence: Evidence) -> Check:
    """Fills after the public subgraphs became incomplete."""
    query = f"select count() from {evidence.raw}.order_filled_events where timestamp >= {{end:DateTime('UTC')}}"
    numbers = {"fills_after": evidence.one(query, {"end": V1_END})[0]}
    if numbers["fills_after"]:
        why = f"from {V1_END:%Y-%m-%d %H:%M} UTC on the public subgraphs are incomplete, and so is what is landed"
        return Check(name, WARN, numbers, why)
    return Check(name, PASS, numbers)


def check_holdings(name: str, evidence: Evidence) -> Check:
    """Nobody holds less than nothing."""
    positions, negative, wallets = evidence.one(
        f"""
        select
            count(),
            countIf(arrayExists(s -> s < 0, open_shares)),
            uniqExactIf(wallet, arrayExists(s -> s < 0, open_shares))
        from {evidence.marts}.fct_realized_pnl_by_market
        """
    )
    numbers = {"wallet_conditions": positions, "negative": negative, "wallets": wallets}
    if not positions:
        return Check(name, UNCHECKED, numbers, "no position yet")
    if negative:
        return Check(name, WARN, numbers, "history is missing (load more), or shares came by transfer")
    return Check(name, PASS, numbers)
