"""Erasing a person's data (GDPR 17): the row is emptied but keeps its id, and a hash prevents a re-import."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import delete, exists, func, select, update
from sqlalchemy.orm import Session

from digest.audience import consent, suppression, topics
from digest.audience.address import normalize
from digest.audience.models import Subscriber, Subscription, SubscriptionStatus
from digest.signing import Signer

UNCONFIRMED_FOR = timedelta(days=30)


def erase(session: Session, signer: Signer, address: str, now: datetime, source: str = "request") -> bool:
    """Erase an address for good and suppress it; False when it was not stored (it is suppressed either way).

    The emptied row keeps its id, so that old counts still add up. Raises BadInput for an invalid address.
    """
    key = normalize(address).key
    subscriber_id = session.scalar(select(Subscriber.id).where(Subscriber.address_key == key))
    suppressed = suppression.find(session, signer, [key]).get(key)
    if suppressed is None or suppressed.import_id is not None:  # a later file could lift what a file said
        reason = suppression.SuppressionReason(suppressed.reason if suppressed else "erased")
        suppression.suppress_keys(session, signer, [key], reason, now)
    if subscriber_id is None:
        return False
    _end_subscriptions(session, subscriber_id, now)
    _empty(session, [subscriber_id], now)
    consent.record(
        session,
        subscriber_id=subscriber_id,
        publication_id=None,
        kind=consent.Kind.ERASED,
        source=source,
        now=now,
    )
    return True


def purge(session: Session, now: datetime) -> int:
    """Erase sign-ups that were not confirmed within 30 days; return how many. Run daily.

    They are not suppressed: they never were readers, and may sign up again.
    """
    stale = session.execute(
        delete(Subscription)
        .where(
            Subscription.status == SubscriptionStatus.PENDING.value,
            Subscription.requested_at < now - UNCONFIRMED_FOR,
        )
        .returning(Subscription.subscriber_id)
    ).scalars()
    subscriber_ids = list(stale)
    for start in range(0, len(subscriber_ids), 5000):
        empty_without_subscription(session, subscriber_ids[start : start + 5000], now)
    return len(subscriber_ids)


def empty_without_subscription(session: Session, subscriber_ids: Sequence[int], now: datetime) -> None:
    """Erase those of these subscribers who have no subscription left, without suppressing them."""
    _empty(session, _without_subscription(session, subscriber_ids), now)


def _without_subscription(session: Session, subscriber_ids: Sequence[int]) -> Sequence[int]:
    return session.scalars(
        select(Subscriber.id).where(
            Subscriber.id.in_(subscriber_ids),
            ~exists(select(Subscription.subscriber_id).where(Subscription.subscriber_id == Subscriber.id)),
        )
    ).all()


def _end_subscriptions(session: Session, subscriber_id: int, now: datetime) -> None:
    session.execute(
        update(Subscription)
        .where(Subscription.subscriber_id == subscriber_id)
        .values(
            status=SubscriptionStatus.UNSUBSCRIBED.value,
            unsubscribed_at=func.coalesce(Subscription.unsubscribed_at, now),
            paused_until=None,
        )
        .execution_options(synchronize_session="fetch")
    )


def _empty(session: Session, subscriber_ids: Sequence[int], now: datetime) -> None:
    session.execute(
        update(Subscriber)
        .where(Subscriber.id.in_(subscriber_ids))
        .values(
            address=None,
            address_key=None,
            suppressed_at=None,
            suppressed_for=None,
            suppression=None,
            erased_at=now,
        )
    )
    consent.delete_traces_of(session, subscriber_ids)
    topics.delete_topics(session, subscriber_ids)
