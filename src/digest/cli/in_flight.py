"""What workers are still sending, for an upgrade that waits for it."""

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sqlalchemy.orm import Session


@dataclass(frozen=True)
class InFlight:
    """Claims of emails that have not ended, and when the last of them does if its worker was killed."""

    batches: int
    letters: int
    until: datetime

    def __str__(self) -> str:
        kinds = ((self.batches, "batch", "batches"), (self.letters, "single email", "single emails"))
        what = " and ".join(f"{count} {one if count == 1 else many}" for count, one, many in kinds if count)
        return f"emails in flight: {what}, until {self.until:%H:%M:%S} UTC at the latest"


def find_in_flight(session: "Session") -> InFlight | None:
    """What is being sent; None when nothing is, or when no worker is left that could be sending it.

    Reads only columns that released versions have: the database may be of an older one.
    """
    from sqlalchemy import func, select

    from digest.db import database_now
    from digest.delivery.ledger.models import Batch, Letter
    from digest.monitoring.heartbeats import SILENT_AFTER, Kind
    from digest.monitoring.models import Heartbeat

    now = database_now(session)
    alive = select(Heartbeat.name).where(
        Heartbeat.kind == Kind.WORKER, Heartbeat.stopped_at.is_(None), Heartbeat.seen_at > now - SILENT_AFTER
    )
    if session.scalar(alive.limit(1)) is None:
        return None
    batches, batches_until = session.execute(
        select(func.count(), func.max(Batch.lease_until)).where(
            Batch.holder.is_not(None), Batch.lease_until > now, Batch.done_at.is_(None)
        )
    ).one()
    letters, letters_until = session.execute(
        select(func.count(), func.max(Letter.claimed_until)).where(
            Letter.claimed_until > now, Letter.outcome.is_(None)
        )
    ).one()
    if not batches + letters:
        return None
    return InFlight(batches, letters, max(until for until in (batches_until, letters_until) if until))
