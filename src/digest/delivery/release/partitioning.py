"""Give each issue a partition of the delivery table on PostgreSQL before its audience is written; SQLite has none."""

from typing import Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from digest.audience.models import Subscription, SubscriptionStatus
from digest.db import is_postgresql
from digest.delivery.ledger.partitions import ensure_partition, find_partition
from digest.editorial.models import Issue, State

OWN_PARTITION_FROM: Final = 500_000  # subscribers of a publication whose issues do not share a partition
_OPEN_STATES = (State.DRAFT, State.SCHEDULED, State.SENDING)


def prepare_partition(session: Session, issue_id: int) -> bool:
    """Create the partition of an issue unless there is one; True when it was created.

    A large audience has a partition of its own, so that it goes as a whole one day; small ones share. Raises
    OperationalError when its locks are not to be had within two seconds.
    """
    if not is_postgresql(session) or find_partition(session, issue_id) is not None:
        return False
    # No more columns than these: a restore asks, too, whose database may still be of an older version.
    publication_id = session.scalars(select(Issue.publication_id).where(Issue.id == issue_id)).one()
    return ensure_partition(session, issue_id, own=_has_large_audience(session, publication_id))


def prepare_next(session: Session) -> bool:
    """Create the partition of one issue that is drafted or scheduled and has none; True when none is missing."""
    if not is_postgresql(session):
        return True
    coming = session.scalars(select(Issue.id).where(Issue.state.in_(_OPEN_STATES)).order_by(Issue.id))
    return not any(prepare_partition(session, issue_id) for issue_id in coming)


def _has_large_audience(session: Session, publication_id: int) -> bool:
    """Whether the publication has so many subscribers; reads no more of them than that."""
    subscribers = select(Subscription.subscriber_id).where(
        Subscription.publication_id == publication_id, Subscription.status == SubscriptionStatus.ACTIVE.value
    )
    return session.scalar(subscribers.offset(OWN_PARTITION_FROM - 1).limit(1)) is not None
