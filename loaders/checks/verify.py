"""After a run: do the rows and the marts hold what they promise? SQL only, and nothing is changed.

Each check has numbers and a verdict. What cannot be judged (marts not built, history not loaded) is `not checked` with
the reason, never passed.
"""

from datetime import UTC, datetime
from typing import Any

from loaders.checks import report
from loaders.checks.coverage import coverage
from loaders.checks.evidence import FAIL, PASS, UNCHECKED, WARN, Check, Evidence, Examine, gather, verdict
from loaders.checks.verify_fills import check_fill_ids, check_fill_values, check_fills, check_holdings, check_v1_end
from loaders.checks.verify_ledger import check_baselines, check_double_entry, check_subgraph_record, plain
from loaders.checks.verify_payouts import (
    check_conditions,
    check_dates,
    check_payout_formats,
    check_payout_sums,
    check_payouts,
    check_positions,
    check_sources,
    check_tokens,
    check_truth,
    check_winners,
)
from loaders.target import project_folder
from loaders.warehouse import Warehouse, WarehouseError, declared_columns

QUIET_SECONDS = 86400  # without new rows; as in the freshness of the sources


def verify(warehouse: Warehouse | None) -> list[Check]:
    """All checks; of a warehouse that does not exist yet, none can be made."""
    there = warehouse.tables() if warehouse else set()
    if warehouse is None or "load_windows" not in there:
        first = Check("raw tables", UNCHECKED, why="nothing is loaded yet: begin with polyledger load fills")
        return [first, *(Check(name, UNCHECKED, why="nothing is loaded yet") for name, *_ in CHECKS)]
    checks = [check_raw_tables(there)]
    if checks[0].verdict == FAIL:
        return checks + [Check(name, UNCHECKED, why="raw tables are missing") for name, *_ in CHECKS]
    evidence = gather(warehouse)
    for name, mart, compares, check in CHECKS:
        try:
            if mart and mart not in evidence.built:
                checks.append(Check(name, UNCHECKED, why=f"{mart} is not built: run dbt build"))
            elif mart and compares and evidence.is_stale(mart):
                why = f"rows were landed after {mart} was built: run dbt build"
                checks.append(Check(name, UNCHECKED, why=why))
            else:
                checks.append(check(name, evidence))
        except WarehouseError as error:
            checks.append(Check(name, FAIL, why=f"the warehouse refused the query: {error}"))
    return checks


def show(checks: list[Check], baselines: list[dict[str, Any]], as_json: bool) -> bool:
    """Print the checks, as JSON with the figures from elsewhere; whether none of them failed."""
    lines = ((check.verdict, check.name, in_words(check.numbers), check.why) for check in checks)
    return report.show_checks(checks, lines, as_json, baselines=[plain(row) for row in baselines])


def in_words(numbers: dict[str, Any]) -> str:
    """Numbers for people: `fills 1,200, missing 0`."""
    return ", ".join(
        f"{name.replace('_', ' ')} {f'{value:,}' if isinstance(value, int) else value}"
        for name, value in numbers.items()
        if value is not None
    )


def check_raw_tables(there: set[str]) -> Check:
    """Whether the models find their sources."""
    absent = sorted(declared_columns().keys() - there)
    numbers = {"declared": len(declared_columns()), "missing": len(absent)}
    if not absent:
        return Check("raw tables", PASS, numbers)
    # These came later than the others, and no model reads them.
    if set(absent) <= {"load_runs", "load_leases", "schema_versions"}:
        return Check("raw tables", WARN, numbers, f"missing: {', '.join(absent)}; the next load creates it")
    return Check("raw tables", FAIL, numbers, f"missing: {', '.join(absent)}; any load creates them")


def check_models(name: str, evidence: Evidence) -> Check:
    """Whether dbt can build, and did so after the last load."""
    if not (project_folder() / "dbt_project.yml").is_file():
        return Check(name, WARN, {}, f"no dbt project in {project_folder()}: run this in the project's folder")
    marts = sorted({mart for _, mart, _, _ in CHECKS if mart})
    numbers = {
        "marts": len(marts),
        "not_built": sum(mart not in evidence.built for mart in marts),
        "older_than_rows": sum(mart in evidence.built and evidence.is_stale(mart) for mart in marts),
    }
    if numbers["not_built"] or numbers["older_than_rows"]:
        return Check(name, WARN, numbers, "run dbt build")
    return Check(name, PASS, numbers)


