"""Notify owners of a stalled issue, once until it moves again."""

import logging
from datetime import datetime, timedelta

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from digest.committed_log import log_when_committed
from digest.delivery.ledger.counts import count_outcomes
from digest.delivery.ledger.models import Batch, FrozenIssue
from digest.delivery.letters import notices
from digest.delivery.release import canary, hold
from digest.editorial.models import Issue, State

LOG = logging.getLogger(__name__)
STALLED_AFTER = timedelta(minutes=10)


def notify_stalled(session: Session, now: datetime) -> list[int]:
    """Check every issue being sent; returns the ids of those whose owners were notified just now.

    An issue is stalled when mails are due, nothing holds them back (such as its hold or a wait that the relay asked
    for), and no delivery has ended for ten minutes: no worker is running, or none gets through.
    """
    sending = select(FrozenIssue).join(Issue, Issue.id == FrozenIssue.issue_id)
    sending = (
        sending.where(Issue.state == State.SENDING)
        .options(*FrozenIssue.without_content())
        .with_for_update(of=FrozenIssue)
    )
    return [
        frozen.issue_id
        for frozen in session.scalars(sending).all()
        if _notify_if_stalled(session, frozen, now)
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
    log_when_committed(
        session, LOG, logging.WARNING, "issue stalled", issue=frozen.issue_id, remaining=remaining
    )
    notices.notify_stalled(session, session.get_one(Issue, frozen.issue_id), remaining, now)
    return True


def _is_due(session: Session, frozen: FrozenIssue, now: datetime) -> bool:
    """Whether a batch is claimed, or could be claimed now."""
    if frozen.backoff_until is not None and frozen.backoff_until > now:
        return False
    due = (
        select(Batch.id)
        .join(Issue, Issue.id == Batch.issue_id)
        .join(FrozenIssue, FrozenIssue.issue_id == Batch.issue_id)
        .where(Batch.issue_id == frozen.issue_id, Batch.done_at.is_(None))
        .where(hold.is_over(now), FrozenIssue.audience_done_at.is_not(None))
        .where(or_(Batch.holder.is_not(None), canary.is_released()))
    )
    return session.scalar(due.limit(1)) is not None
