"""Read pending deliveries from the ledger and record outcomes, in bulk and without an ORM object per row."""

from collections.abc import Sequence
from datetime import datetime
from functools import cache
from typing import Any, Final, NamedTuple

from sqlalchemy import Select, Table, bindparam, case, select
from sqlalchemy.orm import Session

from digest.audience import eligibility
from digest.audience.models import Subscriber, Subscription
from digest.db import UtcDateTime, is_postgresql
from digest.delivery.ledger.models import Batch, Outcome
from digest.delivery.ledger.partitions import table_of
from digest.editorial.models import Issue

MAX_REPLY_CHARS = 500
ACCEPTED: Final = Outcome.ACCEPTED.value
REPLY_LOST = "reply lost"  # why a delivery is unknown: the connection broke before the relay's reply


class OutcomeRecord(NamedTuple):
    """The result of one attempt at a delivery. With `outcome` None, it is retried at `due_at`."""

    subscriber_id: int
    outcome: str | None
    reason: str | None
    reply: str | None
    tried: int = 1  # attempts to add; 0: nothing was handed to the relay
    due_at: datetime | None = None


class PendingDelivery(NamedTuple):
    """A delivery to send now. `reason` says why not to send it after all, `previous_reason` what happened before."""

    subscriber_id: int
    seq: int
    variant: int | None
    attempts: int
    reply: str | None
    previous_reason: str | None
    address: str | None
    reason: str | None
    import_id: int | None


def fetch_pending(
    session: Session, issue_id: int, batch_id: int, seqs: range, now: datetime
) -> Sequence[PendingDelivery]:
    """The pending deliveries of a batch of an issue at the positions `seqs`.

    Eligibility is checked again: readers who unsubscribed, or were suppressed or erased since the freeze get a reason.
    """
    parameters = {"batch": batch_id, "first": seqs.start, "behind": seqs.stop, "now": now}
    # On the connection, because the session would spend time looking for ORM objects.
    statement = _pending_statement(table_of(session, issue_id))
    rows = session.connection().execute(statement, parameters)
    return [tuple.__new__(PendingDelivery, row) for row in rows.all()]


def record_outcomes(session: Session, issue_id: int, records: Sequence[OutcomeRecord], now: datetime) -> None:
    """Record outcomes. A delivery that has ended keeps its outcome, except that an unknown one may become known."""
    if not records:
        return
    if is_postgresql(session):
        _update_postgres(session, issue_id, records, now)
    else:
        _update_sqlite(session, issue_id, records, now)


@cache
def _pending_statement(table: Table) -> Select[*tuple[Any, ...]]:
    """Built once for a table: building the statement costs as much as running it."""
    delivery = table.c
    now: Any = bindparam("now", type_=UtcDateTime())
    reason = case(
        (Subscription.subscriber_id.is_(None), "unsubscribed"), else_=eligibility.exclusion_reason(now)
    )
    return (
        select(
            delivery.subscriber_id,
            delivery.seq,
            delivery.variant,
            delivery.attempts,
            delivery.reply,
            delivery.reason,
            Subscriber.address,
            reason,
            delivery.import_id,
        )
        .join(Issue, Issue.id == delivery.issue_id)
        .join(Subscriber, Subscriber.id == delivery.subscriber_id)
        .outerjoin(
            Subscription,
            (Subscription.subscriber_id == delivery.subscriber_id)
            & (Subscription.publication_id == Issue.publication_id),
        )
        .where(delivery.batch_id == bindparam("batch"), delivery.seq >= bindparam("first"))
        .where(delivery.seq < bindparam("behind"))
        .where(delivery.outcome.is_(None), delivery.due_at.is_(None))
        .order_by(delivery.seq)
    )


def fetch_unresolved(session: Session, batch: Batch) -> list[tuple[int, int]]:
    """(subscriber_id, seq) of deliveries that may have been handed over but have no outcome."""
    delivery = table_of(session, batch.issue_id).c
    rows = (
        select(delivery.subscriber_id, delivery.seq)
        .where(delivery.batch_id == batch.id, delivery.seq < batch.started_upto)
        .where(delivery.outcome.is_(None), delivery.due_at.is_(None))
        .order_by(delivery.seq)
    )
    return [(subscriber_id, seq) for subscriber_id, seq in session.execute(rows) if seq is not None]


