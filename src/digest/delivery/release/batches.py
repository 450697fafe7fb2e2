"""Cutting deliveries into batches: what one connection claims at a time. Set-based, for there may be a million."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import BigInteger, ColumnElement, case, delete, func, insert, select, update
from sqlalchemy.orm import Session

from digest.db import WITHOUT_SYNC
from digest.delivery.ledger.models import Batch, Delivery, FrozenIssue
from digest.delivery.release import canary
from digest.editorial.models import Issue, State

BATCH_SIZE = 1000  # mails in a batch
CHUNK_SIZE = 20_000  # deliveries cut in one transaction
OPEN_STATES = (State.SENDING, State.SENT)  # in a sent issue a person may have asked for one more try


def create_batches(
    session: Session, issue_id: int, mails: int, now: datetime, *, is_canary: bool = False
) -> list[int]:
    """Empty batches with room for `mails`, and for some that may come in between; `settle` removes what is left."""
    rows = [
        {"issue_id": issue_id, "due_at": now, "size": 0, "is_canary": is_canary}
        for _ in range(-(-mails // BATCH_SIZE) + 1)
    ]
    made = session.scalars(insert(Batch).returning(Batch.id, sort_by_parameter_order=True), rows)
    return sorted(made)


def batch_expression(batch_ids: Sequence[int], seat: ColumnElement[int]) -> ColumnElement[int | None]:
    """The batch in which a seat is, counted from 0 over all of these; NULL for none, and when they are full.

    A look-up in words: a join with the new batches costs a third of the whole freeze.
    """
    return case(dict(enumerate(batch_ids)), value=seat.op("/", return_type=BigInteger())(BATCH_SIZE))


def finalize_batches(session: Session, batch_ids: list[int]) -> int:
    """Count what each new batch holds, and remove the empty ones; gives the number of mails in them."""
    held = select(func.count()).where(Delivery.batch_id == Batch.id).scalar_subquery()
    session.execute(
        update(Batch).where(Batch.id.in_(batch_ids)).values(size=held), execution_options=WITHOUT_SYNC
    )
    empty = delete(Batch).where(Batch.id.in_(batch_ids), Batch.size == 0)
    session.execute(empty, execution_options=WITHOUT_SYNC)
    return session.scalar(select(func.coalesce(func.sum(Batch.size), 0)).where(Batch.id.in_(batch_ids))) or 0


def batch_retries(session: Session, now: datetime, limit: int = CHUNK_SIZE) -> int:
    """Put those whose waiting time is over into new batches; gives how many there were, up to `limit` per issue."""
    waiting = select(Delivery.issue_id).where(Delivery.due_at <= now, Delivery.outcome.is_(None))
    going = select(Issue.id).where(Issue.state.in_(OPEN_STATES), Issue.id.in_(waiting))
    # A canary stays together until somebody has looked at it; who waits for more answers tries it again, alone.
    unseen = select(FrozenIssue.issue_id).where(
        FrozenIssue.canary_size > 0, FrozenIssue.canary_passed_at.is_(None)
    )
    first = going.where(Issue.id.in_(select(FrozenIssue.issue_id).where(canary.awaits_judgement())))
    rest = going.where(Issue.id.not_in(unseen))
    again = sum(
        _fill_batches(session, one, now, limit, of_canary=True) for one in session.scalars(first).all()
    )
    return again + sum(_fill_batches(session, one, now, limit) for one in session.scalars(rest).all())


def batch_unassigned(session: Session, issue_id: int, now: datetime) -> int:
    """Put those of an issue who are in no batch into one, up to a chunk; gives how many."""
    return _fill_batches(session, issue_id, now, CHUNK_SIZE, loose=True)


def _fill_batches(
    session: Session,
    issue_id: int,
    now: datetime,
    limit: int,
    *,
    loose: bool = False,
    of_canary: bool = False,
) -> int:
    # One at a time per issue: two clocks would fill two batches with the same rows.
    session.execute(select(FrozenIssue.issue_id).where(FrozenIssue.issue_id == issue_id).with_for_update())
    due = Delivery.batch_id.is_(None) if loose else Delivery.due_at <= now
    found = select(Delivery.issue_id, Delivery.subscriber_id).where(
        Delivery.issue_id == issue_id, due, Delivery.outcome.is_(None)
    )
    chosen = found.order_by(Delivery.subscriber_id).limit(limit).subquery()
    number = session.scalar(select(func.count()).select_from(chosen)) or 0
    if not number:
        return 0
    ids = create_batches(session, issue_id, number, now, is_canary=of_canary)
    place = (func.row_number().over(order_by=chosen.c.subscriber_id) - 1).label("number")
    ranked = select(chosen.c.issue_id, chosen.c.subscriber_id, place).subquery("ranked")
    session.execute(
        update(Delivery)
        # By the whole key: with the issue as a constant PostgreSQL may take it for one row, and try each on all of it.
        .where(Delivery.issue_id == ranked.c.issue_id, Delivery.subscriber_id == ranked.c.subscriber_id)
        .values(
            batch_id=batch_expression(ids, ranked.c.number), seq=ranked.c.number % BATCH_SIZE, due_at=None
        ),
        execution_options=WITHOUT_SYNC,
    )
    return finalize_batches(session, ids)
