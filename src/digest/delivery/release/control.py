"""What a person may do to an issue that goes out: stop it, let it go on, end it, settle what nobody knows."""

import logging
from datetime import datetime

from sqlalchemy import update
from sqlalchemy.orm import Session

from digest.db import WITHOUT_SYNC
from digest.delivery.ledger.models import Delivery, FrozenIssue, Outcome
from digest.delivery.release import canary
from digest.editorial import transitions
from digest.editorial.models import Issue, State
from digest.errors import NotAllowed, NotFound

LOG = logging.getLogger(__name__)


def pause(
    session: Session, issue: Issue, *, now: datetime, by: str, user_id: int | None = None, why: str = ""
) -> None:
    """Stop after the mails in flight; everybody else keeps their place. Raises NotAllowed unless it is going out."""
    if (
        issue.state == State.SCHEDULED
    ):  # the table lets a missed hour pause it, and such a one cannot be resumed
        raise NotAllowed(
            f"issue {issue.number} is scheduled and nothing of it goes out yet; unschedule it instead"
        )
    transitions.change_state(session, issue, State.PAUSED, now=now, actor=by, user_id=user_id, reason=why)
    LOG.info("issue paused", extra={"issue": issue.id, "user": user_id})


def resume(
    session: Session, issue: Issue, *, now: datetime, by: str, user_id: int | None = None, why: str = ""
) -> None:
    """Go on where it was paused, at once; when a canary stopped it, with all the rest.

    One that was never frozen goes back on the calendar, for the hour it had. Raises NotAllowed unless it is paused,
    and when that hour is past: nobody said that it should go out now.
    """
    frozen = session.get(FrozenIssue, issue.id, options=FrozenIssue.without_content(), with_for_update=True)
    if frozen is None:
        _reschedule(session, issue, now=now, by=by, user_id=user_id, why=why)
        return
    transitions.change_state(session, issue, State.SENDING, now=now, actor=by, user_id=user_id, reason=why)
    frozen.backoff_until, frozen.backoff_count, frozen.backoff_reason = None, 0, None
    canary.mark_resumed(frozen, now)
    LOG.info("issue resumed", extra={"issue": issue.id, "user": user_id})


def cancel(
    session: Session, issue: Issue, *, now: datetime, by: str, user_id: int | None = None, why: str = ""
) -> None:
    """End it. Whoever has nothing yet gets nothing, and is counted as excluded by the next tick."""
    transitions.change_state(session, issue, State.CANCELLED, now=now, actor=by, user_id=user_id, reason=why)
    LOG.info("issue cancelled", extra={"issue": issue.id, "user": user_id})


def send_again(session: Session, issue: Issue, subscriber_id: int, *, now: datetime) -> None:
    """Try an unknown or failed delivery once more, because a person says so.

    Raises NotAllowed for a cancelled issue, NotFound when this reader's delivery did not end that way.
    """
    _reset_deliveries(session, issue, now, (Outcome.UNKNOWN, Outcome.FAILED), subscriber_id)


def send_failed(session: Session, issue: Issue, *, now: datetime) -> int:
    """Try every failed delivery once more; gives how many. Raises NotAllowed, NotFound when there is none."""
    return _reset_deliveries(session, issue, now, (Outcome.FAILED,), None)


def count_as_sent(session: Session, issue: Issue, subscriber_id: int, *, now: datetime) -> None:
    """Settle an unknown delivery as accepted: a person looked it up. Raises NotFound when it is not unknown."""
    settled = (
        update(Delivery)
        .where(Delivery.issue_id == issue.id, Delivery.subscriber_id == subscriber_id)
        .where(Delivery.outcome == Outcome.UNKNOWN.value)
        .values(outcome=Outcome.ACCEPTED.value, reason="counted as sent by hand", ended_at=now)
        .returning(Delivery.subscriber_id)
    )
    if session.scalar(settled, execution_options=WITHOUT_SYNC) is None:
        raise NotFound(f"issue {issue.number} has no unknown delivery to subscriber {subscriber_id}")
    LOG.info("unknown settled", extra={"issue": issue.id, "subscriber": subscriber_id})


def _reschedule(
    session: Session, issue: Issue, *, now: datetime, by: str, user_id: int | None, why: str
) -> None:
    if issue.state != State.PAUSED:
        raise NotAllowed(f"issue {issue.number} is {issue.state}, and only what is paused can go on")
    if issue.send_at is None or issue.send_at <= now:
        hour = f"its hour, {issue.send_on} {issue.zone}, is past" if issue.send_on else "it has no hour"
        raise NotAllowed(
            f"nothing of issue {issue.number} was ever frozen and {hour}: send it now, or schedule it for another hour "
            f"(`digest issues send {issue.number}`, `digest issues schedule {issue.number} --at …`)"
        )
    transitions.change_state(session, issue, State.SCHEDULED, now=now, actor=by, user_id=user_id, reason=why)
    LOG.info("issue is back on the calendar", extra={"issue": issue.id, "user": user_id})


def _reset_deliveries(
    session: Session, issue: Issue, now: datetime, outcomes: tuple[Outcome, ...], subscriber_id: int | None
) -> int:
    if issue.state == State.CANCELLED:
        raise NotAllowed(f"issue {issue.number} is cancelled; nothing of it is sent any more")
    which = [Delivery.issue_id == issue.id, Delivery.outcome.in_([outcome.value for outcome in outcomes])]
    if subscriber_id is not None:
        which.append(Delivery.subscriber_id == subscriber_id)
    # The tries begin anew: a person's word is worth a whole row of them.
    anew = {"outcome": None, "reason": None, "attempts": 0, "due_at": now, "ended_at": None}
    again = session.execute(update(Delivery).where(*which).values(anew), execution_options=WITHOUT_SYNC)
    number: int = again.rowcount  # type: ignore[attr-defined] # an UPDATE gives a cursor's result
    if not number:
        raise NotFound(f"issue {issue.number} has nothing of that kind to send again")
    # The relay will say something new, which is forgotten in its time as all of it was.
    fresh = update(FrozenIssue).where(FrozenIssue.issue_id == issue.id)
    session.execute(
        fresh.values(replies_purged_upto=0, replies_purged_at=None), execution_options=WITHOUT_SYNC
    )
    return number
