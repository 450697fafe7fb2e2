"""Count sent mails in the ledger, for the daily quota when the rate-limit store has no count."""

from datetime import datetime

from sqlalchemy import func, or_, select
from sqlalchemy.orm import Session

from digest.delivery.ledger.models import Batch
from digest.delivery.ledger.partitions import table_of
from digest.editorial.models import Issue


def count_sent_since(session: Session, since: datetime) -> int:
    """How many mails of issues were handed to a relay since `since`, including those that may be in flight."""
    recent = select(Issue.id).where(Issue.started_at.is_not(None))
    recent = recent.where(or_(Issue.finished_at.is_(None), Issue.finished_at >= since))
    held = select(Batch.issue_id).where(Batch.holder.is_not(None), Batch.done_at.is_(None)).distinct()
    return sum(_count_ended(session, issue_id, since) for issue_id in session.scalars(recent).all()) + sum(
        _count_in_flight(session, issue_id) for issue_id in session.scalars(held).all()
    )


def _count_ended(session: Session, issue_id: int, since: datetime) -> int:
    delivery = table_of(session, issue_id).c
    ended = select(func.count()).where(
        delivery.issue_id == issue_id, delivery.ended_at >= since, delivery.attempts > 0
    )
    return session.scalar(ended) or 0


def _count_in_flight(session: Session, issue_id: int) -> int:
    delivery = table_of(session, issue_id).c
    in_flight = (
        select(func.count())
        .select_from(Batch)
        .join(delivery.batch_id.table, Batch.id == delivery.batch_id)
        .where(Batch.issue_id == issue_id, Batch.holder.is_not(None), Batch.done_at.is_(None))
        .where(delivery.seq < Batch.started_upto, delivery.outcome.is_(None), delivery.due_at.is_(None))
    )
    return session.scalar(in_flight) or 0
