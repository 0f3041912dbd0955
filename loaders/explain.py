"""Every event of a wallet in order, with what it held, what that cost and what it had gained, as the models reckon it.

Reads int_position_ledger and the marts; all arithmetic is theirs. What the ledger ends with must be what the marts
say, to the last digit, or the marts are of another moment than the ledger.
"""

import json
from typing import Any

from rich.text import Text

from loaders.checks import report
from loaders.warehouse import Warehouse

# By definition of P&L: its column in the ledger, in fct_realized_pnl_by_market and in fct_wallet_pnl.
DEFINITIONS = {
    "settled": ("settled_pnl_usdc", "settled_pnl_usdc", "settled_pnl_usdc"),
    "realized": ("realized_pnl_usdc", "realized_pnl_usdc", "realized_pnl_usdc"),
    "subgraph": ("subgraph_realized_pnl_usdc", None, "subgraph_realized_pnl_usdc"),
}
EVENT = (
    "happened_at",
    "event_type",
    "role",
    "outcome_index",
    "transaction_hash",
    "log_index",
    "delta_shares",
    "delta_usdc",
    "open_shares",
    "held_shares",
    "unmatched_shares",
    "cost_usdc",
    "cash_usdc",
    "realized_pnl_usdc",
    "subgraph_shares",
    "subgraph_avg_price_usdc",
    "subgraph_realized_pnl_usdc",
    "settled_pnl_usdc",
)
WALLET = (
    "settled_pnl_usdc",
    "gains_usdc",
    "losses_usdc",
    "realized_pnl_usdc",
    "unrealized_pnl_usdc",
    "total_pnl_usdc",
    "subgraph_realized_pnl_usdc",
    "volume_usdc",
    "fees_usdc",
    "fill_count",
)
MARKET = (
    "is_resolved",
    "fill_count",
    "volume_usdc",
    "cash_usdc",
    "open_shares",
    "settlement_usdc",
    "settled_pnl_usdc",
    "realized_pnl_usdc",
)
WIDE = 1000  # columns: a narrow terminal folds lines, and no figure is cut
NEEDED = ("int_position_ledger", "fct_realized_pnl_by_market", "fct_wallet_pnl", "vw_resolutions_truth")

Explanation = dict[str, Any]


class NothingToExplain(Exception):
    """The marts are not built, or do not know the wallet; the message says what to do."""


def explain(warehouse: Warehouse, wallet: str, condition: str | None) -> Explanation:
    """What the marts say of a wallet, and the events behind it. Amounts are text, with every digit.

    Raises NothingToExplain, WarehouseError.
    """
    marts = warehouse.target.schema
    built = {
        name
        for (name,) in warehouse.rows(
            "select name from system.tables where database = {database:String}", {"database": marts}
        )
    }
    if not set(NEEDED) <= built:
        raise NothingToExplain(f"database {marts} has no {', '.join(sorted(set(NEEDED) - built))}: run dbt build first")
    asked = {"wallet": wallet, "condition": condition or ""}
    totals = _dicts(warehouse, WALLET, f"from {marts}.fct_wallet_pnl where wallet = {{wallet:String}}", asked)
    if not totals:
        raise NothingToExplain(f"no mart row of wallet {wallet}: load its fills and activity, then run dbt build")
    of_condition = "and condition_id = {condition:String}" if condition else ""
    markets = _dicts(
        warehouse,
        ("condition_id", *MARKET),
        f"from {marts}.fct_realized_pnl_by_market where wallet = {{wallet:String}} {of_condition} order by first_at, 1",
        asked,
    )
    if condition and not markets:
        raise NothingToExplain(f"wallet {wallet} has no event in condition {condition}")
    ledger = f"""from {marts}.int_position_ledger
        where wallet = toFixedString(unhex(substring({{wallet:String}}, 3)), 20)
        {"and condition_id = toFixedString(unhex(substring({condition:String}, 3)), 32)" if condition else ""}"""
    condition_text = "concat('0x', lower(hex(condition_id))) as condition_text"
    events = _dicts(
        warehouse,
        (condition_text, *(n if n != "transaction_hash" else f"concat('0x', lower(hex({n}))) as tx" for n in EVENT)),
        f"{ledger} order by happened_at, transaction_hash, kind, ifNull(log_index, 4294967295), order_hash, source_id, "
        "outcome_index",
        asked,
        names=("condition_id", *EVENT),
    )
    last = f"""from (
        select condition_id, argMax(({", ".join(column for column, _, _ in DEFINITIONS.values())}), place) as last
        {ledger}
        group by condition_id, outcome_index
    )"""
    sums = tuple(f"sum(last.{place + 1})" for place in range(len(DEFINITIONS)))
    ends = _dicts(
        warehouse, (condition_text, *sums), f"{last} group by condition_id", asked, ("condition_id", *DEFINITIONS)
    )
    (whole,) = _dicts(
        warehouse, tuple(f"coalesce({one}, toDecimal128(0, 6))" for one in sums), last, asked, tuple(DEFINITIONS)
    )
    by_condition = {end.pop("condition_id"): end for end in ends}
    disagreements = [
        f"condition {market['condition_id']}: {name} P&L is {by_condition[market['condition_id']][name]} by its events "
        f"and {market[column]} in the marts"
        for market in markets
        if market["condition_id"] in by_condition
        for name, (_, column, _) in DEFINITIONS.items()
        if column and by_condition[market["condition_id"]][name] != market[column]
    ]
    if not condition:
        disagreements += [
            f"wallet: {name} P&L is {whole[name]} by its events and {totals[0][column]} in the marts"
            for name, (_, _, column) in DEFINITIONS.items()
            if whole[name] != totals[0][column]
        ]
    for market in markets:
        market["pnl_by_events"] = by_condition.get(market["condition_id"])
        market["events"] = [e for e in events if e["condition_id"] == market["condition_id"]]
    ((unknown,),) = warehouse.rows(
        f"""select sum(fill_count) from {marts}.int_positions
        where wallet = toFixedString(unhex(substring({{wallet:String}}, 3)), 20) and outcome_index = 255""",
        asked,
    )
    return {
        "wallet": wallet,
        "condition": condition,
        "totals": totals[0],
        "markets": markets,
        "fills_of_unknown_tokens": unknown,
        "disagreements": disagreements,
    }


