"""Which issue made a reader leave, and how. Leaving itself is the audience's; this only counts."""

from datetime import datetime
from typing import Final, Literal

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from digest.db import upsert
from digest.errors import BadInput
from digest.tracking.models import Unsubscribe

Source = Literal["header", "page"]

# Asked after leaving, by whoever wants to say. The names stand in the database for good: add, never rename.
REASONS: Final = {
    "often": "Too many mails",
    "dull": "Not interesting to me",
    "long": "Too long",
    "unasked": "I never signed up",
    "unreadable": "Hard to read in my mail",
    "none": "None of these",
}


def record(session: Session, issue_id: int, subscriber_id: int, source: Source, now: datetime) -> None:
    """Note that a reader left because of an issue: by its header (RFC 8058) or on the page.

    Again changes nothing, unless it was undone in between. Issue 0 is none, subscriber 0 nobody.
    """
    if not issue_id or not subscriber_id:
        return
    # Two presses at once must both succeed, so the database settles who was first.
    row = {"source": source, "at": now, "undone_at": None, "reason": None}
    session.execute(
        upsert(session, Unsubscribe)
        .values(issue_id=issue_id, subscriber_id=subscriber_id, **row)
        .on_conflict_do_update(
            index_elements=["issue_id", "subscriber_id"], set_=row, where=Unsubscribe.undone_at.is_not(None)
        )
    )


def undo(session: Session, issue_id: int, subscriber_id: int, now: datetime) -> None:
    """Note that the reader came back from the same page; nothing when they had not left because of it."""
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
    """Keep why a reader left; another word later replaces it. Nothing happens unless they have left by this issue.

    Raises BadInput for a word that is not one of REASONS.
    """
    if reason not in REASONS:
        raise BadInput("this page has no such button; please go back and press one of those that are there")
    gone = (Unsubscribe.issue_id == issue_id, Unsubscribe.subscriber_id == subscriber_id)
    session.execute(update(Unsubscribe).where(*gone, Unsubscribe.undone_at.is_(None)).values(reason=reason))


def find_unsubscribe(session: Session, issue_id: int, subscriber_id: int) -> Unsubscribe | None:
    """The unsubscribe by this issue's link, or None when there is none or it was undone."""
    gone = (Unsubscribe.issue_id == issue_id, Unsubscribe.subscriber_id == subscriber_id)
    return session.scalars(select(Unsubscribe).where(*gone, Unsubscribe.undone_at.is_(None))).one_or_none()
