"""Delete what is left of old issues after the retention period: totals first, then deliveries, batches and emails.

Each function is one step in a transaction of its own. Nothing is deleted before its totals are stored, and an issue
with totals can never be sent again.
"""

import logging
from datetime import datetime
from typing import Final

from sqlalchemy import ColumnElement, delete, func, select, text, update
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from digest.committed_log import log_when_committed
from digest.db import WITHOUT_SYNC
from digest.delivery.ledger import partitions, totals
from digest.delivery.ledger.models import Batch, Delivery, FrozenIssue
from digest.delivery.ledger.partitions import Partition
from digest.delivery.ledger.retention import CHUNK, select_ended
from digest.delivery.release import canary
from digest.editorial.models import Issue, State

LOG = logging.getLogger(__name__)
DROP_LOCK_TIMEOUT_MS: Final = 300  # others wait behind us meanwhile; the next run tries again
_LOCK_NOT_AVAILABLE = "55P03"


def total_next(session: Session, before: datetime, now: datetime) -> bool:
    """Store the totals of one issue that ended before `before`; True when none is left."""
    due = select_ended(before).where(FrozenIssue.deliveries_totalled_at.is_(None))
    for frozen in session.scalars(due.with_for_update(of=FrozenIssue)):
        if _is_open(session, frozen.issue_id):
            continue
        if status := canary.find_canary(session, frozen.issue_id):
            frozen.canary_answered, frozen.canary_refused = status.answered, status.refused
        totals.store_totals(session, frozen, now)
        log_when_committed(session, LOG, logging.INFO, "deliveries totalled", issue=frozen.issue_id)
        return False
    return True


def drop_next_partition(session: Session, now: datetime) -> bool:
    """On PostgreSQL, drop one partition whose issues all have totals; True when there is none, or no lock for it."""
    newest = session.scalar(select(func.max(Issue.id))) or 0
    expired = next(
        (found for found in partitions.list_partitions(session) if _is_expired(session, found, newest)), None
    )
    if expired is None:
        return True
    try:
        with session.begin_nested():
            session.execute(text(f"SET LOCAL lock_timeout = {DROP_LOCK_TIMEOUT_MS}"))
            session.execute(text(f"DROP TABLE {expired.table}"))
    except OperationalError as error:
        if getattr(error.orig, "sqlstate", None) != _LOCK_NOT_AVAILABLE:
            raise
        LOG.info("partition in use, dropped later", extra={"partition": expired.table})
        return True
    numbers = select(FrozenIssue.issue_id).where(
        _within(expired), FrozenIssue.deliveries_deleted_at.is_(None)
    )
    for issue_id in session.scalars(numbers).all():
        _mark_deleted(session, issue_id, now)
    log_when_committed(session, LOG, logging.INFO, "partition dropped", partition=expired.table)
    return False


def delete_deliveries(session: Session, now: datetime, limit: int = CHUNK) -> bool:
    """Delete up to `limit` deliveries of an issue with totals; True when none is left.

    A partition of its own is not touched: it is dropped as a whole.
    """
    totalled = select(FrozenIssue.issue_id).where(
        FrozenIssue.deliveries_totalled_at.is_not(None), FrozenIssue.deliveries_deleted_at.is_(None)
    )
    for issue_id in session.scalars(totalled.order_by(FrozenIssue.issue_id)).all():
        partition = partitions.find_partition(session, issue_id)
        if partition is None or partition.is_shared:
            if not _delete_some(session, issue_id, limit):
                _mark_deleted(session, issue_id, now)
            return False
    return True


def delete_emails(session: Session, before: datetime, now: datetime) -> bool:
    """Delete the emails of one issue that ended before `before`; its public page stays. True when none is left."""
    due = select_ended(before).where(FrozenIssue.emails_deleted_at.is_(None))
    for frozen in session.scalars(due.with_for_update(of=FrozenIssue)):
        if not _is_open(session, frozen.issue_id):
            frozen.compiled, frozen.emails_deleted_at = b"", now
            return False
    return True


def _is_open(session: Session, issue_id: int) -> bool:
    """Whether any delivery has not ended. The index of deferred ones first; only then all rows."""
    open_ = select(Delivery.subscriber_id).where(Delivery.issue_id == issue_id, Delivery.outcome.is_(None))
    deferred = open_.where(Delivery.due_at.is_not(None)).limit(1)
    return session.scalar(deferred) is not None or session.scalar(open_.limit(1)) is not None


def _is_expired(session: Session, partition: Partition, newest: int) -> bool:
    """Whether every issue of the range has totals or was cancelled unfrozen, and no other can fall into it."""
    if newest < partition.stop - 1:
        return False
    issues = select(Issue.id).outerjoin(FrozenIssue, FrozenIssue.issue_id == Issue.id)
    issues = issues.where(Issue.id >= partition.start, Issue.id < partition.stop)
    never_frozen = (Issue.state != State.CANCELLED) & FrozenIssue.issue_id.is_(None)
    kept = never_frozen | (FrozenIssue.issue_id.is_not(None) & FrozenIssue.deliveries_totalled_at.is_(None))
    return session.scalar(issues.where(kept).limit(1)) is None


def _within(partition: Partition) -> ColumnElement[bool]:
    return FrozenIssue.issue_id.between(partition.start, partition.stop - 1)


def _delete_some(session: Session, issue_id: int, limit: int) -> bool:
    """Delete the next deliveries of an issue; False when there was none."""
    delivery = partitions.table_of(session, issue_id)
    row = delivery.c
    some = select(row.subscriber_id).where(row.issue_id == issue_id).order_by(row.subscriber_id).limit(limit)
    last = session.scalar(select(func.max(some.subquery().c.subscriber_id)))
    if last is None:
        return False
    session.execute(delete(delivery).where(row.issue_id == issue_id, row.subscriber_id <= last))
    return True


def _mark_deleted(session: Session, issue_id: int, now: datetime) -> None:
    session.execute(delete(Batch).where(Batch.issue_id == issue_id), execution_options=WITHOUT_SYNC)
    deleted = update(FrozenIssue).where(FrozenIssue.issue_id == issue_id).values(deliveries_deleted_at=now)
    session.execute(deleted, execution_options=WITHOUT_SYNC)
