"""Which issue made a reader leave, and how. Leaving itself is the audience's; this only counts."""

from datetime import datetime
from typing import Literal

from sqlalchemy import update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from digest.tracking.models import Unsubscribe

Source = Literal["header", "page"]


def record(session: Session, issue_id: int, subscriber_id: int, source: Source, now: datetime) -> None:
    """Note that a reader left because of an issue: by its header (RFC 8058) or on the page.

    Again changes nothing, unless it was undone in between. Issue 0 is none, subscriber 0 nobody.
    """
    if not issue_id or not subscriber_id:
        return
    # Two presses at once must both succeed, so the database settles who was first.
    insert = postgresql.insert if session.get_bind().dialect.name == "postgresql" else sqlite.insert
    row = {"source": source, "at": now, "undone_at": None}
    session.execute(
        insert(Unsubscribe)
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
