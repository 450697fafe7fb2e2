"""The report of an issue. Its field names are fixed, because external tools depend on them."""

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
    counts = count_outcomes(session, issue_id)
    return {
        "issue": issue.number,
        "status": str(issue.state),
        "planned": counts.planned,
        "accepted": counts.accepted,
        "excluded": counts.excluded,
        "failed": counts.failed,
        "unknown": counts.unknown,
        "remaining": counts.remaining,
        "reasons": {outcome: dict(reasons) for outcome, reasons in counts.reasons.items()},
        "pause_reason": issue.pause_reason,
        **_hold_fields(session, issue, now),
        "canary": _canary_fields(session, issue_id),
        "release_at": _iso(issue.release_at),
        "started_at": _iso(issue.started_at),
        "finished_at": _iso(issue.finished_at),
    }


def _hold_fields(session: Session, issue: Issue, now: datetime) -> dict[str, object]:
    """Until when all of an issue waits, and why; both None when it does not wait."""
    hold = find_hold_reason(session, issue, now)
    return {"waits_until": _iso(hold.until) if hold else None, "waits_why": hold.reason if hold else None}


def _canary_fields(session: Session, issue_id: int) -> dict[str, object] | None:
    status = canary.find_canary(session, issue_id)
    if status is None:
        return None
    return {**vars(status), "judged_at": _iso(status.judged_at), "passed_at": _iso(status.passed_at)}


def _iso(at: datetime | None) -> str | None:
    return at.astimezone(UTC).isoformat(timespec="seconds") if at else None
