"""The end of an issue: sent when nothing remains, and closed when it was cancelled."""

from datetime import datetime

from sqlalchemy import or_, select, update
from sqlalchemy.orm import Session

from digest.db import WITHOUT_SYNC
from digest.delivery.ledger.models import Batch, Delivery, FrozenIssue, Outcome
from digest.editorial import transitions
from digest.editorial.models import Issue, State
from digest.errors import NotAllowed


def finish_issues(session: Session, now: datetime) -> list[int]:
    """End every issue of which nothing remains; gives the rows of those that ended just now, each once."""
    _close_cancelled(session, now)
    return [issue_id for issue_id in _list_candidates(session) if _finish_issue(session, issue_id, now)]


def _list_candidates(session: Session) -> list[int]:
    going = select(Issue.id).join(FrozenIssue, FrozenIssue.issue_id == Issue.id)
    batch_left = select(Batch.id).where(Batch.issue_id == Issue.id, Batch.done_at.is_(None)).exists()
    counted = FrozenIssue.audience_done_at.is_not(None)
    return list(session.scalars(going.where(Issue.state == State.SENDING, counted, ~batch_left)))


def _finish_issue(session: Session, issue_id: int, now: datetime) -> bool:
    left = (
        select(Delivery.subscriber_id)
        .where(Delivery.issue_id == issue_id, Delivery.outcome.is_(None))
        .limit(1)
    )
    # Those who wait for another try are found by their index; only then are all of the rows looked at.
    if (
        session.scalar(left.where(Delivery.due_at.is_not(None))) is not None
        or session.scalar(left) is not None
    ):
        return False
    issue = session.get_one(Issue, issue_id)
    if issue.release_at is not None and issue.release_at > now:
        return False  # nobody is to be mailed, but the hold promises that it can be cancelled
    try:
        transitions.change_state(session, issue, State.SENT, now=now, actor="clock")
    except NotAllowed:  # another process was faster, or a person stopped it
        return False
    return True


def _close_cancelled(session: Session, now: datetime) -> None:
    """Those who were still waiting when an issue was cancelled are excluded, once nobody holds a batch of it."""
    in_hand = select(Batch.id).where(Batch.issue_id == Issue.id, Batch.holder.is_not(None)).exists()
    in_batch = select(Batch.id).where(Batch.issue_id == Issue.id, Batch.done_at.is_(None)).exists()
    waits = (
        select(Delivery.issue_id).where(Delivery.issue_id == Issue.id, Delivery.due_at.is_not(None)).exists()
    )
    open_ = or_(in_batch, waits)
    cancelled = select(Issue.id).where(Issue.state == State.CANCELLED, ~in_hand, open_)
    for issue_id in session.scalars(cancelled).all():
        waiting = update(Delivery).where(Delivery.issue_id == issue_id, Delivery.outcome.is_(None))
        ended = {"outcome": Outcome.EXCLUDED.value, "reason": "cancelled", "due_at": None, "ended_at": now}
        session.execute(waiting.values(ended), execution_options=WITHOUT_SYNC)
        unsent = update(Batch).where(Batch.issue_id == issue_id, Batch.done_at.is_(None))
        session.execute(unsent.values(done_at=now), execution_options=WITHOUT_SYNC)
