"""An issue that should move and does not: its owners are told, once until it moves again."""

import logging
from datetime import datetime, timedelta

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from digest.delivery.ledger.counts import count_outcomes
from digest.delivery.ledger.models import Batch, FrozenIssue
from digest.delivery.letters import notices
from digest.delivery.release import canary
from digest.editorial.models import Issue, State

LOG = logging.getLogger(__name__)
STALLED_AFTER = timedelta(minutes=10)


def notify_stalled(session: Session, now: datetime) -> list[int]:
    """Look at every issue that is being sent; gives the rows of those whose owners were told just now.

    It stalls when mails are due, nothing keeps them back (a hold, a wait that the relay asked for), and nothing has
    ended for ten minutes: no worker runs, or none gets through.
    """
    going = select(FrozenIssue).join(Issue, Issue.id == FrozenIssue.issue_id)
    going = (
        going.where(Issue.state == State.SENDING)
        .options(*FrozenIssue.without_content())
        .with_for_update(of=FrozenIssue)
    )
    return [
        frozen.issue_id for frozen in session.scalars(going).all() if _notify_if_stalled(session, frozen, now)
    ]


def _notify_if_stalled(session: Session, frozen: FrozenIssue, now: datetime) -> bool:
    remaining = count_outcomes(session, frozen.issue_id).remaining
    if (
        remaining != frozen.last_remaining
        or frozen.unchanged_since is None
        or not _is_due(session, frozen, now)
    ):
        frozen.unchanged_since, frozen.last_remaining, frozen.stall_notified_at = now, remaining, None
        return False
    if frozen.stall_notified_at is not None or now - frozen.unchanged_since < STALLED_AFTER:
        return False
    frozen.stall_notified_at = now
    LOG.warning("issue stalls", extra={"issue": frozen.issue_id, "remaining": remaining})
    notices.notify_stalled(session, session.get_one(Issue, frozen.issue_id), remaining, now)
    return True


def _is_due(session: Session, frozen: FrozenIssue, now: datetime) -> bool:
    """Whether a batch is in somebody's hand, or could be."""
    if frozen.backoff_until is not None and frozen.backoff_until > now:
        return False
    waits = (
        select(Batch.id)
        .join(Issue, Issue.id == Batch.issue_id)
        .join(FrozenIssue, FrozenIssue.issue_id == Batch.issue_id)
        .where(Batch.issue_id == frozen.issue_id, Batch.done_at.is_(None), Batch.due_at <= now)
        .where(Issue.release_at <= now, FrozenIssue.audience_done_at.is_not(None))
        .where(or_(Batch.holder.is_not(None), canary.is_released()))
    )
    return session.scalar(waits.limit(1)) is not None
