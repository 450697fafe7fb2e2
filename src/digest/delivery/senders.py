"""Who sends: the processes that share the connections to the relays. Each takes its part, and none waits for another.

A row says that a process is there. What it holds is said by the batches; the row is how one that found every seat
taken makes the others move over, at the end of the batches in their hands.
"""

from datetime import datetime, timedelta

from sqlalchemy import delete
from sqlalchemy.orm import Session

from digest.db import upsert
from digest.delivery.models import Sender

GONE = timedelta(seconds=20)  # after so long without a word a process has no part any more


def here(session: Session, name: str, now: datetime) -> None:
    """Say that this process sends, or would."""
    row = upsert(session, Sender).values(name=name, seen_at=now)
    session.execute(row.on_conflict_do_update(index_elements=["name"], set_={"seen_at": now}))


def of(holder: str) -> str:
    """The process that a batch's holder is a part of."""
    return holder.rpartition(":")[0].rpartition(":")[0]


def leave(session: Session, name: str, now: datetime) -> None:
    """This process ends: the others take its part at once. Forgets those of yesterday, too."""
    session.execute(delete(Sender).where((Sender.name == name) | (Sender.seen_at < now - timedelta(days=1))))
