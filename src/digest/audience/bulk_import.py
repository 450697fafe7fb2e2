"""Storing many imported subscribers at once: a few statements per chunk, however many rows it has."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import exists, insert, literal, select, true, update
from sqlalchemy.orm import Session

from digest.audience import consent, value_tables
from digest.audience.csv_file import ValidRow
from digest.audience.models import ConsentEvent, Subscriber, Subscription, SubscriptionStatus
from digest.db import UtcDateTime, upsert


@dataclass(frozen=True)
class ImportTerms:
    """Target, time and legal basis of an import. `evidence` (file and importer) is stored with each event."""

    publication_id: int
    now: datetime
    source: str
    evidence: str
    confirmed: bool
    invite: bool = False


@dataclass(frozen=True, slots=True)
class ExistingSubscriber:
    """What is stored about an address before the import."""

    subscriber_id: int
    suppressed_for: str | None
    status: str | None  # None: no subscription to this publication
    has_confirmed: bool  # they confirmed here themselves, which no file overrides


def fetch_existing(
    session: Session, publication_id: int, keys: Iterable[str]
) -> dict[str, ExistingSubscriber]:
    """Return what is stored about these address keys, by key; unknown keys are omitted."""
    given = value_tables.values_table(session, {"address_key": list(keys)})
    has_confirmed = exists().where(
        ConsentEvent.subscriber_id == Subscriber.id,
        ConsentEvent.publication_id == publication_id,
        ConsentEvent.kind == consent.Kind.CONFIRMED.value,
    )
    rows = session.execute(
        select(
            Subscriber.address_key,
            Subscriber.id,
            Subscriber.suppressed_at,
            Subscriber.suppressed_for,
            Subscription.status,
            has_confirmed,
        )
        .select_from(given)
        .join(Subscriber, Subscriber.address_key == given.c.address_key)
        .outerjoin(
            Subscription,
            (Subscription.subscriber_id == Subscriber.id) & (Subscription.publication_id == publication_id),
        )
    )
    return {
        str(key): ExistingSubscriber(id_, (reason or "request") if at else None, status, confirmed)
        for key, id_, at, reason, status, confirmed in rows
    }


def insert_subscribers(
    session: Session, new: Sequence[ValidRow], status: SubscriptionStatus, terms: ImportTerms
) -> None:
    """Store new subscribers with one status and a consent event each; existing subscriptions stay unchanged."""
    if not new:
        return
    at = literal(terms.now, UtcDateTime())
    timestamps = {
        SubscriptionStatus.ACTIVE: {"confirmed_at": at},
        SubscriptionStatus.UNSUBSCRIBED: {"unsubscribed_at": at},
    }.get(status, {})
    values: dict[str, Any] = {
        "publication_id": literal(terms.publication_id),
        "status": literal(status.value),
        "source": literal(terms.source),
        "requested_at": at,
        "confirmation_count": literal(0),
        **timestamps,
    }
    given = value_tables.numbers(session, _insert_subscriber_rows(session, new, terms))
    inserted = session.scalars(
        upsert(session, Subscription)
        .from_select(["subscriber_id", *values], select(given.c.id, *values.values()).where(true()))
        .on_conflict_do_nothing()
        .returning(Subscription.subscriber_id)
    ).all()
    _record_events(session, inserted, status, terms)


def _insert_subscriber_rows(session: Session, new: Sequence[ValidRow], terms: ImportTerms) -> Sequence[int]:
    given = value_tables.values_table(
        session, {"address": [r.address for r in new], "address_key": [r.key for r in new]}
    )
    stored = session.scalars(
        upsert(session, Subscriber)
        .from_select(
            ["address", "address_key", "created_at"],
            select(given.c.address, given.c.address_key, literal(terms.now, UtcDateTime())).where(true()),
        )
        .on_conflict_do_nothing()
        .returning(Subscriber.id)
    ).all()
    if len(stored) == len(new):
        return stored
    return session.scalars(
        select(Subscriber.id).join(given, given.c.address_key == Subscriber.address_key)
    ).all()


def update_statuses(
    session: Session,
    subscriber_ids: Sequence[int],
    status: SubscriptionStatus,
    terms: ImportTerms,
) -> None:
    """Change subscribers' status: to active from pending only, to unsubscribed from any other."""
    if not subscriber_ids:
        return
    active = status == SubscriptionStatus.ACTIVE
    updated = session.scalars(
        update(Subscription)
        .where(
            Subscription.subscriber_id.in_(subscriber_ids),
            Subscription.publication_id == terms.publication_id,
            Subscription.status == SubscriptionStatus.PENDING.value
            if active
            else Subscription.status != status.value,
        )
        .values(
            status=status.value,
            **(
                {"confirmed_at": terms.now, "source": terms.source}
                if active
                else {"unsubscribed_at": terms.now}
            ),
        )
        .returning(Subscription.subscriber_id)
        .execution_options(synchronize_session=False)
    ).all()
    _record_events(session, updated, status, terms)


def _record_events(
    session: Session, subscriber_ids: Sequence[int], status: SubscriptionStatus, terms: ImportTerms
) -> None:
    given = value_tables.numbers(session, subscriber_ids)
    event = {name: literal(value) for name, value in _event(session, status, terms).items()}
    session.execute(
        insert(ConsentEvent).from_select(
            ["subscriber_id", *event, "at"],
            select(given.c.id, *event.values(), literal(terms.now, UtcDateTime())),
        )
    )


def _event(session: Session, status: SubscriptionStatus, terms: ImportTerms) -> dict[str, Any]:
    kind = consent.Kind.UNSUBSCRIBED if status == SubscriptionStatus.UNSUBSCRIBED else consent.Kind.IMPORTED
    return {
        "publication_id": terms.publication_id,
        "kind": kind.value,
        "source": terms.source,
        "wording_id": consent.wording_id(session, terms.evidence),
    }