def check_freshness(name: str, evidence: Evidence) -> Check:
    """When the newest row was landed."""
    if evidence.newest is None:
        return Check(name, UNCHECKED, why="no row is landed yet")
    hours = (datetime.now(UTC) - evidence.newest).total_seconds() / 3600
    numbers = {"newest_row_at": evidence.newest.isoformat(timespec="seconds"), "hours_ago": round(hours, 1)}
    if hours * 3600 > QUIET_SECONDS:
        return Check(name, WARN, numbers, "no row was landed for more than a day")
    return Check(name, PASS, numbers)


def check_windows(name: str, evidence: Evidence) -> Check:
    """No gap in what was loaded without a filter, and nothing still open."""
    found = coverage(evidence.warehouse)
    numbers = {
        "entities": sum(bool(known.complete) for known in found.values()),
        "gaps": sum(len(known.gaps) for known in found.values()),
        "open": sum(len(known.open) for known in found.values()),
        "open_filters": sum(known.open_scopes for known in found.values()),
    }
    first = [
        f"{entity} {span[0]:%Y-%m-%d %H:%M:%S} to {span[1]:%Y-%m-%d %H:%M:%S}"
        for entity, known in found.items()
        for span in [*known.gaps, *known.open]
    ][:3]
    result = verdict(numbers, ("gaps", "open", "open_filters"))
    if result == FAIL:
        where = f" ({'; '.join(first)}; polyledger status lists them)" if first else ""
        return Check(name, FAIL, numbers, f"load with --since and --until what is missing{where}")
    if not any(known.complete or known.scopes for known in found.values()):
        return Check(name, UNCHECKED, numbers, "no range is loaded yet")
    if not numbers["entities"]:
        return Check(name, UNCHECKED, numbers, "loaded under filters (wallets, tokens) only: nothing is open")
    return Check(name, PASS, numbers)


def check_quarantine(name: str, evidence: Evidence) -> Check:
    """No row that could not be understood."""
    rows = evidence.warehouse.rows(
        f"""
        select entity, uniqExact(row_id, raw) as rows from {evidence.raw}.rejected_rows
        group by entity order by entity
        """
    )
    numbers = {"rows": sum(count for _, count in rows)} | dict(rows)
    if rows:
        return Check(name, WARN, numbers, f"reasons and rows as served: {evidence.raw}.rejected_rows")
    return Check(name, PASS, numbers)


# Name, the mart that it reads, whether it compares that mart with the raw rows, and the check.
CHECKS: tuple[tuple[str, str | None, bool, Examine], ...] = (
    ("models", None, False, check_models),
    ("freshness", None, False, check_freshness),
    ("windows", None, False, check_windows),
    ("quarantine", None, False, check_quarantine),
    ("V1 era", None, False, check_v1_end),
    ("fills", "fct_fills", True, check_fills),
    ("fill values", "fct_fills", False, check_fill_values),
    ("fill ids", "fct_fills", False, check_fill_ids),
    ("payouts", None, False, check_payouts),
    ("payout formats", None, False, check_payout_formats),
    ("payout sums", None, False, check_payout_sums),
    ("resolutions", "vw_resolutions_truth", True, check_truth),
    ("payout sources", "int_payout_vectors", True, check_sources),
    ("winning index", "vw_resolutions_truth", False, check_winners),
    ("resolved dates", "vw_resolutions_truth", False, check_dates),
    ("traded tokens", None, False, check_tokens),
    ("traded conditions", None, False, check_conditions),
    ("positions", None, False, check_positions),
    ("holdings", "fct_realized_pnl_by_market", False, check_holdings),
    ("double entry", "audit_double_entry", True, check_double_entry),
    ("subgraph record", "audit_subgraph_positions", True, check_subgraph_record),
    ("baselines", "audit_baselines", True, check_baselines),
)
