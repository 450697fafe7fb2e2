"""Why an issue that is on its way stands still just now, in words for whoever watches it."""

from datetime import datetime
from typing import NamedTuple

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from digest.delivery.ledger.models import Batch, Delivery, FrozenIssue
from digest.editorial.models import Issue, State, Transition, User


class HoldReason(NamedTuple):
    """What keeps it, and until when; no time where a person or something unforeseen ends it."""

    reason: str
    until: datetime | None = None


def find_hold_reason(session: Session, issue: Issue, now: datetime) -> HoldReason | None:
    """What keeps all of an issue that goes out or is paused; None when nothing does.

    A person's pause, the count of its audience, its hold, the relay or a warm-up, its canary, or receivers who put
    all that remain off.
    """
    if issue.state == State.PAUSED:
        return HoldReason(_pause_reason(session, issue))
    frozen = session.get(FrozenIssue, issue.id, options=FrozenIssue.without_content())
    if issue.state != State.SENDING or frozen is None:
        return None
    return _sending_hold_reason(issue, frozen, now) or _all_deferred(session, issue.id, now)


def _sending_hold_reason(issue: Issue, frozen: FrozenIssue, now: datetime) -> HoldReason | None:
    if issue.release_at is not None and issue.release_at > now:
        return HoldReason("on hold: no mail has left, and it can still be cancelled", issue.release_at)
    if frozen.audience_done_at is None:
        return HoldReason("its audience is being counted: nothing leaves before everybody has a row")
    if frozen.backoff_until is not None and frozen.backoff_until > now:
        return HoldReason(frozen.backoff_reason or "the relay says later", frozen.backoff_until)
    if frozen.canary_size and frozen.canary_passed_at is None:
        return HoldReason(
            f"for its canary: the first {frozen.canary_size:,} mails have to be answered, then the rest goes"
        )
    return None


def _pause_reason(session: Session, issue: Issue) -> str:
    last = (
        select(Transition.actor, User.address)
        .outerjoin(User, User.id == Transition.user_id)
        .where(Transition.issue_id == issue.id, Transition.to_state == State.PAUSED)
        .order_by(Transition.id.desc())
        .limit(1)
    )
    by, user = session.execute(last).one_or_none() or ("", None)
    whom = f"paused by {user or f'the {by}'}" if user or by else "paused"
    return f"{whom}: {issue.pause_reason}" if issue.pause_reason else f"{whom}, until somebody resumes it"


def _all_deferred(session: Session, issue_id: int, now: datetime) -> HoldReason | None:
    """No batch is open and the next try is still to come: all who remain were told "later"."""
    batch = select(Batch.id).where(Batch.issue_id == issue_id, Batch.done_at.is_(None)).limit(1)
    if session.scalar(batch) is not None:
        return None
    waiting = select(func.min(Delivery.due_at)).where(
        Delivery.issue_id == issue_id, Delivery.due_at.is_not(None)
    )
    next_try = session.scalar(waiting)
    if next_try is None or next_try <= now:
        return None
    return HoldReason("the receivers of all that remain said later; the next of them is tried then", next_try)
