"""Approval by a second person: one asks for an issue to be sent, another approves it.

`issues.lacks_approval` holds the issue back until then. An approval is tied to the revision that was reviewed: any
later edit voids it.
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
    """The approval of an issue. Addresses are those of users; empty for the command line."""

    is_missing: bool  # the issue must not be sent
    is_requested: bool  # requested, and not edited since
    is_outdated: bool  # requested, and edited since
    requester_id: int | None
    requester: str
    requested_at: datetime | None
    approver: str
    approved_at: datetime | None

    def may_approve(self, user_id: int) -> bool:
        """Whether an approval is pending and this user is not the one who requested it."""
        return self.is_missing and self.is_requested and self.requester_id != user_id


_NOT_REQUESTED = ApprovalStatus(
    is_missing=True,
    is_requested=False,
    is_outdated=False,
    requester_id=None,
    requester="",
    requested_at=None,
    approver="",
    approved_at=None,
)


def find_status(session: Session, issue: Issue) -> ApprovalStatus | None:
    """Return the approval status of an issue; None when its publication does not require approval."""
    if not issue.publication.requires_approval:
        return None
    row = session.get(Approval, issue.id)
    if row is None:
        return _NOT_REQUESTED
    is_current = row.revision == issue.revision
    return ApprovalStatus(
        is_missing=not (is_current and row.approved_at),
        is_requested=is_current,
        is_outdated=not is_current,
        requester_id=row.requested_by,
        requester=_address_of(session, row.requested_by),
        requested_at=row.requested_at,
        approver=_address_of(session, row.approved_by),
        approved_at=row.approved_at,
    )


def request_approval(
    session: Session, issue: Issue, *, now: datetime, actor: str, user_id: int | None
) -> bool:
    """Request approval of the issue as it stands; False where none is required or it is approved already."""
    if not issue.publication.requires_approval or not issues.is_awaiting_approval(session, issue):
        return False
    row = session.get(Approval, issue.id) or Approval(issue_id=issue.id)
    row.revision, row.requested_by, row.requested_at = issue.revision, user_id, now
    row.approved_by = row.approved_at = None
    session.add(row)
    session.flush()
    _record(session, issue, "requested approval", now=now, actor=actor, user_id=user_id)
    return True


def approve(
    session: Session, issue: Issue, revision: int, *, now: datetime, actor: str, user_id: int
) -> bool:
    """Approve the issue at `revision`, the one that this user reviewed; False when it is approved already.

    Raises NotAllowed when nobody requested it, this user did, it was edited since, or it is not scheduled.
    """
    _lock_scheduled(session, issue)
    row = session.get(Approval, issue.id, populate_existing=True)
    if row is None:
        raise NotAllowed(f"nobody has requested approval of issue {issue.number} yet")
    if not revision == row.revision == issue.revision:
        raise NotAllowed(
            f"issue {issue.number} was edited after approval was requested; review it and request approval again"
        )
    if row.requested_by == user_id:
        raise NotAllowed("you requested this approval yourself; somebody else must approve it")
    if row.approved_at is not None:
        return False
    row.approved_by, row.approved_at = user_id, now
    session.flush()
    _record(session, issue, "approved", now=now, actor=actor, user_id=user_id)
    return True


def list_awaiting_approval(session: Session, before: datetime) -> list[Issue]:
    """Return the issues scheduled for a time before `before` that still need approval."""
    rows = select(Issue).where(
        Issue.state == State.SCHEDULED, Issue.send_at <= before, issues.lacks_approval()
    )
    return list(session.scalars(rows.order_by(Issue.send_at, Issue.id)))


def _lock_scheduled(session: Session, issue: Issue) -> None:
    """Lock the row first: an edit, a freeze or another approval comes either before or after."""
    lock = update(Issue).where(Issue.id == issue.id, Issue.state == State.SCHEDULED).values(state=Issue.state)
    locked = session.scalar(lock.returning(Issue.id).execution_options(synchronize_session=False))
    issues.reload(session, issue)
    if locked is None:
        raise NotAllowed(f"issue {issue.number} is {issue.state}; only a scheduled issue can be approved")


def _address_of(session: Session, user_id: int | None) -> str:
    user = session.get(User, user_id) if user_id else None
    return user.address if user else ""


def _record(
    session: Session, issue: Issue, event: str, *, now: datetime, actor: str, user_id: int | None
) -> None:
    state = State(issue.state)
    transitions.record_transition(
        session, issue.id, state, state, now=now, actor=actor, user_id=user_id, reason=event
    )
