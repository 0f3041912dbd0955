"""Checks of payouts: what was served can be one, the truth says the same, and nothing that was traded lacks it."""

from typing import Any

from loaders.checks import status
from loaders.checks.evidence import FAIL, PASS, UNCHECKED, WARN, Check, Evidence, verdict
from loaders.entities import CONDITIONS, MARKET_DATA, Entity
from loaders.payouts import TRADED_TOKENS

ACTIVITY_START = "2020-09-01"  # nothing was resolved before the contract existed


def latest_conditions(evidence: Evidence) -> str:
    """The newest answer about each condition, as a subquery."""
    return f"(select * from {evidence.raw}.conditions order by id, _loaded_at desc limit 1 by id)"


def check_payouts(name: str, evidence: Evidence) -> Check:
    """How many payouts are landed."""
    numbers = status.payouts(evidence.warehouse)
    if not numbers["conditions"]:
        return Check(name, UNCHECKED, numbers, "no condition is landed yet: run polyledger load payouts")
    return Check(name, PASS, numbers)


def is_resolved() -> str:
    """The payout of a landed condition is known: a SQL condition."""
    return "notEmpty(payout_numerators) or payout_denominator not in ('', '0')"


def check_payout_formats(name: str, evidence: Evidence) -> Check:
    """Numerators are numbers, one for each outcome."""
    resolved, numerators, denominators, lengths, outcomes = evidence.one(
        f"""
        select
            count(),
            countIf(arrayExists(n -> not match(n, '^[0-9]+([.][0-9]+)?$'), payout_numerators)),
            countIf(not match(payout_denominator, '^([0-9]+([.][0-9]+)?)?$')),
            countIf(length(payout_numerators) != length(position_ids)),
            countIf(length(position_ids) < 2)
        from {latest_conditions(evidence)}
        where {is_resolved()}
        """
    )
    numbers = {
        "resolved": resolved,
        "numerators_no_number": numerators,
        "denominator_no_number": denominators,
        "other_length_than_outcomes": lengths,
        "fewer_than_two_outcomes": outcomes,
    }
    if not resolved:
        return Check(name, UNCHECKED, numbers, "no payout is landed yet")
    result = verdict(numbers, list(numbers)[1:])
    return Check(name, result, numbers, f"see {evidence.raw}.conditions" if result == FAIL else "")


def check_positions(name: str, evidence: Evidence) -> Check:
    """Whose positions are landed to reconcile with, and whether all of them were served."""
    numbers = status.positions(evidence.warehouse)
    if not numbers["wallets"]:
        return Check(name, UNCHECKED, numbers, "no positions are loaded: polyledger load positions --wallet WALLET")
    again = "polyledger sync, or load positions, asks for them again"
    return Check(name, verdict(numbers, ["open"]), numbers, again if numbers["open"] else "")


def check_payout_sums(name: str, evidence: Evidence) -> Check:
    """Numerators sum to the denominator as served, exactly."""
    resolved, given, off = evidence.one(
        f"""
        select
            count(),
            countIf(payout_denominator not in ('', '0')),
            countIf(
                payout_denominator not in ('', '0')
                and arraySum(arrayMap(n -> toDecimal256OrZero(n, 30), payout_numerators))
                != toDecimal256OrZero(payout_denominator, 30)
            )
        from {latest_conditions(evidence)}
        where {is_resolved()}
        """
    )
    numbers = {"resolved": resolved, "with_denominator": given, "other_sum": off}
    if not resolved:
        return Check(name, UNCHECKED, numbers, "no payout is landed yet")
    return Check(name, verdict(numbers, ["other_sum"]), numbers, f"see {evidence.raw}.conditions" if off else "")


def check_truth(name: str, evidence: Evidence) -> Check:
    """One row per condition in vw_resolutions_truth, numerators to the denominator, payouts to 1 within 1e-17."""
    conditions, resolved = evidence.one(
        f"""
        select uniqExact(condition), uniqExactIf(condition, resolved)
        from (
            select id as condition, {is_resolved()} as resolved from {latest_conditions(evidence)}
            union all
            select condition_id, true from {evidence.raw}.condition_resolutions final where is_deleted = 0
            union all
            select condition_id, true from {evidence.raw}.file_payouts
        )
        """
    )
    rows, unique, shown, sums, payouts = evidence.one(
        f"""
        select
            count(),
            uniqExact(condition_id),
            countIf(is_resolved),
            countIf(is_resolved and arraySum(payout_numerators) != payout_denominator),
            countIf(
                is_resolved and abs(arraySum(payouts) - toDecimal128(1, 18)) > toDecimal128('0.00000000000000001', 18)
            )
        from {evidence.marts}.vw_resolutions_truth
        """
    )
    numbers = {
        "conditions": rows,
        "resolved": shown,
        "conditions_off": rows - conditions,
        "more_than_once": rows - unique,
        "resolved_off": shown - resolved,
        "numerators_off": sums,
        "payouts_off_one": payouts,
    }
    if not rows and not conditions:
        return Check(name, UNCHECKED, numbers, "no condition is landed yet")
    result = verdict(numbers, list(numbers)[2:])
    return Check(name, result, numbers, "see vw_resolutions_truth" if result == FAIL else "")


