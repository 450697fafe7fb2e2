"""Waivers: an issue may go out with a finding because a person said so, and why. Another finding asks anew."""

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
    """A waiver that holds: who gave it, why and when."""

    id: int
    waived_by: str
    reason: str
    waived_at: datetime


def list_active(session: Session, issue_id: int) -> Mapping[tuple[str, str], ActiveWaiver]:
    """The issue's waivers by (check, fingerprint); one that was withdrawn does not hold."""
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
    session: Session, issue: Issue, findings: Iterable[Finding], *, reason: str, now: datetime, user_id: int
) -> list[Waiver]:
    """Let these findings pass, each once. Raises BadInput without a reason, or for one that nobody can waive."""
    reason, held = " ".join(reason.split()), list_active(session, issue.id)
    if not reason:
        raise BadInput("say in a few words why it may go out like this")
    if len(reason) > MAX_REASON_CHARS:
        raise BadInput(f"the reason has {len(reason)} characters; {MAX_REASON_CHARS} are the most")
    made = []
    for check in findings:
        if check.level != Level.WARNING:
            raise BadInput(f"this cannot be waived: {check.text}")
        if (check.name, check.fingerprint) in held:
            continue
        made.append(
            Waiver(
                issue_id=issue.id,
                check=check.name,
                finding=check.fingerprint,
                text=check.text,
                reason=reason,
                user_id=user_id,
                at=now,
            )
        )
        _log(session, issue, f"let pass: {check.text} Because: {reason}", now, user_id)
    session.add_all(made)
    session.flush()
    return made


def withdraw_waivers(
    session: Session, issue: Issue, waiver_ids: Sequence[int], *, now: datetime, user_id: int
) -> list[str]:
    """Take waivers back: their findings ask again; gives their texts. Raises NotFound when none of them holds."""
    rows = session.scalars(
        select(Waiver).where(
            Waiver.id.in_(waiver_ids), Waiver.issue_id == issue.id, Waiver.withdrawn_at.is_(None)
        )
    ).all()
    if not rows:
        raise NotFound("this was not waived, or it was taken back already")
    for row in rows:
        row.withdrawn_at, row.withdrawn_by = now, user_id
        _log(session, issue, f"no longer let pass: {row.text}", now, user_id)
    session.flush()
    return [row.text for row in rows]


def _log(session: Session, issue: Issue, why: str, now: datetime, user_id: int) -> None:
    """A line of the issue's history that changes no state."""
    state = State(issue.state)
    transitions.record_transition(session, issue.id, state, state, now=now, actor="desk", user_id=user_id, reason=why)
