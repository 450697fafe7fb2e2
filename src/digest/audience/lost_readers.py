"""After a restore: the readers who signed up since the backup are lost, but links in their emails still work."""

from datetime import datetime
from typing import Final

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from digest.audience.models import Subscriber
from digest.db import is_postgresql

GAP: Final = 1_000_000  # more readers than anybody gains between two backups


def reserve_numbers(session: Session, now: datetime) -> None:
    """On SQLite, let new readers get numbers far above all that there are; PostgreSQL's sequences do so.

    Otherwise a new reader would get the number of a lost one, whose links to unsubscribe and to preferences would be
    theirs. The row that takes the number is that of an erased reader: it holds nothing, and is deleted like theirs.
    """
    highest = session.scalar(select(func.max(Subscriber.id)))
    if highest is not None and not is_postgresql(session):
        session.add(Subscriber(id=highest + GAP, created_at=now, erased_at=now))
        session.flush()