def check_sources(name: str, evidence: Evidence) -> Check:
    """Chain, subgraph and files report the same payout wherever several of them report one."""
    compared, apart = evidence.one(
        f"""
        with
            length(one.payout_numerators) != length(other.payout_numerators)
            or arrayExists(
                (ours, theirs) -> ours * other.payout_denominator != theirs * one.payout_denominator,
                one.payout_numerators,
                arrayResize(other.payout_numerators, length(one.payout_numerators))
            ) as differ
        select uniqExact(one.condition_id), uniqExactIf(one.condition_id, differ)
        from {evidence.marts}.int_payout_vectors as one
        inner join {evidence.marts}.int_payout_vectors as other on one.condition_id = other.condition_id
        where one.priority < other.priority
        """
    )
    numbers = {"reported_by_several": compared, "disagree": apart}
    if not compared:
        return Check(name, UNCHECKED, numbers, "payouts of one source only: polyledger load logs --only resolutions")
    why = "see int_payout_vectors, and the test assert_sources_agree_on_payouts"
    return Check(name, verdict(numbers, ["disagree"]), numbers, why if apart else "")


def check_winners(name: str, evidence: Evidence) -> Check:
    """The winning index is inside the vector and alone at its top; a tie and an open condition have none."""
    resolved, winners, wrong = evidence.one(
        f"""
        select
            countIf(is_resolved),
            countIf(winning_index is not null),
            countIf(coalesce(
                winning_index >= outcome_count
                or payout_numerators[winning_index + 1] != arrayMax(payout_numerators), false)
                or (winning_index is not null)
                != (is_resolved and countEqual(payout_numerators, arrayMax(payout_numerators)) = 1)
            )
        from {evidence.marts}.vw_resolutions_truth
        """
    )
    numbers = {"resolved": resolved, "winners": winners, "ties": resolved - winners, "wrong": wrong}
    if not resolved:
        return Check(name, UNCHECKED, numbers, "nothing is resolved yet")
    return Check(name, verdict(numbers, ["wrong"]), numbers, "see vw_resolutions_truth" if wrong else "")


def check_dates(name: str, evidence: Evidence) -> Check:
    """Where a time of resolution is known, it is a possible one."""
    resolved, dated, early, late, odd = evidence.one(
        f"""
        select
            countIf(is_resolved),
            countIf(resolved_at is not null),
            countIf(resolved_at < toDateTime('{ACTIVITY_START} 00:00:00', 'UTC')),
            countIf(resolved_at > now()),
            countIf(resolved_at is not null and (not is_resolved or resolved_at_basis is null))
        from {evidence.marts}.vw_resolutions_truth
        """
    )
    numbers = {
        "resolved": resolved,
        "dated": dated,
        "before_the_contract": early,
        "in_the_future": late,
        "unresolved_or_without_basis": odd,
    }
    if not dated:
        return Check(name, UNCHECKED, numbers, "no resolved condition has a landed event, so none has a date")
    result = verdict(numbers, list(numbers)[2:])
    return Check(name, result, numbers, "see vw_resolutions_truth" if result == FAIL else "")


def check_tokens(name: str, evidence: Evidence) -> Check:
    """Every traded token has a condition."""
    return covered(
        name,
        evidence,
        MARKET_DATA,
        ids=f"select toString(token) as id, token as key from ({traded_tokens(evidence)})",
        known=f"""
            select id from {evidence.raw}.market_data
            union all
            select arrayJoin(position_ids) from {evidence.raw}.conditions
        """,
        what="tokens",
    )


def check_conditions(name: str, evidence: Evidence) -> Check:
    """Every traded condition has its payout row, resolved or not."""
    return covered(
        name,
        evidence,
        CONDITIONS,
        ids=f"""
            select distinct concat('0x', lower(hex(condition))) as id, condition as key
            from {evidence.raw}.market_data
            where market_data.id global in ({traded_tokens(evidence)})
        """,
        known=f"select id from {evidence.raw}.conditions",
        what="conditions",
    )


def traded_tokens(evidence: Evidence) -> str:
    """The outcome tokens of landed fills, as a subquery."""
    return f"""
        {TRADED_TOKENS.format(raw=evidence.raw)}
    """


def covered(name: str, evidence: Evidence, entity: Entity, ids: str, known: str, what: str) -> Check:
    """A verdict about traded ids: what was asked for in vain is a warning, what was never asked for a failure.

    `ids` has them as text (id) and as landed (key), `known` those that are landed.
    """
    traded, found, in_vain = evidence.one(
        f"""
        select
            count(),
            countIf(is_known),
            countIf(not is_known and id in (
                select substring(scope, 4) from {evidence.raw}.load_windows
                where entity = {{entity:String}} and startsWith(scope, 'id:')
                group by scope
                having argMax(state, updated_at) = 'not_found'
            ))
        from (select id, key in ({known}) as is_known from ({ids}))
        """,
        {"entity": entity.name},
    )
    numbers: dict[str, Any] = {
        "traded": traded,
        "known": found,
        "not_found": in_vain,
        "never_asked": traded - found - in_vain,
        "share": round(found / traded, 6) if traded else None,
    }
    if not traded:
        return Check(name, UNCHECKED, numbers, "no fill is landed yet")
    if numbers["never_asked"]:
        return Check(name, FAIL, numbers, f"{what} of landed fills are not loaded: run polyledger load payouts")
    if numbers["not_found"]:
        return Check(name, WARN, numbers, f"the subgraphs know nothing of some {what}: their fills have no condition")
    return Check(name, PASS, numbers)
