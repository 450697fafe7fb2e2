"""Read pending deliveries from the ledger and record outcomes, in bulk and without an ORM object per row."""

import json
from collections.abc import Iterable, Sequence
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
    """Record outcomes. A delivery that has ended keeps its outcome, except that an unknown one may become known.

    It is not put off, as by a worker that comes back after its batch was taken over: its issue may be over, and nobody
    sends again what is unknown unless a person says so.
    """
    # The common case has its own statement, because the drivers are slow at binding NULLs and arrays.
    accepted: list[OutcomeRecord] = []
    others: list[OutcomeRecord] = []
    for record in records:
        is_simple = record.outcome == ACCEPTED and record.reason is None and record.tried == 1
        (accepted if is_simple else others).append(record)
    on_postgresql = is_postgresql(session)
    if accepted:
        (_accept_postgres if on_postgresql else _accept_sqlite)(session, issue_id, accepted, now)
    if others:
        (_update_postgres if on_postgresql else _update_sqlite)(session, issue_id, others, now)


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
WHERE issue_id = ? AND subscriber_id = ? AND (outcome IS NULL OR (outcome = 'unknown' AND ?))
"""
# Force index lookups: without statistics for a new issue, the planner would scan the whole table for each group. The
# issue id is passed per row, since given a constant the planner may expect one row and try each on the whole issue.
_FORCE_INDEX_SCAN = (
    "SELECT set_config('enable_seqscan', 'off', true), set_config('enable_hashjoin', 'off', true)"
)
_POSTGRES_ACCEPTED = """
UPDATE {table} AS delivery SET outcome = 'accepted', reason = NULL, reply = e.reply, attempts = attempts + 1,
    due_at = NULL, ended_at = %(now)s::timestamptz
FROM ROWS FROM (unnest(%(issues)s::bigint[]), unnest(%(ids)s::bigint[]), json_array_elements_text(%(replies)s::json))
    AS e (issue_id, subscriber_id, reply)
WHERE delivery.issue_id = e.issue_id AND delivery.subscriber_id = e.subscriber_id
    AND (delivery.outcome IS NULL OR delivery.outcome = 'unknown')
"""
_POSTGRES_UPDATE = """
UPDATE {table} AS delivery SET outcome = e.outcome, reason = e.reason, reply = e.reply, attempts = attempts + e.tried,
    due_at = e.due_at, ended_at = CASE WHEN e.outcome IS NOT NULL THEN %(now)s::timestamptz END
FROM unnest(%(issues)s::bigint[], %(ids)s::bigint[], %(outcomes)s::text[], %(reasons)s::text[], %(replies)s::text[],
    %(tried)s::int[], %(due)s::timestamptz[]) AS e (issue_id, subscriber_id, outcome, reason, reply, tried, due_at)
WHERE delivery.issue_id = e.issue_id AND delivery.subscriber_id = e.subscriber_id
    AND (delivery.outcome IS NULL OR (delivery.outcome = 'unknown' AND e.outcome IS NOT NULL))
"""


def _accept_sqlite(session: Session, issue_id: int, records: Sequence[OutcomeRecord], now: datetime) -> None:
    # Use the driver's executemany: a statement object and a dict per row cost more than the update.
    at = _sqlite_datetime(now)
    rows: list[tuple[Any, ...]] = [(record.reply, at, issue_id, record.subscriber_id) for record in records]
    session.connection().exec_driver_sql(_SQLITE_ACCEPTED, rows)


def _update_sqlite(session: Session, issue_id: int, records: Sequence[OutcomeRecord], now: datetime) -> None:
    at = _sqlite_datetime(now)
    rows: list[tuple[Any, ...]] = []
    for record in records:
        due = _sqlite_datetime(record.due_at) if record.due_at else None
        ended = at if record.outcome else None
        what = record.outcome, record.reason, record.reply, record.tried, due, ended
        rows.append((*what, issue_id, record.subscriber_id, record.outcome is not None))
    session.connection().exec_driver_sql(_SQLITE_UPDATE, rows)


def _accept_postgres(
    session: Session, issue_id: int, records: Sequence[OutcomeRecord], now: datetime
) -> None:
    # The driver takes some microseconds for each element of a list, and JSON is written at once.
    values = {"replies": json.dumps([record.reply for record in records]), "now": now}
    _run_postgres(session, _POSTGRES_ACCEPTED, issue_id, records, values)


def _update_postgres(
    session: Session, issue_id: int, records: Sequence[OutcomeRecord], now: datetime
) -> None:
    _, outcomes, reasons, replies, tried, due = (list(column) for column in zip(*records, strict=True))
    values = {
        "outcomes": outcomes,
        "reasons": reasons,
        "replies": replies,
        "tried": tried,
        "due": due,
        "now": now,
    }
    _run_postgres(session, _POSTGRES_UPDATE, issue_id, records, values)


def _run_postgres(
    session: Session, update: str, issue_id: int, records: Sequence[OutcomeRecord], values: dict[str, object]
) -> None:
    connection = session.connection()
    if not session.info.get(_FORCE_INDEX_SCAN):  # once in a transaction, of which each session has one
        connection.exec_driver_sql(_FORCE_INDEX_SCAN)
        session.info[_FORCE_INDEX_SCAN] = True
    values["ids"] = _bigint_array([record.subscriber_id for record in records])
    values["issues"] = _bigint_array([issue_id] * len(records))
    connection.exec_driver_sql(update.format(table=table_of(session, issue_id).name), values)


def _bigint_array(numbers: Iterable[int]) -> str:
    """An array of PostgreSQL, as text because the driver takes four times as long for a list."""
    return f"{{{','.join(map(str, numbers))}}}"


def _sqlite_datetime(at: datetime) -> str:
    """A time in the format that SQLAlchemy uses for SQLite."""
    return at.strftime("%Y-%m-%d %H:%M:%S.%f")
