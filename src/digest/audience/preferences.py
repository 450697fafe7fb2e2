"""The reader's preferences page: status, and pausing and resuming a subscription."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from digest.audience import consent, eligibility, origins
from digest.audience.address import mask
from digest.audience.models import Subscriber, Subscription, SubscriptionStatus
from digest.errors import BadInput, NotFound

MAX_PAUSE_WEEKS = 52
LONGEST_PAUSE = timedelta(weeks=MAX_PAUSE_WEEKS)


@dataclass(frozen=True)
class Preferences:
    """What the preferences page shows. The address is masked, because mails get forwarded."""

    masked: str
    status: str  # active, pending, unsubscribed, paused, suppressed or erased
    since: datetime | None  # when they confirmed, or were imported
    origin: str  # why they receive it, as the mail says it
    paused_until: datetime | None
    unsubscribed_at: datetime | None


def get_preferences(session: Session, publication_id: int, subscriber_id: int, now: datetime) -> Preferences:
    """Return a subscriber's preferences. Raises NotFound when there is no such subscription."""
    row = session.execute(
        select(Subscriber.address, Subscription, eligibility.exclusion_reason(now))
        .join(Subscription, Subscription.subscriber_id == Subscriber.id)
        .where(Subscriber.id == subscriber_id, Subscription.publication_id == publication_id)
        .execution_options(populate_existing=True)
    ).one_or_none()
    if row is None:
        raise NotFound("this subscription no longer exists; you can sign up again at any time")
    address, subscription, why_not = row
    paused = subscription.paused_until if why_not == "paused" else None
    return Preferences(
        mask(address),
        why_not or "active",
        subscription.confirmed_at,
        origins.load_origins(session, publication_id).get(subscription.import_id, origins.UNKNOWN),
        paused,
        subscription.unsubscribed_at,
    )


def pause_weeks(number: int, now: datetime) -> datetime:
    """Return when a pause of `number` weeks ends. Raises BadInput outside 1 to 52."""
    if not 1 <= number <= MAX_PAUSE_WEEKS:
        raise BadInput(f"a pause must last 1 to {MAX_PAUSE_WEEKS} weeks")
    return now + timedelta(weeks=number)


def pause(
    session: Session,
    publication_id: int,
    subscriber_id: int,
    *,
    until: datetime,
    now: datetime,
    source: str = "page",
    wording: str = "",
) -> None:
    """Pause a subscription. Raises BadInput when `until` is past or over a year away, NotFound unless it is active."""
    if not now < until <= now + LONGEST_PAUSE:
        raise BadInput("a pause must end in the future, at most a year from now")
    _change(
        session,
        publication_id,
        subscriber_id,
        until,
        kind=consent.Kind.PAUSED,
        source=source,
        wording=wording,
        now=now,
    )


def resume(
    session: Session,
    publication_id: int,
    subscriber_id: int,
    *,
    now: datetime,
    source: str = "page",
    wording: str = "",
) -> None:
    """End a pause now; does nothing without one. Raises NotFound unless the subscription is active."""
    _change(
        session,
        publication_id,
        subscriber_id,
        None,
        kind=consent.Kind.RESUMED,
        source=source,
        wording=wording,
        now=now,
    )


def _change(
    session: Session,
    publication_id: int,
    subscriber_id: int,
    until: datetime | None,
    *,
    kind: consent.Kind,
    source: str,
    wording: str,
    now: datetime,
) -> None:
    criteria = (Subscription.subscriber_id == subscriber_id, Subscription.publication_id == publication_id)
    before = session.execute(
        select(Subscription.paused_until)
        .where(*criteria, Subscription.status == SubscriptionStatus.ACTIVE.value)
        .with_for_update()
    ).one_or_none()
    if before is None:
        raise NotFound("this subscription is not active; you can sign up again at any time")
    if before[0] == until:
        return
    session.execute(update(Subscription).where(*criteria).values(paused_until=until))
    consent.record(
        session,
        subscriber_id=subscriber_id,
        publication_id=publication_id,
        kind=kind,
        source=source,
        wording=wording,
        now=now,
    )
