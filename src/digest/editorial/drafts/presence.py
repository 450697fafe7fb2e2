"""Who else has the same draft open: a row for each, renewed by the open page and forgotten when it no longer is."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from digest.db import upsert
from digest.editorial.models import Issue, Presence, User

LIFE = timedelta(seconds=45)  # three looks of an open page


@dataclass(frozen=True)
class Other:
    """Somebody who is here too."""

    address: str
    since: datetime


def stay(session: Session, issue: Issue, user_id: int, now: datetime) -> list[Other]:
    """Say that this person has the issue open now, and tell who else has, the longest first."""
    session.execute(delete(Presence).where(Presence.issue_id == issue.id, Presence.seen_at < now - LIFE))
    mine = upsert(session, Presence).values(issue_id=issue.id, user_id=user_id, since=now, seen_at=now)
    session.execute(mine.on_conflict_do_update(index_elements=["issue_id", "user_id"], set_={"seen_at": now}))
    others = (
        select(User.address, Presence.since)
        .join(User, User.id == Presence.user_id)
        .where(Presence.issue_id == issue.id, Presence.user_id != user_id, Presence.seen_at >= now - LIFE)
        .order_by(Presence.since, User.id)
    )
    return [Other(address, since) for address, since in session.execute(others)]
