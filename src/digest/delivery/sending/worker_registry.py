"""The processes that send, and so share the connections to the relays. Each takes its share; none waits for another.

A row says that a process is alive; what it holds is in the batches. A process that found no free connection slot makes
the others give up some of theirs by registering: they do so when they finish their current batches.
"""

from datetime import datetime, timedelta

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from digest.db import upsert
from digest.delivery.ledger.models import WorkerRegistration
from digest.delivery.sending.liveness import LivenessMonitor

# Seconds without a heartbeat after which a process loses its share.
LIVENESS: LivenessMonitor[tuple[str, datetime]] = LivenessMonitor(20.0)
STALE_AFTER = timedelta(hours=1)  # such an old row belongs to an earlier issue: no clock is that wrong


def heartbeat(session: Session, name: str, now: datetime, at: float) -> None:
    """Say that this process sends, or would; and forget the others that say nothing. `at` is on `claim.moment`."""
    row = upsert(session, WorkerRegistration).values(name=name, seen_at=now)
    session.execute(row.on_conflict_do_update(index_elements=["name"], set_={"seen_at": now}))
    others = session.execute(
        select(WorkerRegistration.name, WorkerRegistration.seen_at).where(WorkerRegistration.name != name)
    ).all()
    silent = [other for other, _ in LIVENESS.find_silent([(one.name, one.seen_at) for one in others], at)]
    if silent:
        # Rows that are locked just now are skipped: two processes could deadlock here.
        free = (
            select(WorkerRegistration.name)
            .where(WorkerRegistration.name.in_(silent))
            .with_for_update(skip_locked=True)
        )
        session.execute(delete(WorkerRegistration).where(WorkerRegistration.name.in_(free)))


def worker_name(holder: str) -> str:
    """The name of the process that a batch's holder belongs to."""
    return holder.rpartition(":")[0].rpartition(":")[0]


def account_key(holder: str) -> str:
    """The key of the SMTP account over which a batch's holder sends."""
    return holder.rpartition(":")[0].rpartition(":")[2]


def deregister(session: Session, name: str, now: datetime) -> None:
    """Remove this process, so that the others take its share at once. Also removes processes of yesterday."""
    session.execute(
        delete(WorkerRegistration).where(
            (WorkerRegistration.name == name) | (WorkerRegistration.seen_at < now - timedelta(days=1))
        )
    )
