"""Checks of the ledger as a whole: does all of it cancel out, and does it agree with figures from elsewhere?"""

import csv
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from loaders.checks.evidence import FAIL, PASS, UNCHECKED, WARN, Check, Evidence, verdict
from loaders.warehouse import Warehouse, WarehouseError

BASELINE_COLUMNS = (
    "wallet",
    "figure",
    "definition",
    "as_of",
    "expected_usdc",
    "actual_usdc",
    "settled_usdc",
    "realized_usdc",
    "subgraph_usdc",
    "variance_usdc",
    "variance_percent",
    "verdict",
    "reason",
    "resembles",
    "origin",
)


def check_double_entry(name: str, evidence: Evidence) -> Check:
    """Over all wallets, shares and cash against the sets, by condition and by neg-risk event."""
    mart = f"{evidence.marts}.audit_double_entry"
    units, balanced, partial, overdrawn, unbalanced, leftovers = evidence.one(
        f"""
        select
            count(),
            countIf(status = 'balanced'),
            countIf(status = 'partial'),
            countIf(status = 'overdrawn'),
            countIf(status = 'unbalanced'),
            sum(leftover_count)
        from {mart}
        """
    )
    numbers = {
        "units": units,
        "balanced": balanced,
        "partial": partial,
        "overdrawn": overdrawn,
        "unbalanced": unbalanced,
        "leftovers_returned": leftovers,
    }
    if not units:
        return Check(name, UNCHECKED, numbers, "no condition has any activity yet")
    for status, result in (("unbalanced", FAIL), ("overdrawn", WARN), ("partial", UNCHECKED)):
        if numbers[status] and (status != "partial" or not balanced):
            kind, unit, reason = evidence.one(
                f"select unit_kind, unit_id, reason from {mart} where status = '{status}' order by unit_id limit 1"
            )
            return Check(name, result, numbers, f"see audit_double_entry, as {kind} {unit}: {reason}")
    return Check(name, PASS, numbers)


def check_subgraph_record(name: str, evidence: Evidence) -> Check:
    """Positions as Polymarket's own record has them against the replay: equal, or the reason is known."""
    mart = f"{evidence.marts}.audit_subgraph_positions"
    found = dict(evidence.warehouse.rows(f"select verdict, count() from {mart} group by verdict"))
    verdicts = ("equal", "not_loaded", "redeemed_amount_unknown", "order_unknown", "transfer", "event_missing")
    numbers = {one: found.get(one, 0) for one in (*verdicts, "unexplained")}
    if not found:
        return Check(name, UNCHECKED, numbers, "no positions are landed: polyledger load positions --wallet WALLET")
    if numbers["unexplained"]:
        wallet, token = evidence.one(
            f"select wallet, token_id from {mart} where verdict = 'unexplained' order by wallet, token_id limit 1"
        )
        return Check(name, FAIL, numbers, f"position {wallet} {token} is another one there, and nothing explains it")
    if numbers["event_missing"]:
        return Check(name, WARN, numbers, "some positions bought shares in events that are not landed")
    if numbers["equal"]:
        return Check(name, PASS, numbers)
    return Check(name, UNCHECKED, numbers, "not one of the landed positions can be compared")


def check_baselines(name: str, evidence: Evidence) -> Check:
    """Figures of wallets that are known from elsewhere."""
    rows = baselines(evidence.warehouse)
    numbers: dict[str, Any] = {"figures": len(rows)}
    for result in ("pass", "warn", "fail", "not_checked"):
        numbers[result] = sum(row["verdict"] == result for row in rows)
    if numbers["not_checked"] == len(rows):
        why = f"{rows[0]['wallet']}: {rows[0]['reason']}; the README says how to load these" if rows else "no baseline"
        return Check(name, UNCHECKED, numbers, why)
    off = sorted((row for row in rows if row["verdict"] in ("warn", "fail")), key=_distance, reverse=True)
    why = "; ".join(
        f"{row['wallet']} {row['figure']} {row['actual_usdc']:,.0f} instead of {row['expected_usdc']:,.0f}"
        f" ({row['reason']})"
        for row in off[:3]
    )
    return Check(name, verdict(numbers, ["fail"], WARN if off else PASS), numbers, why)


def baselines(warehouse: Warehouse) -> list[dict[str, Any]]:
    """The rows of audit_baselines, by wallet and figure; none where it is not built."""
    found = warehouse.rows(
        "select count() from system.tables where database = {database:String} and name = 'audit_baselines'",
        {"database": warehouse.target.schema},
    )
    if not found[0][0]:
        return []
    rows = warehouse.rows(
        f"select {', '.join(BASELINE_COLUMNS)} from {warehouse.target.schema}.audit_baselines order by wallet, figure"
    )
    return [dict(zip(BASELINE_COLUMNS, row, strict=True)) for row in rows]


def readable_baselines(warehouse: Warehouse) -> list[dict[str, Any]]:
    """The same; none where the warehouse refuses them, which the check of baselines tells."""
    try:
        return baselines(warehouse)
    except WarehouseError:
        return []


def plain(row: dict[str, Any]) -> dict[str, Any]:
    """A row as JSON has it: money as text, so that no digit is lost; moments in UTC."""
    return {name: _plain(value) for name, value in row.items()}


def write_csv(rows: list[dict[str, Any]], file: Path) -> None:
    """Write baselines to a file. Raises OSError."""
    with file.open("w", newline="", encoding="utf-8") as out:
        writer = csv.DictWriter(out, BASELINE_COLUMNS)
        writer.writeheader()
        for row in rows:
            writer.writerow(plain(row) | {"resembles": ", ".join(row["resembles"])})


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M:%S}"
    return str(value) if isinstance(value, Decimal) else value


def _distance(row: dict[str, Any]) -> tuple[bool, float]:
    """Failures first, then by how far they are off."""
    return row["verdict"] == "fail", abs(row["variance_percent"] or 0)
