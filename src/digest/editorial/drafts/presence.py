"""Who else has the same draft open: a row for each, renewed by the open page and forgotten when it no longer is."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from digest.db import upsert
from digest.editorial.models import Issue, Presence, User

PRESENCE_TTL = timedelta(seconds=45)  # three looks of an open page


@dataclass(frozen=True)
class OtherEditor:
    """Somebody who is here too."""

    address: str
    opened_at: datetime


def record_presence(session: Session, issue: Issue, user_id: int, now: datetime) -> list[OtherEditor]:
    """Say that this person has the issue open now, and tell who else has, the longest first."""
    session.execute(
        delete(Presence).where(Presence.issue_id == issue.id, Presence.last_seen_at < now - PRESENCE_TTL)
    )
    mine = upsert(session, Presence).values(issue_id=issue.id, user_id=user_id, since=now, seen_at=now)
    session.execute(
        mine.on_conflict_do_update(index_elements=["issue_id", "user_id"], set_={"last_seen_at": now})
    )
    others = (
        select(User.address, Presence.opened_at)
        .join(User, User.id == Presence.user_id)
        .where(
            Presence.issue_id == issue.id,
            Presence.user_id != user_id,
            Presence.last_seen_at >= now - PRESENCE_TTL,
        )
        .order_by(Presence.opened_at, User.id)
    )
    return [OtherEditor(address, since) for address, since in session.execute(others)]
