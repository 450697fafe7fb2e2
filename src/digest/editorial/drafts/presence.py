"""Who else has the same draft open: a row per user, renewed by the open page and dropped when it is closed."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from digest.db import upsert
from digest.editorial.models import Issue, Presence, User

PRESENCE_TTL = timedelta(seconds=45)  # three missed heartbeats of an open page


@dataclass(frozen=True)
class OtherEditor:
    """Another user who has the draft open."""

    address: str
    opened_at: datetime


def record_presence(session: Session, issue: Issue, user_id: int, now: datetime) -> list[OtherEditor]:
    """Record that this user has the issue open, and return who else has, the longest first."""
    limit = now - PRESENCE_TTL
    session.execute(delete(Presence).where(Presence.issue_id == issue.id, Presence.last_seen_at < limit))
    row = upsert(session, Presence).values(
        issue_id=issue.id, user_id=user_id, opened_at=now, last_seen_at=now
    )
    session.execute(
        row.on_conflict_do_update(index_elements=["issue_id", "user_id"], set_={"last_seen_at": now})
    )
    others = (
        select(User.address, Presence.opened_at)
        .join(User, User.id == Presence.user_id)
        .where(Presence.issue_id == issue.id, Presence.user_id != user_id, Presence.last_seen_at >= limit)
        .order_by(Presence.opened_at, User.id)
    )
    return [OtherEditor(address, opened_at) for address, opened_at in session.execute(others)]
