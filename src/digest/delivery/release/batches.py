"""Group deliveries into batches, which connections claim one at a time. Set-based: there may be a million rows."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import BigInteger, ColumnElement, case, delete, func, insert, select, update
from sqlalchemy.orm import Session

from digest.db import WITHOUT_SYNC
from digest.delivery.ledger.models import Batch, FrozenIssue
from digest.delivery.ledger.partitions import table_of
from digest.delivery.relays import retry_policy
from digest.delivery.release import canary
from digest.editorial.models import Issue, State

MIN_BATCH_SIZE, MAX_BATCH_SIZE = 25, 1000  # mails in a batch
BATCHES_PER_CONNECTION = 4  # so that all connections have work until the end, and end at about the same time
CHUNK_SIZE = 20_000  # deliveries batched in one transaction
OPEN_STATES = (State.SENDING, State.SENT)  # in a sent issue, a person may have asked for a retry


def batch_size(mails: int, connections: int) -> int:
    """How many mails go into a batch when `mails` are sent over `connections`, those of all workers together.

    A connection sends one batch at a time, so a few large batches would leave most connections without work.
    """
    return min(MAX_BATCH_SIZE, max(MIN_BATCH_SIZE, -(-mails // (BATCHES_PER_CONNECTION * connections))))


def create_batches(
    session: Session, issue_id: int, mails: int, now: datetime, *, size: int, is_canary: bool = False
) -> list[int]:
    """Create empty batches of `size` for `mails`, and one to spare; `finalize_batches` removes empty ones."""
    rows = [
        {"issue_id": issue_id, "due_at": now, "size": 0, "is_canary": is_canary}
        for _ in range(-(-mails // size) + 1)
    ]
    batch_ids = session.scalars(insert(Batch).returning(Batch.id, sort_by_parameter_order=True), rows)
    return sorted(batch_ids)


def batch_expression(
    batch_ids: Sequence[int], position: ColumnElement[int], size: int
) -> ColumnElement[int | None]:
    """The batch of a position counted from 0 over all these batches; NULL for NULL, and when they are full.

    A CASE expression, because a join with the new batches costs a third of the whole freeze.
    """
    return case(dict(enumerate(batch_ids)), value=position.op("/", return_type=BigInteger())(size))


def finalize_batches(session: Session, issue_id: int, batch_ids: list[int]) -> int:
    """Set the size of each new batch of an issue and remove empty ones; returns the mails in all of them."""
    delivery = table_of(session, issue_id).c
    size = select(func.count()).where(delivery.batch_id == Batch.id).scalar_subquery()
    session.execute(
        update(Batch).where(Batch.id.in_(batch_ids)).values(size=size), execution_options=WITHOUT_SYNC
    )
    empty = delete(Batch).where(Batch.id.in_(batch_ids), Batch.size == 0)
    session.execute(empty, execution_options=WITHOUT_SYNC)
    return session.scalar(select(func.coalesce(func.sum(Batch.size), 0)).where(Batch.id.in_(batch_ids))) or 0


def batch_retries(session: Session, now: datetime, *, connections: int, limit: int = CHUNK_SIZE) -> int:
    """Put deliveries whose retry is due into new batches, up to `limit` per issue; returns how many.

    A retry whose time lies further ahead than any wait, because a clock was set back, waits for the longest wait.
    """
    reopened = (Issue.state == State.SENT) & FrozenIssue.reopened_at.is_not(None)
    with_retries = select(Issue.id).join(FrozenIssue, FrozenIssue.issue_id == Issue.id)
    with_retries = with_retries.where((Issue.state == State.SENDING) | reopened)
    # Until a canary is judged, its retries go into canary batches of their own and nothing else is retried.
    not_passed = select(FrozenIssue.issue_id).where(
        FrozenIssue.canary_size > 0, FrozenIssue.canary_passed_at.is_(None)
    )
    canaries = with_retries.where(Issue.id.in_(select(FrozenIssue.issue_id).where(canary.awaits_judgement())))
    others = with_retries.where(Issue.id.not_in(not_passed))
    for issue_id in session.scalars(with_retries).all():
        _shorten_waits(session, issue_id, now)
    count = sum(
        _fill_batches(session, issue_id, now, limit, connections=connections, is_canary=True)
        for issue_id in session.scalars(canaries).all()
        if _has_retries(session, issue_id, now)
    )
    return count + sum(
        _fill_batches(session, issue_id, now, limit, connections=connections)
        for issue_id in session.scalars(others).all()
        if _has_retries(session, issue_id, now)
    )


def _shorten_waits(session: Session, issue_id: int, now: datetime) -> None:
    """Let no delivery wait longer than a retry ever does: its time was set by a clock that was ahead."""
    table, latest = table_of(session, issue_id), now + retry_policy.LONGEST_VARIED_WAIT
    delivery = table.c
    too_late = (delivery.issue_id == issue_id, delivery.due_at > latest, delivery.outcome.is_(None))
    if session.scalar(select(delivery.subscriber_id).where(*too_late).limit(1)) is not None:
        _lock(session, issue_id)
        shortened = update(table).where(*too_late).values(due_at=latest)
        session.execute(shortened, execution_options=WITHOUT_SYNC)


def _has_retries(session: Session, issue_id: int, now: datetime) -> bool:
    """Whether a retry is due, by index. Most often none is, and the issue need not be locked."""
    delivery = table_of(session, issue_id).c
    due = select(delivery.subscriber_id).where(
        delivery.issue_id == issue_id, delivery.due_at <= now, delivery.outcome.is_(None)
    )
    return session.scalar(due.limit(1)) is not None


def batch_unassigned(session: Session, issue_id: int, now: datetime, *, connections: int) -> int:
    """Put up to one chunk of an issue's deliveries that have no batch into batches; returns how many."""
    return _fill_batches(session, issue_id, now, CHUNK_SIZE, connections=connections, is_unassigned=True)


