"""Return an issue to draft during its hold: the frozen content is deleted, since no mail of it has been sent."""

import logging
from datetime import datetime

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from digest.committed_log import log_when_committed
from digest.db import WITHOUT_SYNC
from digest.delivery.ledger.models import Batch, Delivery, FrozenIssue
from digest.delivery.release.hold import is_in_hold
from digest.editorial import issues, transitions
from digest.editorial.models import Issue, State
from digest.errors import NotAllowed
from digest.tracking.models import Click, ClickHour, Link

LOG = logging.getLogger(__name__)


def may_unfreeze(issue: Issue, now: datetime) -> bool:
    """Whether the issue is frozen and still in its hold, so that nobody has got it."""
    return issue.state == State.SENDING and is_in_hold(issue, now) and issue.started_at is None


def unfreeze(session: Session, issue: Issue, *, now: datetime, by: str, user_id: int | None = None) -> State:
    """Turn the issue back into a draft with all its content; returns its new state.

    If another draft is open meanwhile, it is paused like an issue that missed its send time. Raises NotAllowed when a
    mail of it may have been sent.
    """
    # The process that writes the audience locks this row, and afterwards finds nothing left to do.
    session.execute(select(FrozenIssue.issue_id).where(FrozenIssue.issue_id == issue.id).with_for_update())
    session.refresh(issue)
    if not may_unfreeze(issue, now):
        raise NotAllowed(
            f"issue {issue.number} is no longer in its cancel window; pause it, or cancel the rest"
        )
    other = issues.find_open_draft(session, issue.publication_id)
    to = State.DRAFT if other is None else State.PAUSED
    why = "stopped during its cancel window"
    transitions.change_state(
        session, issue, to, now=now, actor=by, user_id=user_id, reason=why, is_unfrozen=True
    )
    _delete_frozen(session, issue)
    issue.release_at = None
    issue.send_on = issue.zone = issue.send_at = None
    session.flush()
    log_when_committed(session, LOG, logging.INFO, "issue returned to draft", issue=issue.id, user=user_id)
    return to


def _delete_frozen(session: Session, issue: Issue) -> None:
    """Delete audience, batches, links, clicks and content. A claimed batch means that mails may have been sent."""
    claimed = select(Batch.id).where(Batch.issue_id == issue.id, Batch.fence > 0).limit(1)
    if issue.started_at is not None or session.scalar(claimed) is not None:
        raise NotAllowed(f"issue {issue.number} is already being sent; pause it, or cancel the rest")
    links = select(Link.id).where(Link.issue_id == issue.id)
    session.execute(
        links.with_for_update()
    ).all()  # a concurrent click waits for this lock, then finds no link
    for clicks in (Click, ClickHour):
        session.execute(delete(clicks).where(clicks.link_id.in_(links)), execution_options=WITHOUT_SYNC)
    for table in (Delivery, Batch, Link, FrozenIssue):
        session.execute(delete(table).where(table.issue_id == issue.id), execution_options=WITHOUT_SYNC)
    session.expire_all()
