"""Taking an issue back in its hold: what was frozen is forgotten, for no mail of it has left."""

import logging
from datetime import datetime

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from digest.db import WITHOUT_SYNC
from digest.delivery.ledger.models import Batch, Delivery, FrozenIssue
from digest.editorial import issues, transitions
from digest.editorial.models import Issue, State
from digest.errors import NotAllowed
from digest.tracking.models import Click, ClickHour, Link

LOG = logging.getLogger(__name__)


def may_unfreeze(issue: Issue, now: datetime) -> bool:
    """Whether it is frozen and in its hold: nobody has got anything."""
    held = issue.release_at is not None and issue.release_at > now
    return issue.state == State.SENDING and held and issue.started_at is None


def unfreeze(session: Session, issue: Issue, *, now: datetime, by: str, user_id: int | None = None) -> State:
    """Make it a draft again, with all its words; gives the state that it is in.

    Where another draft is open meanwhile, it waits as one that missed its hour. Raises NotAllowed when a mail of it
    may have left.
    """
    # Whoever writes the audience down holds this row, and finds nothing to go on with afterwards.
    session.execute(select(FrozenIssue.issue_id).where(FrozenIssue.issue_id == issue.id).with_for_update())
    session.refresh(issue)
    if not may_unfreeze(issue, now):
        raise NotAllowed(f"issue {issue.number} is not in its hold any more; pause it, or cancel the rest")
    other = issues.find_open_draft(session, issue.publication_id)
    to = State.DRAFT if other is None else State.PAUSED
    why = "taken back in its hold"
    transitions.change_state(
        session, issue, to, now=now, actor=by, user_id=user_id, reason=why, is_unfrozen=True
    )
    _delete_frozen(session, issue)
    issue.release_at = None
    issue.send_on = issue.zone = issue.send_at = None
    session.flush()
    LOG.info("issue recalled", extra={"issue": issue.id, "user": user_id})
    return to


def _delete_frozen(session: Session, issue: Issue) -> None:
    """Drop the audience, the batches, the links, their clicks and the mail; a claimed batch is mails that left."""
    begun = select(Batch.id).where(Batch.issue_id == issue.id, Batch.fence > 0).limit(1)
    if issue.started_at is not None or session.scalar(begun) is not None:
        raise NotAllowed(f"issue {issue.number} has begun to leave; pause it, or cancel the rest")
    links = select(Link.id).where(Link.issue_id == issue.id)
    session.execute(links.with_for_update()).all()  # a click on a copy waits here, and then finds no link
    for pressed in (Click, ClickHour):
        session.execute(delete(pressed).where(pressed.link_id.in_(links)), execution_options=WITHOUT_SYNC)
    for table in (Delivery, Batch, Link, FrozenIssue):
        session.execute(delete(table).where(table.issue_id == issue.id), execution_options=WITHOUT_SYNC)
    session.expire_all()
