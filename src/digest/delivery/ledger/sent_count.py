"""Count sent mails in the ledger, for the daily quota when the rate-limit store has no count."""

from datetime import datetime

from sqlalchemy import func, or_, select
from sqlalchemy.orm import Session

from digest.delivery.ledger.models import Batch, Delivery
from digest.editorial.models import Issue


def count_sent_since(session: Session, since: datetime) -> int:
    """How many mails of issues were handed to a relay since `since`, including those that may be in flight."""
    recent = select(Issue.id).where(Issue.started_at.is_not(None))
    recent = recent.where(or_(Issue.finished_at.is_(None), Issue.finished_at >= since))
    ended = select(func.count()).where(
        Delivery.issue_id.in_(recent), Delivery.ended_at >= since, Delivery.attempts > 0
    )
    in_flight = (
        select(func.count())
        .select_from(Delivery)
        .join(Batch, Batch.id == Delivery.batch_id)
        .where(Batch.holder.is_not(None), Batch.done_at.is_(None), Delivery.seq < Batch.started_upto)
        .where(Delivery.outcome.is_(None), Delivery.due_at.is_(None))
    )
    return (session.scalar(ended) or 0) + (session.scalar(in_flight) or 0)
