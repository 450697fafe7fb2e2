"""Pause an issue when too many mails are refused: the list is bad or the relay has blocked us, so a person decides."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, and_, func, select
from sqlalchemy.orm import Session

from digest.committed_log import log_when_committed
from digest.delivery.ledger.masking import mask_addresses
from digest.delivery.ledger.models import Batch, FrozenIssue, Outcome
from digest.delivery.ledger.partitions import table_of
from digest.delivery.letters import notices
from digest.editorial import transitions
from digest.editorial.models import Issue, State
from digest.errors import NotAllowed

LOG = logging.getLogger(__name__)
MIN_ANSWERS = 1000  # fewer mails that ended say nothing
MAX_REFUSED_SHARE = 0.10  # of those answers
_MAX_BATCHES = 512  # even if each holds few mails, and a hundred are in progress


@dataclass(frozen=True)
class RefusalCounts:
    """How many mails the relay answered, and how many of them it refused."""

    answered: int
    refused: int

    def exceeds(self, share: float) -> bool:
        """Whether more than `share` were refused."""
        return self.refused > share * self.answered


def pause_refused_issues(session: Session, now: datetime) -> list[int]:
    """Pause every issue of whose latest 1,000 or so mails more than 10% were refused; returns the ids of those issues.

    Reads a few thousand rows by index, however large the audience is. Refusals from before a person resumed the issue
    do not count again.
    """
    sending = (
        select(FrozenIssue.issue_id, FrozenIssue.refusals_counted_from)
        .join(Issue, Issue.id == FrozenIssue.issue_id)
        .where(Issue.state == State.SENDING, FrozenIssue.audience_done_at.is_not(None))
    )
    return [
        issue_id
        for issue_id, since in session.execute(sending).all()
        if _pause_if_refused(session, issue_id, since, now)
    ]


def count_refusals(
    session: Session, issue_id: int, batch_ids: Sequence[int], since: datetime | None = None
) -> RefusalCounts:
    """Count the answers in these batches of an issue, only those after `since` when it is given."""
    delivery = table_of(session, issue_id).c
    ended = delivery.outcome.in_((Outcome.ACCEPTED.value, Outcome.FAILED.value))
    rows = select(func.count(), func.count().filter(_is_refused(delivery))).where(
        delivery.batch_id.in_(batch_ids), ended
    )
    if since is not None:
        rows = rows.where(delivery.ended_at > since)
    answered, refused = session.execute(rows).one()
    return RefusalCounts(answered, refused)


def most_common_reply(session: Session, issue_id: int, batch_ids: Sequence[int]) -> str:
    """The relay's most common refusal in these batches of an issue, with addresses masked."""
    delivery = table_of(session, issue_id).c
    rows = select(delivery.reply).where(delivery.batch_id.in_(batch_ids), _is_refused(delivery))
    most = rows.group_by(delivery.reply).order_by(func.count().desc(), delivery.reply).limit(1)
    return mask_addresses(session.scalar(most) or "")


def pause_and_notify(session: Session, issue_id: int, why: str, now: datetime) -> bool:
    """Pause an issue being sent and tell its editors why; False when somebody else stopped it first."""
    issue = session.get_one(Issue, issue_id, populate_existing=True)
    if issue.state != State.SENDING:
        return False
    try:
        transitions.change_state(session, issue, State.PAUSED, now=now, actor="clock", reason=why)
    except NotAllowed:
        return False
    notices.notify_refusals(session, issue, now)
    return True


def pause_unsendable(session: Session, issue_id: int, was: State, why: str, now: datetime) -> None:
    """Pause an issue that cannot be frozen (`was` scheduled) or counted (`was` sending), and notify people."""
    issue = session.get_one(Issue, issue_id, populate_existing=True)
    if issue.state != was:  # another clock or a person was faster
        return
    try:
        transitions.change_state(session, issue, State.PAUSED, now=now, actor="clock", reason=why)
    except NotAllowed:
        return
    notify = notices.notify_not_sent if was == State.SCHEDULED else notices.notify_audience_error
    notify(session, issue, now)


def _pause_if_refused(session: Session, issue_id: int, since: datetime | None, now: datetime) -> bool:
    batch_ids = _latest_batches(session, issue_id)
    counts = count_refusals(session, issue_id, batch_ids, since)
    if counts.answered < MIN_ANSWERS or not counts.exceeds(MAX_REFUSED_SHARE):
        return False
    reply = most_common_reply(session, issue_id, batch_ids)
    share = f"{counts.refused:,} of the last {counts.answered:,} emails"
    why = f"{share} were refused: {reply}; review, then resume"
    paused = pause_and_notify(session, issue_id, why, now)
    if paused:
        log_when_committed(
            session, LOG, logging.WARNING, "issue paused by refusals", issue=issue_id, **vars(counts)
        )
    return paused


def _is_refused(delivery: Any) -> ColumnElement[bool]:
    """Giving up after retries says something about the receiver and nothing about our list."""
    gave_up = func.coalesce(delivery.reason, "").startswith("gave up")
    return and_(delivery.outcome == Outcome.FAILED.value, ~gave_up)


def _latest_batches(session: Session, issue_id: int) -> list[int]:
    """The batches in progress and the latest finished ones, up to twice MIN_ANSWERS mails."""
    started = select(Batch.id, Batch.started_upto).where(Batch.issue_id == issue_id, Batch.started_upto > 0)
    rows = session.execute(
        started.order_by(Batch.done_at.is_not(None), Batch.done_at.desc()).limit(_MAX_BATCHES)
    )
    batch_ids, total = [], 0
    for batch_id, mails in rows:
        if total >= 2 * MIN_ANSWERS:
            break
        batch_ids.append(batch_id)
        total += mails
    return batch_ids
