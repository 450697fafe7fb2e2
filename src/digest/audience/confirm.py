"""Double opt-in: confirming a sign-up with a button on a page that only the mailbox's owner was sent."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from digest.audience import consent, suppression
from digest.audience.models import Subscriber, Subscription, SubscriptionStatus
from digest.errors import NotAllowed, NotFound


@dataclass(frozen=True)
class Confirmation:
    """`first` is False when the sign-up was confirmed before; the welcome letter is sent only when it is True."""

    first: bool


def confirm(
    session: Session,
    publication_id: int,
    subscriber_id: int,
    *,
    wording: str,
    network: str | None,
    agent: str | None,
    now: datetime,
    source: str = "letter",
) -> Confirmation:
    """Activate a pending sign-up; idempotent. The caller has authenticated the reader with `tokens.read_confirm`.

    A reader who unsubscribed or was suppressed is reactivated only by a later request; never after a complaint.
    Raises NotFound when the sign-up no longer exists (unconfirmed for 30 days, or erased), NotAllowed when the
    request is older than the reader's unsubscribing or suppression.
    """
    subscription, subscriber = _get_subscription(session, publication_id, subscriber_id, lock=True)
    _refuse_stale(subscription, subscriber)
    if subscription.status == SubscriptionStatus.ACTIVE and subscriber.suppressed_at is None:
        return Confirmation(first=False)
    suppression.lift(session, subscriber_id, publication_id, source, now)
    session.execute(
        update(Subscription)
        .where(Subscription.subscriber_id == subscriber_id, Subscription.publication_id == publication_id)
        .values(
            status=SubscriptionStatus.ACTIVE.value,
            confirmed_at=now,
            unsubscribed_at=None,
            paused_until=None,
            confirmation_count=0,
            confirmation_sent_at=None,
            import_id=None,
        )
    )
    consent.record(
        session,
        subscriber_id=subscriber_id,
        publication_id=publication_id,
        kind=consent.Kind.CONFIRMED,
        source=source,
        wording=wording,
        network=network,
        agent=agent,
        now=now,
    )
    return Confirmation(first=True)


def check(session: Session, publication_id: int, subscriber_id: int) -> None:
    """Raise what `confirm` would raise, without changing anything, so that no page shows a button that cannot work."""
    _refuse_stale(*_get_subscription(session, publication_id, subscriber_id, lock=False))


def _get_subscription(
    session: Session, publication_id: int, subscriber_id: int, *, lock: bool
) -> tuple[Subscription, Subscriber]:
    rows = (
        select(Subscription, Subscriber)
        .join(Subscriber)
        .where(Subscription.subscriber_id == subscriber_id, Subscription.publication_id == publication_id)
        .execution_options(populate_existing=True)
    )
    row = session.execute(rows.with_for_update() if lock else rows).one_or_none()
    if row is None or row[1].erased_at is not None:
        raise NotFound("this sign-up no longer exists; please sign up again")
    return row[0], row[1]


def _refuse_stale(subscription: Subscription, subscriber: Subscriber) -> None:
    if subscriber.suppressed_for == suppression.SuppressionReason.COMPLAINT:
        raise NotAllowed("our email to this address was reported as spam, so we no longer send any")
    requested_at = subscription.requested_at
    if subscription.status == SubscriptionStatus.UNSUBSCRIBED and (
        subscription.unsubscribed_at is None or requested_at <= subscription.unsubscribed_at
    ):
        raise NotAllowed("you unsubscribed after this link was sent; please sign up again to come back")
    if subscriber.suppressed_at is not None and requested_at <= subscriber.suppressed_at:
        raise NotAllowed("this address was removed after this link was sent; please sign up again")
