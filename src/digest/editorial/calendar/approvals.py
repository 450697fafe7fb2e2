"""Two people: one asks for an issue to go out, another releases it. `issues.unreleased` keeps it back until then.

A release is bound to the revision that was seen: whoever edits the issue afterwards makes it void.
"""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from digest.editorial import issues, transitions
from digest.editorial.models import Approval, Issue, State, User
from digest.errors import NotAllowed


@dataclass(frozen=True)
class ApprovalStatus:
    """How an issue of a publication with two people stands. Addresses are of users; empty for the command line."""

    is_missing: bool  # it must not go out
    is_requested: bool  # somebody asked, and nothing was edited since
    is_outdated: bool  # somebody asked, and it was edited since
    requester_id: int | None
    requester: str
    requested_at: datetime | None
    approver: str
    approved_at: datetime | None

    def may_approve(self, user_id: int) -> bool:
        """Whether this user would be a second person, and there is something to release."""
        return self.is_missing and self.is_requested and self.requester_id != user_id


def find_status(session: Session, issue: Issue) -> ApprovalStatus | None:
    """How the issue stands; None when its publication does not ask for two people."""
    if not issue.publication.two_people:
        return None
    row = session.get(Approval, issue.id)
    if row is None:
        return ApprovalStatus(True, False, False, None, "", None, "", None)
    fresh = row.revision == issue.revision
    return ApprovalStatus(
        is_missing=not (fresh and row.approved_at),
        is_requested=fresh,
        is_outdated=not fresh,
        requester_id=row.requested_by,
        requester=_address(session, row.requested_by),
        requested_at=row.requested_at,
        approver=_address(session, row.approved_by),
        approved_at=row.approved_at,
    )


def request_approval(
    session: Session, issue: Issue, *, now: datetime, actor: str, user_id: int | None
) -> None:
    """Say that the issue may go out as it stands now, if somebody else agrees. Nothing where one person is enough.

    What was released already, and not edited since, stays released.
    """
    if not issue.publication.two_people or not issues.is_awaiting_approval(session, issue):
        return
    row = session.get(Approval, issue.id) or Approval(issue_id=issue.id)
    row.revision, row.requested_by, row.requested_at = issue.revision, user_id, now
    row.approved_by = row.approved_at = None
    session.add(row)
    session.flush()
    _log(session, issue, "asked a second person to release it", now=now, by=actor, user_id=user_id)


def approve(
    session: Session, issue: Issue, revision: int, *, now: datetime, actor: str, user_id: int
) -> None:
    """Let the issue go out as it stood at `revision`, the one that this user saw.

    Raises NotAllowed when nobody asked, the asker is this user, it was edited since, or it is not on the calendar.
    """
    # The row is taken first: an edit, a freeze or another release is either before this or after it.
    mine = update(Issue).where(Issue.id == issue.id, Issue.state == State.SCHEDULED).values(state=Issue.state)
    won = session.scalar(mine.returning(Issue.id).execution_options(synchronize_session=False))
    issues.reload(session, issue)
    if won is None:
        raise NotAllowed(f"issue {issue.number} is {issue.state}, and only one on the calendar is released")
    row = session.get(Approval, issue.id, populate_existing=True)
    if row is None:
        raise NotAllowed(f"nobody asked for issue {issue.number} to be released yet")
    if not revision == row.revision == issue.revision:
        raise NotAllowed(f"issue {issue.number} was edited since it was asked for; look at it and ask anew")
    if row.requested_by == user_id:
        raise NotAllowed("you asked for it yourself; a second person releases it")
    if row.approved_at is None:
        row.approved_by, row.approved_at = user_id, now
        session.flush()
        _log(session, issue, "released as the second person", now=now, by=actor, user_id=user_id)


def list_awaiting_approval(session: Session, before: datetime) -> list[Issue]:
    """Issues on the calendar for a moment before `before` that somebody must still release."""
    rows = select(Issue).where(
        Issue.state == State.SCHEDULED, Issue.send_at <= before, issues.lacks_approval()
    )
    return list(session.scalars(rows.order_by(Issue.send_at, Issue.id)))


def _address(session: Session, user_id: int | None) -> str:
    user = session.get(User, user_id) if user_id else None
    return user.address if user else ""


def _log(session: Session, issue: Issue, why: str, *, now: datetime, by: str, user_id: int | None) -> None:
    state = State(issue.state)
    transitions.record_transition(
        session, issue.id, state, state, now=now, actor=by, user_id=user_id, reason=why
    )
