"""Deletes the user agents of old clicks. The clicks themselves stay, for reports."""

from datetime import datetime

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from digest.db import WITHOUT_SYNC
from digest.tracking.models import Click

CHUNK = 20_000


def delete_user_agents(session: Session, before: datetime, limit: int = CHUNK) -> bool:
    """Delete the user agent of up to `limit` clicks older than `before`; return whether none is left."""
    old = select(Click.id).where(Click.has_user_agent(), Click.at < before).order_by(Click.at).limit(limit)
    emptied = update(Click).where(Click.id.in_(old)).values(user_agent="")
    done = session.execute(emptied, execution_options=WITHOUT_SYNC)
    number: int = done.rowcount  # type: ignore[attr-defined] # an UPDATE gives a cursor's result
    return number < limit
