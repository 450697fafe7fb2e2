"""Who sends: the processes that share the connections to the relays. Each takes its part, and none waits for another.

A row says that a process is there. What it holds is said by the batches; the row is how one that found every seat
taken makes the others move over, at the end of the batches in their hands.
"""

from datetime import datetime, timedelta

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from digest.db import upsert
from digest.delivery.ledger.models import Sender
from digest.delivery.sending.liveness import Watch

# After so many seconds without a word a process has no part any more.
WATCH: Watch[tuple[str, datetime]] = Watch(20.0)
PAST = timedelta(hours=1)  # a row as old as that is of an earlier issue: no clock is that wrong


def here(session: Session, name: str, now: datetime, at: float) -> None:
    """Say that this process sends, or would; and forget the others that say nothing. `at` is on `claim.moment`."""
    row = upsert(session, Sender).values(name=name, seen_at=now)
    session.execute(row.on_conflict_do_update(index_elements=["name"], set_={"seen_at": now}))
    others = session.execute(select(Sender.name, Sender.seen_at).where(Sender.name != name)).all()
    silent = [other for other, _ in WATCH.silent([(one.name, one.seen_at) for one in others], at)]
    if silent:
        # One that speaks at this moment is left: two that waited for each other here would wait for ever.
        free = select(Sender.name).where(Sender.name.in_(silent)).with_for_update(skip_locked=True)
        session.execute(delete(Sender).where(Sender.name.in_(free)))


def of(holder: str) -> str:
    """The process that a batch's holder is a part of."""
    return holder.rpartition(":")[0].rpartition(":")[0]


def leave(session: Session, name: str, now: datetime) -> None:
    """This process ends: the others take its part at once. Forgets those of yesterday, too."""
    session.execute(delete(Sender).where((Sender.name == name) | (Sender.seen_at < now - timedelta(days=1))))
