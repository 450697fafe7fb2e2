"""The report of an issue, under the fixed names that tools outside depend on."""

from datetime import UTC, datetime

from sqlalchemy.orm import Session

from digest.delivery.ledger.counts import count_outcomes
from digest.delivery.release import canary
from digest.delivery.release.hold_reason import find_hold_reason
from digest.editorial import issues
from digest.editorial.models import Issue


def build_report(session: Session, issue_id: int, now: datetime) -> dict[str, object]:
    """The issue's number, state, counts and times (ISO 8601, UTC), as of `now`, for JSON. Raises NotFound."""
    issue = issues.get_by_id(session, issue_id)
    found = count_outcomes(session, issue_id)
    return {
        "issue": issue.number,
        "status": str(issue.state),
        "planned": found.planned,
        "accepted": found.accepted,
        "excluded": found.excluded,
        "failed": found.failed,
        "unknown": found.unknown,
        "remaining": found.remaining,
        "reasons": {outcome: dict(reasons) for outcome, reasons in found.reasons.items()},
        "pause_reason": issue.pause_reason,
        **_hold_fields(session, issue, now),
        "canary": _canary_fields(session, issue_id),
        "release_at": _iso(issue.release_at),
        "started_at": _iso(issue.started_at),
        "finished_at": _iso(issue.finished_at),
    }


def _hold_fields(session: Session, issue: Issue, now: datetime) -> dict[str, object]:
    """Until when all of an issue waits, and why; two times nothing when it does not."""
    found = find_hold_reason(session, issue, now)
    return {"waits_until": _iso(found.until) if found else None, "waits_why": found.reason if found else None}


def _canary_fields(session: Session, issue_id: int) -> dict[str, object] | None:
    found = canary.find_canary(session, issue_id)
    if found is None:
        return None
    return {**vars(found), "judged_at": _iso(found.judged_at), "passed_at": _iso(found.passed_at)}


def _iso(at: datetime | None) -> str | None:
    return at.astimezone(UTC).isoformat(timespec="seconds") if at else None
