"""Leaving, at once and without a question; and taking it back within thirty days."""

from datetime import datetime, timedelta

from sqlalchemy import case, exists, select, update
from sqlalchemy.orm import Session

from digest.audience import consent
from digest.audience.models import Subscriber, Subscription, SubscriptionStatus

UNDO_FOR = timedelta(days=30)


def unsubscribe(
    session: Session,
    publication_id: int,
    subscriber_id: int,
    *,
    source: str,
    now: datetime,
    wording: str = "",
) -> bool:
    """Take a reader out of one publication. True when they were in it until now; asking again is no error.

    `source` says how: "header" (RFC 8058), "page", "desk", "cli".
    """
    left = session.execute(
        update(Subscription)
        .where(
            Subscription.subscriber_id == subscriber_id,
            Subscription.publication_id == publication_id,
            Subscription.status != SubscriptionStatus.UNSUBSCRIBED.value,
        )
        .values(status=SubscriptionStatus.UNSUBSCRIBED.value, unsubscribed_at=now)
        .returning(Subscription.subscriber_id)
    ).all()
    if left:
        consent.record(
            session,
            subscriber_id=subscriber_id,
            publication_id=publication_id,
            kind=consent.Kind.UNSUBSCRIBED,
            source=source,
            wording=wording,
            now=now,
        )
    return bool(left)


def resubscribe(
    session: Session,
    publication_id: int,
    subscriber_id: int,
    *,
    source: str,
    now: datetime,
    wording: str = "",
) -> bool:
    """Take a leaving back within thirty days; the reader stands as before, a pending sign-up as pending.

    True when it was taken back; False when there was nothing to take back, it is too late, or the address is
    suppressed or erased.
    """
    mailable = exists(
        select(Subscriber.id).where(
            Subscriber.id == subscriber_id, Subscriber.suppressed_at.is_(None), Subscriber.erased_at.is_(None)
        )
    )
    back = session.execute(
        update(Subscription)
        .where(
            Subscription.subscriber_id == subscriber_id,
            Subscription.publication_id == publication_id,
            Subscription.status == SubscriptionStatus.UNSUBSCRIBED.value,
            Subscription.unsubscribed_at > now - UNDO_FOR,
            mailable,
        )
        .values(
            status=case(
                (Subscription.confirmed_at.is_(None), SubscriptionStatus.PENDING.value),
                else_=SubscriptionStatus.ACTIVE.value,
            ),
            unsubscribed_at=None,
        )
        .returning(Subscription.subscriber_id)
        .execution_options(synchronize_session="fetch")
    ).all()
    if back:
        consent.record(
            session,
            subscriber_id=subscriber_id,
            publication_id=publication_id,
            kind=consent.Kind.RESUBSCRIBED,
            source=source,
            wording=wording,
            now=now,
        )
    return bool(back)
