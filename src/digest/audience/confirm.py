"""Confirming: the press of a button on a page that only the mailbox's owner was sent to."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from digest.audience import consent, suppression
from digest.audience.models import Subscriber, Subscription, SubscriptionStatus
from digest.errors import NotAllowed, NotFound


@dataclass(frozen=True)
class Confirmation:
    """`first` is False when nothing was left to do: the door posts the welcome letter only when it is True."""

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
    """Make a pending sign-up active; once or ten times, it is the same. `tokens.read_confirm` proves who asks.

    A reader who left or was suppressed comes back only by a request that is younger than that; a complaint
    stays. Raises NotFound when the sign-up is gone (never confirmed in 30 days, or erased), NotAllowed when
    the link is older than the reader's last word.
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
    """Raise what `confirm` would, and change nothing: no page may show a button that will refuse."""
    _refuse_stale(*_get_subscription(session, publication_id, subscriber_id, lock=False))


def _get_subscription(
    session: Session, publication_id: int, subscriber_id: int, *, lock: bool
) -> tuple[Subscription, Subscriber]:
    wanted = (
        select(Subscription, Subscriber)
        .join(Subscriber)
        .where(Subscription.subscriber_id == subscriber_id, Subscription.publication_id == publication_id)
        .execution_options(populate_existing=True)
    )
    found = session.execute(wanted.with_for_update() if lock else wanted).one_or_none()
    if found is None or found[1].erased_at is not None:
        raise NotFound("this sign-up is no longer here; please sign up again")
    return found[0], found[1]


def _refuse_stale(subscription: Subscription, subscriber: Subscriber) -> None:
    if subscriber.suppressed_for == suppression.SuppressionReason.COMPLAINT:
        raise NotAllowed("this address once reported our mail as unwanted, so we do not write to it again")
    asked = subscription.requested_at
    if subscription.status == SubscriptionStatus.UNSUBSCRIBED and (
        subscription.unsubscribed_at is None or asked <= subscription.unsubscribed_at
    ):
        raise NotAllowed("you left after this link was mailed; to come back, please sign up again")
    if subscriber.suppressed_at is not None and asked <= subscriber.suppressed_at:
        raise NotAllowed("this address was taken off after this link was mailed; please sign up again")
