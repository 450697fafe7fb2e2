"""Counts unsubscribes by issue. The unsubscribe itself is the audience's."""

from datetime import datetime
from typing import Final, Literal

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from digest.db import upsert
from digest.errors import BadInput
from digest.tracking.models import Unsubscribe

Source = Literal["header", "page"]

# Optional reasons. The names are stored: add some, but never rename one.
REASONS: Final = {
    "often": "Too many emails",
    "dull": "Not interesting to me",
    "long": "Too long",
    "unasked": "I never signed up",
    "unreadable": "Hard to read in my email app",
    "none": "None of these",
}


def record(session: Session, issue_id: int, subscriber_id: int, source: Source, now: datetime) -> None:
    """Record that a reader unsubscribed through an issue, by its header (RFC 8058) or on the page.

    Repeating it changes nothing, unless it was undone in between. Issue 0 and subscriber 0 are ignored: a test email.
    """
    if not issue_id or not subscriber_id:
        return
    # Two requests at once must both succeed, so the database decides which was first.
    row = {"source": source, "at": now, "undone_at": None, "reason": None}
    session.execute(
        upsert(session, Unsubscribe)
        .values(issue_id=issue_id, subscriber_id=subscriber_id, **row)
        .on_conflict_do_update(
            index_elements=["issue_id", "subscriber_id"], set_=row, where=Unsubscribe.undone_at.is_not(None)
        )
    )


def undo(session: Session, issue_id: int, subscriber_id: int, now: datetime) -> None:
    """Record that the reader resubscribed on the same page; does nothing without an unsubscribe."""
    session.execute(
        update(Unsubscribe)
        .where(
            Unsubscribe.issue_id == issue_id,
            Unsubscribe.subscriber_id == subscriber_id,
            Unsubscribe.undone_at.is_(None),
        )
        .values(undone_at=now)
    )


def set_reason(session: Session, issue_id: int, subscriber_id: int, reason: str) -> None:
    """Store why a reader unsubscribed through this issue, replacing an earlier reason; does nothing if they did not.

    Raises BadInput for a reason that is not one of REASONS.
    """
    if reason not in REASONS:
        raise BadInput("this reason does not exist; go back and choose one from the page")
    standing = (Unsubscribe.issue_id == issue_id, Unsubscribe.subscriber_id == subscriber_id)
    session.execute(
        update(Unsubscribe).where(*standing, Unsubscribe.undone_at.is_(None)).values(reason=reason)
    )


def find_unsubscribe(session: Session, issue_id: int, subscriber_id: int) -> Unsubscribe | None:
    """The unsubscribe by this issue's link, or None when there is none or it was undone."""
    standing = (Unsubscribe.issue_id == issue_id, Unsubscribe.subscriber_id == subscriber_id)
    return session.scalars(
        select(Unsubscribe).where(*standing, Unsubscribe.undone_at.is_(None))
    ).one_or_none()
