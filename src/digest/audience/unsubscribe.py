"""Unsubscribing, at once and without questions, and undoing it within 30 days."""

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, case, exists, select, update
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
    """Unsubscribe a reader from a publication; False when they already were unsubscribed, which is no error.

    `source` is the channel: "header" (RFC 8058), "page", "desk", "cli".
    """
    return _change(
        session,
        [Subscription.status != SubscriptionStatus.UNSUBSCRIBED.value],
        {"status": SubscriptionStatus.UNSUBSCRIBED.value, "unsubscribed_at": now},
        publication_id=publication_id,
        subscriber_id=subscriber_id,
        kind=consent.Kind.UNSUBSCRIBED,
        source=source,
        wording=wording,
        now=now,
    )


def resubscribe(
    session: Session,
    publication_id: int,
    subscriber_id: int,
    *,
    source: str,
    now: datetime,
    wording: str = "",
) -> bool:
    """Undo unsubscribing within 30 days; the status becomes active again, or pending if it was never confirmed.

    False when the reader is not unsubscribed, the 30 days have passed, or the address is suppressed or erased.
    """
    mailable = exists(
        select(Subscriber.id).where(
            Subscriber.id == subscriber_id, Subscriber.suppressed_at.is_(None), Subscriber.erased_at.is_(None)
        )
    )
    status = case(
        (Subscription.confirmed_at.is_(None), SubscriptionStatus.PENDING.value),
        else_=SubscriptionStatus.ACTIVE.value,
    )
    return _change(
        session,
        [
            Subscription.status == SubscriptionStatus.UNSUBSCRIBED.value,
            Subscription.unsubscribed_at > now - UNDO_FOR,
            mailable,
        ],
        {"status": status, "unsubscribed_at": None},
        publication_id=publication_id,
        subscriber_id=subscriber_id,
        kind=consent.Kind.RESUBSCRIBED,
        source=source,
        wording=wording,
        now=now,
    )


def _change(
    session: Session,
    conditions: list[ColumnElement[bool]],
    values: dict[str, Any],
    *,
    publication_id: int,
    subscriber_id: int,
    **event: Any,
) -> bool:
    """Change the subscription and record the consent event, if the conditions hold; return whether they did."""
    updated = session.execute(
        update(Subscription)
        .where(
            Subscription.subscriber_id == subscriber_id,
            Subscription.publication_id == publication_id,
            *conditions,
        )
        .values(**values, import_id=None)
        .returning(Subscription.subscriber_id)
        .execution_options(synchronize_session="fetch")
    ).all()
    if updated:
        consent.record(session, subscriber_id=subscriber_id, publication_id=publication_id, **event)
    return bool(updated)