def show(explained: Explanation, as_json: bool) -> bool:
    """Print it; whether ledger and marts agree."""
    if as_json:
        print(json.dumps(explained, indent=2))
        return not explained["disagreements"]
    out = report.console()
    out.width = WIDE
    for market in explained["markets"]:
        out.print(
            Text(f"condition {market['condition_id']} ({'resolved' if market['is_resolved'] else 'open'})", "bold")
        )
        rows = [_line(event) for event in market["events"]]
        if pnl := market["pnl_by_events"]:
            rows.append(
                ("together", "", "", "", market["cash_usdc"], "", "", *(pnl[name] or "-" for name in DEFINITIONS))
            )
        out.print(report.table("", ("", "event", "outcome", "shares", "USDC", "held", "cost", *DEFINITIONS), rows))
        out.print()
    facts = [(name.removesuffix("_usdc").replace("_", " "), explained["totals"][name]) for name in WALLET]
    out.print(Text(f"wallet {explained['wallet']}", "bold"))
    out.print(report.table("", ("", ""), ((name, str(value or "unknown")) for name, value in facts)))
    if explained["fills_of_unknown_tokens"]:
        count = explained["fills_of_unknown_tokens"]
        out.print(f"{count:,} more fills are of tokens whose condition is not known yet: polyledger load payouts")
    for sentence in explained["disagreements"]:
        out.print(Text(f"{sentence}; run dbt build", style="red"))
    return not explained["disagreements"]


def _dicts(
    warehouse: Warehouse, columns: tuple[str, ...], rest: str, asked: dict[str, str], names: tuple[str, ...] = ()
) -> list[dict[str, Any]]:
    rows = warehouse.rows(f"select {', '.join(columns)} {rest}", asked)
    return [{name: _text(value) for name, value in zip(names or columns, row, strict=True)} for row in rows]


def _text(value: Any) -> Any:
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, list):
        return [_text(one) for one in value]
    if hasattr(value, "isoformat"):
        return f"{value:%Y-%m-%d %H:%M:%S}"
    return f"{value:f}"  # a decimal, never a float


def _line(event: dict[str, Any]) -> tuple[str, ...]:
    kind = f"{event['event_type']} {event['role']}" if event["role"] else event["event_type"]
    return (
        event["happened_at"],
        kind,
        str(event["outcome_index"]),
        event["delta_shares"],
        event["delta_usdc"],
        event["open_shares"],
        event["cost_usdc"],
        event["settled_pnl_usdc"] or "-",
        event["realized_pnl_usdc"],
        event["subgraph_realized_pnl_usdc"],
    )
