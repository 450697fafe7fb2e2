"""Taking over from a holder that is gone: what its evidence shows is written down, and the batch is free again."""

import logging
from collections.abc import Hashable
from datetime import datetime
from pathlib import Path

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from digest.db import PLAIN
from digest.delivery.ledger import outcomes
from digest.delivery.ledger.models import Batch, Outcome
from digest.delivery.ledger.outcomes import End
from digest.delivery.sending import claim, progress_journal, worker_registry
from digest.delivery.sending.liveness import Watch

LOG = logging.getLogger(__name__)
# Longer than a lease: by then its holder begins nothing more, and its own machine, which can tell more, had its turn.
WATCH: Watch[Hashable] = Watch(claim.LEASE.total_seconds() + 10.0)
_TAKEN = bytes([progress_journal.ACCEPTED])


def recover(session: Session, home: Path, now: datetime) -> int:
    """Settle every batch whose holder is gone; gives how many there were.

    With evidence each mail is known exactly, but for at most one in flight. Without it, whatever may have been
    handed over is unknown, and is not sent again by itself. Then the holder is gone once this process has watched it
    renew nothing for `WATCH.patience` seconds, whatever anybody's clock says.
    """
    rows = select(Batch).where(Batch.holder.is_not(None), Batch.done_at.is_(None)).order_by(Batch.id)
    held = session.scalars(rows).all()
    silent = WATCH.silent([_sign(batch) for batch in held], claim.moment())
    own = progress_journal.home_id(home)
    return sum(_take_over(session, batch, home, own, now, silent=_sign(batch) in silent) for batch in held)


def settle_spent(session: Session, home: Path, now: datetime) -> list[tuple[int, int]]:
    """The claims (batch_id, fence) that are over and still have a file here; forget it once this is committed.

    Whoever took a batch over on another machine could not read our file: what is unknown since, and was taken by
    the relay as our marks show, is settled first. What they show as untouched stays unknown, for the marks of
    another claim may say otherwise.
    """
    left = progress_journal.left(home)  # before the rows are read: a claim's file is made after its commit
    ids = {batch_id for batch_id, _ in left}
    batches = (
        {batch.id: batch for batch in session.scalars(select(Batch).where(Batch.id.in_(ids)))} if ids else {}
    )
    spent = [
        (batch_id, fence)
        for batch_id, fence in left
        if _over(batches.get(batch_id), fence) and not progress_journal.held(home, batch_id, fence)
    ]
    for batch_id, fence in spent:
        marks = progress_journal.read(home, batch_id, fence) or b""
        unknown = outcomes.unknown(session, batch_id)
        ends, _ = _told([row for row in unknown if marks[row[1] : row[1] + 1] == _TAKEN], marks, 0)
        outcomes.write(session, batches[batch_id].issue_id, ends, now)
        if ends:
            LOG.info("unknown settled", extra={"batch": batch_id, "settled": len(ends)})
    return spent


def _over(batch: Batch | None, fence: int) -> bool:
    """A fence only grows, and one that is current without a holder was given back with all that was known."""
    return batch is not None and (batch.fence > fence or (batch.fence == fence and batch.holder is None))


def _sign(batch: Batch) -> Hashable:
    """What its holder changes with each renewal."""
    return batch.id, batch.fence, batch.holder, batch.started, batch.lease_until


def _take_over(session: Session, batch: Batch, home: Path, own: str, now: datetime, *, silent: bool) -> bool:
    ours = str(batch.holder).startswith(own + ":")
    if not _gone(batch, home, ours=ours, silent=silent):
        return False
    won = session.scalar(
        update(Batch)
        .where(Batch.id == batch.id, Batch.fence == batch.fence, Batch.holder == batch.holder)
        # A holder that came back and renewed meanwhile has begun more than was read here.
        .where(Batch.started == batch.started, Batch.lease_until == batch.lease_until)
        .values(fence=Batch.fence + 1, holder=None, lease_until=None)
        .returning(Batch.id),
        execution_options=PLAIN,
    )
    if won is None:
        return False
    worker_registry.leave(
        session, worker_registry.of(str(batch.holder)), now
    )  # one that lives says so again within seconds
    marks = progress_journal.read(home, batch.id, batch.fence) if ours else None
    ends, reached = _told(outcomes.unresolved(session, batch), marks, batch.started)
    outcomes.write(session, batch.issue_id, ends, now)
    session.execute(
        update(Batch).where(Batch.id == batch.id).values(started=reached),
        execution_options=PLAIN,
    )
    LOG.warning(
        "batch taken over", extra={"batch": batch.id, "evidence": marks is not None, "settled": len(ends)}
    )
    return True


def _gone(batch: Batch, home: Path, *, ours: bool, silent: bool) -> bool:
    """A lock that is free means gone at once; a held one means alive, however late; otherwise the watch decides."""
    if ours:
        if progress_journal.held(home, batch.id, batch.fence):
            return False
        if progress_journal.read(home, batch.id, batch.fence) is not None:
            return True
    return silent


def _told(rows: list[tuple[int, int]], marks: bytes | None, started: int) -> tuple[list[End], int]:
    """The outcomes that the marks show, and the place from which to go on."""
    ends, reached = [], started
    for subscriber_id, place in rows:
        mark = progress_journal.HANDED_OVER if marks is None or place >= len(marks) else marks[place]
        if mark == progress_journal.ACCEPTED:
            why = "taken by the relay just before a crash; its words are lost"
            ends.append(End(subscriber_id, Outcome.ACCEPTED, None, why))
        elif mark == progress_journal.HANDED_OVER:
            why = "the process ended while this mail was under way"
            ends.append(End(subscriber_id, Outcome.UNKNOWN, "crash", why))
        else:
            reached = min(reached, place)
    return ends, reached