def fetch_unknown(session: Session, batch: Batch) -> list[tuple[int, int]]:
    """(subscriber_id, seq) of deliveries in a batch that are unknown since a crash."""
    delivery = table_of(session, batch.issue_id).c
    rows = select(delivery.subscriber_id, delivery.seq).where(
        delivery.batch_id == batch.id, delivery.outcome == Outcome.UNKNOWN.value, delivery.reason == "crash"
    )
    return [(subscriber_id, seq) for subscriber_id, seq in session.execute(rows) if seq is not None]


_SQLITE_ACCEPTED = """
UPDATE delivery SET outcome = 'accepted', reason = NULL, reply = ?, attempts = attempts + 1, due_at = NULL, ended_at = ?
WHERE issue_id = ? AND subscriber_id = ? AND (outcome IS NULL OR outcome = 'unknown')
"""
_SQLITE_UPDATE = """
UPDATE delivery SET outcome = ?, reason = ?, reply = ?, attempts = attempts + ?, due_at = ?, ended_at = ?
WHERE issue_id = ? AND subscriber_id = ? AND (outcome IS NULL OR outcome = 'unknown')
"""
# Force index lookups: without statistics for a new issue, the planner would scan the whole table for each group. The
# issue id is passed per row, since given a constant the planner may expect one row and try each on the whole issue.
_FORCE_INDEX_SCAN = (
    "SELECT set_config('enable_seqscan', 'off', true), set_config('enable_hashjoin', 'off', true)"
)
_POSTGRES_UPDATE = """
UPDATE {table} AS delivery SET outcome = e.outcome, reason = e.reason, reply = e.reply, attempts = attempts + e.tried,
    due_at = e.due_at, ended_at = CASE WHEN e.outcome IS NOT NULL THEN %(now)s::timestamptz END
FROM unnest(%(issues)s::bigint[], %(ids)s::bigint[], %(outcomes)s::text[], %(reasons)s::text[], %(replies)s::text[],
    %(tried)s::int[], %(due)s::timestamptz[]) AS e (issue_id, subscriber_id, outcome, reason, reply, tried, due_at)
WHERE delivery.issue_id = e.issue_id AND delivery.subscriber_id = e.subscriber_id
    AND (delivery.outcome IS NULL OR delivery.outcome = 'unknown')
"""


def _update_sqlite(session: Session, issue_id: int, records: Sequence[OutcomeRecord], now: datetime) -> None:
    # Use the driver's executemany: a statement object and a dict per row cost more than the update.
    at, connection = _sqlite_datetime(now), session.connection()
    accepted: list[tuple[Any, ...]] = []
    others: list[tuple[Any, ...]] = []
    for record in records:
        key = issue_id, record.subscriber_id
        if record.outcome == ACCEPTED and record.reason is None and record.tried == 1:
            # The common case has its own statement, because the driver is slow at binding NULLs.
            accepted.append((record.reply, at, *key))
        else:
            due, ended = (
                _sqlite_datetime(record.due_at) if record.due_at else None,
                at if record.outcome else None,
            )
            others.append((record.outcome, record.reason, record.reply, record.tried, due, ended, *key))
    for statement, rows in ((_SQLITE_ACCEPTED, accepted), (_SQLITE_UPDATE, others)):
        if rows:
            connection.exec_driver_sql(statement, rows)


def _update_postgres(
    session: Session, issue_id: int, records: Sequence[OutcomeRecord], now: datetime
) -> None:
    ids, outcomes, reasons, replies, tried, due = (list(column) for column in zip(*records, strict=True))
    values = {
        "issues": [issue_id] * len(ids),
        "ids": ids,
        "outcomes": outcomes,
        "reasons": reasons,
        "replies": replies,
        "tried": tried,
        "due": due,
        "now": now,
    }
    connection = session.connection()
    connection.exec_driver_sql(_FORCE_INDEX_SCAN)
    connection.exec_driver_sql(_POSTGRES_UPDATE.format(table=table_of(session, issue_id).name), values)


def _sqlite_datetime(at: datetime) -> str:
    """A time in the format that SQLAlchemy uses for SQLite."""
    return at.strftime("%Y-%m-%d %H:%M:%S.%f")
