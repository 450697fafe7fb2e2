"""A person's control over an issue being sent: pause, resume, cancel, retry, and settle unknown deliveries."""

import logging
from datetime import datetime

from sqlalchemy import ColumnElement, and_, update
from sqlalchemy.orm import Session

from digest.committed_log import log_when_committed
from digest.db import WITHOUT_SYNC
from digest.delivery.ledger.models import Delivery, FrozenIssue, Outcome
from digest.delivery.ledger.totals import require_deliveries
from digest.delivery.release import canary
from digest.editorial import transitions
from digest.editorial.models import Issue, State
from digest.errors import NotAllowed, NotFound

LOG = logging.getLogger(__name__)
BY_HAND = "counted as sent by hand"  # the reason of a delivery that a person settled


def pause(
    session: Session, issue: Issue, *, now: datetime, by: str, user_id: int | None = None, why: str = ""
) -> None:
    """Stop after the mails in flight; other readers keep their place. Raises NotAllowed unless it is being sent."""
    # Only a missed send time may pause a scheduled issue, and such an issue cannot be resumed.
    if issue.state == State.SCHEDULED:
        raise NotAllowed(f"issue {issue.number} is scheduled and not being sent yet; unschedule it instead")
    transitions.change_state(session, issue, State.PAUSED, now=now, actor=by, user_id=user_id, reason=why)
    log_when_committed(session, LOG, logging.INFO, "issue paused", issue=issue.id, user=user_id)


def resume(
    session: Session, issue: Issue, *, now: datetime, by: str, user_id: int | None = None, why: str = ""
) -> None:
    """Continue at once where the issue was paused; if its canary stopped it, send the whole rest.

    An issue that was never frozen is scheduled again for the time it had. Raises NotAllowed unless it is paused, and
    when that time is past, since nobody asked to send it now.
    """
    frozen = session.get(FrozenIssue, issue.id, options=FrozenIssue.without_content(), with_for_update=True)
    if frozen is None:
        _reschedule(session, issue, now=now, by=by, user_id=user_id, why=why)
        return
    require_deliveries(session, issue)
    transitions.change_state(session, issue, State.SENDING, now=now, actor=by, user_id=user_id, reason=why)
    frozen.backoff_until, frozen.backoff_count, frozen.backoff_reason = None, 0, None
    canary.mark_resumed(frozen, now)
    log_when_committed(session, LOG, logging.INFO, "issue resumed", issue=issue.id, user=user_id)


def cancel(
    session: Session, issue: Issue, *, now: datetime, by: str, user_id: int | None = None, why: str = ""
) -> None:
    """Cancel the rest. Readers who have not got it yet never will; the next tick counts them as excluded."""
    transitions.change_state(session, issue, State.CANCELLED, now=now, actor=by, user_id=user_id, reason=why)
    log_when_committed(session, LOG, logging.INFO, "issue cancelled", issue=issue.id, user=user_id)


def send_again(session: Session, issue: Issue, subscriber_id: int, *, now: datetime) -> None:
    """Retry an unknown or failed delivery at a person's request.

    Raises NotAllowed for a cancelled issue, NotFound when this reader's delivery is neither unknown nor failed.
    """
    outcomes = (Outcome.UNKNOWN.value, Outcome.FAILED.value)
    _reset(session, issue, now, Delivery.outcome.in_(outcomes), Delivery.subscriber_id == subscriber_id)


def send_failed(session: Session, issue: Issue, *, now: datetime) -> int:
    """Retry every failed delivery; returns how many. Raises NotAllowed, or NotFound when there is none."""
    return _reset(session, issue, now, Delivery.outcome == Outcome.FAILED.value)


def count_as_sent(session: Session, issue: Issue, subscriber_id: int, *, now: datetime) -> None:
    """Settle an unknown delivery as accepted, as a person verified.

    Raises NotFound when it is not unknown, NotAllowed when the deliveries were deleted.
    """
    require_deliveries(session, issue)
    settled = (
        update(Delivery)
        .where(Delivery.issue_id == issue.id, Delivery.subscriber_id == subscriber_id)
        .where(Delivery.outcome == Outcome.UNKNOWN.value)
        .values(outcome=Outcome.ACCEPTED.value, reason=BY_HAND, ended_at=now)
        .returning(Delivery.subscriber_id)
    )
    if session.scalar(settled, execution_options=WITHOUT_SYNC) is None:
        raise NotFound(f"issue {issue.number} has no unknown delivery to subscriber {subscriber_id}")
    log_when_committed(
        session, LOG, logging.INFO, "unknown delivery settled", issue=issue.id, subscriber=subscriber_id
    )


def _reschedule(
    session: Session, issue: Issue, *, now: datetime, by: str, user_id: int | None, why: str
) -> None:
    if issue.state != State.PAUSED:
        raise NotAllowed(f"issue {issue.number} is {issue.state}; only a paused issue can be resumed")
    if issue.send_at is None or issue.send_at <= now:
        missed = (
            f"its send time, {issue.send_on} {issue.zone}, is past"
            if issue.send_on
            else "it has no send time"
        )
        raise NotAllowed(
            f"issue {issue.number} was never frozen and {missed}: send it now, or reschedule it "
            f"(`digest issues send {issue.number}`, `digest issues schedule {issue.number} --at …`)"
        )
    transitions.change_state(session, issue, State.SCHEDULED, now=now, actor=by, user_id=user_id, reason=why)
    log_when_committed(session, LOG, logging.INFO, "issue rescheduled", issue=issue.id, user=user_id)


def reset_deliveries(session: Session, issue_id: int, condition: ColumnElement[bool], now: datetime) -> int:
    """Make deliveries of an issue due again, whatever became of them; returns how many."""
    # Reset the attempts: a person's request is worth a full series of retries.
    reset = {"outcome": None, "reason": None, "attempts": 0, "due_at": now, "ended_at": None}
    result = session.execute(update(Delivery).where(condition).values(reset), execution_options=WITHOUT_SYNC)
    number: int = result.rowcount  # type: ignore[attr-defined] # an UPDATE gives a cursor's result
    if number:
        # New replies will come in; let the retention job purge them in due time like the others.
        reopened = update(FrozenIssue).where(FrozenIssue.issue_id == issue_id)
        reopened = reopened.values(replies_purged_upto=0, replies_purged_at=None, reopened_at=now)
        session.execute(reopened, execution_options=WITHOUT_SYNC)
    return number


def require_sendable(session: Session, issue: Issue) -> None:
    """Raise NotAllowed for an issue that was cancelled, or whose deliveries were deleted."""
    if issue.state == State.CANCELLED:
        raise NotAllowed(f"issue {issue.number} is cancelled, so it cannot be sent again")
    require_deliveries(session, issue)


def _reset(session: Session, issue: Issue, now: datetime, *conditions: ColumnElement[bool]) -> int:
    require_sendable(session, issue)
    number = reset_deliveries(session, issue.id, and_(Delivery.issue_id == issue.id, *conditions), now)
    if not number:
        raise NotFound(f"issue {issue.number} has no such delivery to send again")
    return number