def _fill_batches(
    session: Session,
    issue_id: int,
    now: datetime,
    limit: int,
    *,
    connections: int,
    is_unassigned: bool = False,
    is_canary: bool = False,
) -> int:
    _lock(session, issue_id)
    table = table_of(session, issue_id)
    delivery = table.c
    due = delivery.batch_id.is_(None) if is_unassigned else delivery.due_at <= now
    candidates = select(delivery.issue_id, delivery.subscriber_id).where(
        delivery.issue_id == issue_id, due, delivery.outcome.is_(None)
    )
    chosen = candidates.order_by(delivery.subscriber_id).limit(limit).subquery()
    number = session.scalar(select(func.count()).select_from(chosen)) or 0
    if not number:
        return 0
    size = batch_size(number, connections)
    ids = create_batches(session, issue_id, number, now, size=size, is_canary=is_canary)
    position = (func.row_number().over(order_by=chosen.c.subscriber_id) - 1).label("number")
    ranked = select(chosen.c.issue_id, chosen.c.subscriber_id, position).subquery("ranked")
    session.execute(
        update(table)
        # Join on the whole key: given a constant issue, PostgreSQL may expect one row and try each against all.
        .where(delivery.issue_id == ranked.c.issue_id, delivery.subscriber_id == ranked.c.subscriber_id)
        .values(
            batch_id=batch_expression(ids, ranked.c.number, size), seq=ranked.c.number % size, due_at=None
        ),
        execution_options=WITHOUT_SYNC,
    )
    return finalize_batches(session, issue_id, ids)


def _lock(session: Session, issue_id: int) -> None:
    """Lock the issue: otherwise two clocks could put the same rows into two batches."""
    session.execute(select(FrozenIssue.issue_id).where(FrozenIssue.issue_id == issue_id).with_for_update())
