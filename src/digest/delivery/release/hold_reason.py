"""Why an issue that is on its way stands still just now, in words for whoever watches it."""

from datetime import datetime
from typing import NamedTuple

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from digest.delivery.ledger.models import Batch, Delivery, FrozenIssue
from digest.editorial.models import Issue, State, Transition, User


class Waits(NamedTuple):
    """What keeps it, and until when; no time where a person or something unforeseen ends it."""

    why: str
    until: datetime | None = None


def waits(session: Session, issue: Issue, now: datetime) -> Waits | None:
    """What keeps all of an issue that goes out or is paused; None when nothing does.

    A person's pause, the count of its audience, its hold, the relay or a warm-up, its canary, or receivers who put
    all that remain off.
    """
    if issue.state == State.PAUSED:
        return Waits(_paused(session, issue))
    frozen = session.get(FrozenIssue, issue.id, options=FrozenIssue.light())
    if issue.state != State.SENDING or frozen is None:
        return None
    return _kept(issue, frozen, now) or _put_off(session, issue.id, now)


def _kept(issue: Issue, frozen: FrozenIssue, now: datetime) -> Waits | None:
    if issue.release_at is not None and issue.release_at > now:
        return Waits("on hold: no mail has left, and it can still be cancelled", issue.release_at)
    if frozen.audience_done_at is None:
        return Waits("its audience is being counted: nothing leaves before everybody has a row")
    if frozen.quiet_until is not None and frozen.quiet_until > now:
        return Waits(frozen.quiet_why or "the relay says later", frozen.quiet_until)
    if frozen.canary and frozen.canary_passed_at is None:
        return Waits(
            f"for its canary: the first {frozen.canary:,} mails have to be answered, then the rest goes"
        )
    return None


def _paused(session: Session, issue: Issue) -> str:
    last = (
        select(Transition.by, User.address)
        .outerjoin(User, User.id == Transition.user_id)
        .where(Transition.issue_id == issue.id, Transition.to_state == State.PAUSED)
        .order_by(Transition.id.desc())
        .limit(1)
    )
    by, user = session.execute(last).one_or_none() or ("", None)
    whom = f"paused by {user or f'the {by}'}" if user or by else "paused"
    return f"{whom}: {issue.pause_reason}" if issue.pause_reason else f"{whom}, until somebody resumes it"


def _put_off(session: Session, issue_id: int, now: datetime) -> Waits | None:
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
    return Waits("the receivers of all that remain said later; the next of them is tried then", next_try)
