"""Taking over a batch whose holder died: what its journal proves is recorded, and the batch is free again."""

import logging
from collections.abc import Hashable
from datetime import datetime
from pathlib import Path

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from digest.committed_log import log_when_committed
from digest.db import WITHOUT_SYNC
from digest.delivery.ledger import outcomes
from digest.delivery.ledger.models import Batch, Outcome
from digest.delivery.ledger.outcomes import OutcomeRecord
from digest.delivery.sending import claim, progress_journal, worker_registry
from digest.delivery.sending.liveness import LivenessMonitor

LOG = logging.getLogger(__name__)
# Longer than a lease: by then the holder begins nothing, and its own machine, which can read its journal, had its turn.
LIVENESS: LivenessMonitor[Hashable] = LivenessMonitor(claim.LEASE.total_seconds() + 10.0)
_ACCEPTED = bytes([progress_journal.ACCEPTED])


def recover_batches(session: Session, home: Path, now: datetime) -> int:
    """Settle every batch whose holder has died, and return how many there were.

    With its journal the state of each mail is known exactly, except for at most one in flight. Without it, whatever may
    have been handed over is unknown and is not sent again by itself; the holder then counts as dead once this process
    has seen it renew nothing for `LIVENESS.patience` seconds, whatever any clock says.
    """
    rows = select(Batch).where(Batch.holder.is_not(None), Batch.done_at.is_(None)).order_by(Batch.id)
    claimed_batches = session.scalars(rows).all()
    silent = LIVENESS.find_silent([_heartbeat(batch) for batch in claimed_batches], claim.boot_time())
    own = progress_journal.home_id(home)
    return sum(
        _take_over(session, batch, home, own, now, silent=_heartbeat(batch) in silent)
        for batch in claimed_batches
    )


def settle_spent_journals(session: Session, home: Path, now: datetime) -> list[tuple[int, int]]:
    """The claims (batch_id, fence) that are over but still have a journal here; delete it once this is committed.

    A process that took a batch over on another machine could not read our journal: what has been unknown since, and was
    accepted according to our marks, is settled first. What they show as untouched stays unknown, because the
    marks of another claim may say otherwise.
    """
    journals = progress_journal.list_journals(
        home
    )  # before reading the rows: a journal is created after its claim is committed

    ids = {batch_id for batch_id, _ in journals}
    batches = (
        {batch.id: batch for batch in session.scalars(select(Batch).where(Batch.id.in_(ids)))} if ids else {}
    )
    spent = [
        (batch_id, fence)
        for batch_id, fence in journals
        if _is_spent(batches.get(batch_id), fence) and not progress_journal.is_held(home, batch_id, fence)
    ]
    for batch_id, fence in spent:
        marks = progress_journal.read_marks(home, batch_id, fence) or b""
        unknown = outcomes.fetch_unknown(session, batches[batch_id])
        records, _ = _outcomes_from_marks(
            [row for row in unknown if marks[row[1] : row[1] + 1] == _ACCEPTED], marks, 0
        )
        outcomes.record_outcomes(session, batches[batch_id].issue_id, records, now)
        if records:
            log_when_committed(
                session, LOG, logging.INFO, "unknown deliveries settled", batch=batch_id, settled=len(records)
            )
    return spent


def _is_spent(batch: Batch | None, fence: int) -> bool:
    """Whether a claim is over. Fences only grow; a current one without a holder was released with all outcomes."""
    return batch is not None and (batch.fence > fence or (batch.fence == fence and batch.holder is None))


def _heartbeat(batch: Batch) -> Hashable:
    """What the holder changes with each renewal."""
    return batch.id, batch.fence, batch.holder, batch.started_upto, batch.lease_until


def _take_over(session: Session, batch: Batch, home: Path, own: str, now: datetime, *, silent: bool) -> bool:
    ours = str(batch.holder).startswith(own + ":")
    if not _is_gone(batch, home, ours=ours, silent=silent):
        return False
    won_batch_id = session.scalar(
        update(Batch)
        .where(Batch.id == batch.id, Batch.fence == batch.fence, Batch.holder == batch.holder)
        # A holder that came back and renewed meanwhile has begun more than we read.
        .where(Batch.started_upto == batch.started_upto, Batch.lease_until == batch.lease_until)
        .values(fence=Batch.fence + 1, holder=None, lease_until=None)
        .returning(Batch.id),
        execution_options=WITHOUT_SYNC,
    )
    if won_batch_id is None:
        return False
    # A process that is alive registers again within seconds.
    worker_registry.deregister(session, worker_registry.worker_name(str(batch.holder)), now)

    marks = progress_journal.read_marks(home, batch.id, batch.fence) if ours else None
    records, started_upto = _outcomes_from_marks(
        outcomes.fetch_unresolved(session, batch), marks, batch.started_upto
    )
    outcomes.record_outcomes(session, batch.issue_id, records, now)
    session.execute(
        update(Batch).where(Batch.id == batch.id).values(started_upto=started_upto),
        execution_options=WITHOUT_SYNC,
    )
    log_when_committed(
        session,
        LOG,
        logging.WARNING,
        "batch taken over",
        batch=batch.id,
        journal=marks is not None,
        settled=len(records),
    )
    return True


def _is_gone(batch: Batch, home: Path, *, ours: bool, silent: bool) -> bool:
    """A free lock means dead at once; a held one means alive, however late; otherwise liveness decides."""
    if ours:
        if progress_journal.is_held(home, batch.id, batch.fence):
            return False
        if progress_journal.read_marks(home, batch.id, batch.fence) is not None:
            return True
    return silent


def _outcomes_from_marks(
    rows: list[tuple[int, int]], marks: bytes | None, started_upto: int
) -> tuple[list[OutcomeRecord], int]:
    """The outcomes that the marks prove, and the position from which to go on."""
    records, new_started_upto = [], started_upto
    for subscriber_id, place in rows:
        mark = progress_journal.HANDED_OVER if marks is None or place >= len(marks) else marks[place]
        if mark == progress_journal.ACCEPTED:
            reply = "accepted just before a crash; the reply is lost"

            records.append(OutcomeRecord(subscriber_id, Outcome.ACCEPTED, None, reply))

        elif mark == progress_journal.HANDED_OVER:
            reply = "the process ended while this mail was being sent"

            records.append(OutcomeRecord(subscriber_id, Outcome.UNKNOWN, "crash", reply))

        else:
            new_started_upto = min(new_started_upto, place)
    return records, new_started_upto
