"""Finish issues: mark them sent when no delivery remains, and close cancelled ones."""

from datetime import datetime

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from digest.db import WITHOUT_SYNC
from digest.delivery.ledger.models import Batch, Delivery, FrozenIssue, Outcome
from digest.delivery.release.hold import is_in_hold
from digest.editorial import transitions
from digest.editorial.models import Issue, State
from digest.errors import NotAllowed

CANCELLED = "cancelled"  # why a delivery was excluded


def finish_issues(session: Session, now: datetime) -> list[int]:
    """Mark every issue sent that has no remaining deliveries; returns the ids of those, each only once."""
    _close_cancelled(session, now)
    return [issue_id for issue_id in _list_candidates(session) if _finish_issue(session, issue_id, now)]


def _list_candidates(session: Session) -> list[int]:
    sending = select(Issue.id).join(FrozenIssue, FrozenIssue.issue_id == Issue.id)
    open_batch = select(Batch.id).where(Batch.issue_id == Issue.id, Batch.done_at.is_(None)).exists()
    counted = FrozenIssue.audience_done_at.is_not(None)
    return list(session.scalars(sending.where(Issue.state == State.SENDING, counted, ~open_batch)))


def _finish_issue(session: Session, issue_id: int, now: datetime) -> bool:
    remaining = (
        select(Delivery.subscriber_id)
        .where(Delivery.issue_id == issue_id, Delivery.outcome.is_(None))
        .limit(1)
    )
    # Check the index of deferred deliveries first; only then read all rows.
    if (
        session.scalar(remaining.where(Delivery.due_at.is_not(None))) is not None
        or session.scalar(remaining) is not None
    ):
        return False
    issue = session.get_one(Issue, issue_id)
    if is_in_hold(issue, now):
        return False  # there is nobody to mail, but it can be cancelled until its hold ends
    try:
        transitions.change_state(session, issue, State.SENT, now=now, actor="clock")
    except NotAllowed:  # another process was faster, or a person paused or cancelled it
        return False
    return True


def _close_cancelled(session: Session, now: datetime) -> None:
    """Exclude the remaining deliveries of cancelled issues once no connection holds one of their batches."""
    claimed = select(Batch.id).where(Batch.issue_id == Issue.id, Batch.holder.is_not(None)).exists()
    open_batch = select(Batch.id).where(Batch.issue_id == Issue.id, Batch.done_at.is_(None)).exists()
    cancelled = select(Issue.id, open_batch).join(FrozenIssue, FrozenIssue.issue_id == Issue.id)
    for issue_id, is_open in session.execute(cancelled.where(Issue.state == State.CANCELLED, ~claimed)).all():
        if not is_open and not _has_deferred(session, issue_id):
            continue
        remaining = update(Delivery).where(Delivery.issue_id == issue_id, Delivery.outcome.is_(None))
        ended = {"outcome": Outcome.EXCLUDED.value, "reason": CANCELLED, "due_at": None, "ended_at": now}
        session.execute(remaining.values(ended), execution_options=WITHOUT_SYNC)
        unsent = update(Batch).where(Batch.issue_id == issue_id, Batch.done_at.is_(None))
        session.execute(unsent.values(done_at=now), execution_options=WITHOUT_SYNC)


def _has_deferred(session: Session, issue_id: int) -> bool:
    deferred = select(Delivery.issue_id).where(Delivery.issue_id == issue_id, Delivery.due_at.is_not(None))
    return session.scalar(deferred.limit(1)) is not None
