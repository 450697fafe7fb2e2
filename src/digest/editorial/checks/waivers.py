"""Waivers: an editor accepts a warning and says why. A waiver holds for that finding only, and until it changes."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from digest.editorial import transitions
from digest.editorial.checks.finding import Finding, Level
from digest.editorial.models import Issue, State, User, Waiver
from digest.errors import BadInput, NotFound

MAX_REASON_CHARS = 500


@dataclass(frozen=True)
class ActiveWaiver:
    """A waiver in force: who gave it, why and when."""

    id: int
    waived_by: str
    reason: str
    waived_at: datetime


def list_active(session: Session, issue_id: int) -> Mapping[tuple[str, str], ActiveWaiver]:
    """Return the issue's waivers by (check name, fingerprint), without those withdrawn."""
    rows = (
        select(Waiver, User.address)
        .join(User, User.id == Waiver.user_id)
        .where(Waiver.issue_id == issue_id, Waiver.withdrawn_at.is_(None))
        .order_by(Waiver.id)
    )
    return {
        (row.check_name, row.fingerprint): ActiveWaiver(row.id, address, row.reason, row.waived_at)
        for row, address in session.execute(rows)
    }


def waive_findings(
    session: Session,
    issue: Issue,
    findings: Iterable[Finding],
    *,
    reason: str,
    now: datetime,
    user_id: int,
) -> list[Waiver]:
    """Waive these findings and return the new waivers. Raises BadInput without a reason or for a blocker or note."""
    reason, active = _clean_reason(reason), list_active(session, issue.id)
    waivers = []
    for finding in findings:
        if finding.level != Level.WARNING:
            raise BadInput(f"this cannot be ignored: {finding.text}")
        if (finding.name, finding.fingerprint) in active:
            continue
        waivers.append(
            Waiver(
                issue_id=issue.id,
                check_name=finding.name,
                fingerprint=finding.fingerprint,
                text=finding.text,
                reason=reason,
                user_id=user_id,
                waived_at=now,
            )
        )
        _record(session, issue, f"ignored a warning: {finding.text} Reason: {reason}", now, user_id)
    session.add_all(waivers)
    session.flush()
    return waivers


def withdraw_waivers(
    session: Session, issue: Issue, waiver_ids: Sequence[int], *, now: datetime, user_id: int
) -> list[str]:
    """Withdraw waivers and return the texts of their findings. Raises NotFound when none of them is active."""
    rows = session.scalars(
        select(Waiver).where(
            Waiver.id.in_(waiver_ids), Waiver.issue_id == issue.id, Waiver.withdrawn_at.is_(None)
        )
    ).all()
    if not rows:
        raise NotFound("this warning is no longer ignored")
    for row in rows:
        row.withdrawn_at, row.withdrawn_by = now, user_id
        _record(session, issue, f"stopped ignoring a warning: {row.text}", now, user_id)
    session.flush()
    return [row.text for row in rows]


def _clean_reason(reason: str) -> str:
    reason = " ".join(reason.split())
    if not reason:
        raise BadInput("enter a reason for ignoring this warning")
    if len(reason) > MAX_REASON_CHARS:
        raise BadInput(f"the reason has {len(reason)} characters; the limit is {MAX_REASON_CHARS}")
    return reason


def _record(session: Session, issue: Issue, event: str, now: datetime, user_id: int) -> None:
    """Add a line to the issue's history without changing its state."""
    state = State(issue.state)
    transitions.record_transition(
        session, issue.id, state, state, now=now, actor="desk", user_id=user_id, reason=event
    )
