"""Explain to people why an issue being sent makes no progress right now."""

from datetime import datetime
from typing import NamedTuple

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from digest.delivery.ledger.models import Batch, Delivery, FrozenIssue
from digest.delivery.release.hold import is_in_hold
from digest.editorial.models import Issue, State, Transition, User


class HoldReason(NamedTuple):
    """Why an issue waits, and until when; no time when a person or an event has to end it."""

    reason: str
    until: datetime | None = None


def find_hold_reason(session: Session, issue: Issue, now: datetime) -> HoldReason | None:
    """What holds back all of an issue that is being sent or is paused; None when nothing does.

    A pause, its hold, the count of its audience, the relay or a warm-up, its canary, or receivers that deferred all
    remaining mails.
    """
    if issue.state == State.PAUSED:
        return HoldReason(_pause_reason(session, issue))
    frozen = session.get(FrozenIssue, issue.id, options=FrozenIssue.without_content())
    if issue.state != State.SENDING or frozen is None:
        return None
    return _sending_hold_reason(issue, frozen, now) or _all_deferred(session, issue.id, now)


def _sending_hold_reason(issue: Issue, frozen: FrozenIssue, now: datetime) -> HoldReason | None:
    if is_in_hold(issue, now):
        return HoldReason(
            "in its cancel window: no email has been sent, and it can still be cancelled", issue.release_at
        )
    if frozen.audience_done_at is None:
        return HoldReason("its audience is being counted: sending starts when the count is complete")
    if frozen.backoff_until is not None and frozen.backoff_until > now:
        return HoldReason(frozen.backoff_reason or "the mail server asked us to wait", frozen.backoff_until)
    if frozen.canary_size and frozen.canary_passed_at is None:
        return HoldReason(
            f"waiting for its canary: the rest is sent once {frozen.canary_size:,} emails are answered"
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
    paused = f"paused by {user or f'the {by}'}" if user or by else "paused"
    return f"{paused}: {issue.pause_reason}" if issue.pause_reason else f"{paused}, until someone resumes it"


def _all_deferred(session: Session, issue_id: int, now: datetime) -> HoldReason | None:
    """The reason when no batch is open and all remaining mails were deferred to a later time; else None."""
    batch = select(Batch.id).where(Batch.issue_id == issue_id, Batch.done_at.is_(None)).limit(1)
    if session.scalar(batch) is not None:
        return None
    waiting = select(func.min(Delivery.due_at)).where(
        Delivery.issue_id == issue_id, Delivery.due_at.is_not(None)
    )
    next_try = session.scalar(waiting)
    if next_try is None or next_try <= now:
        return None
    return HoldReason("all remaining emails were deferred by their recipients' mail servers", next_try)
