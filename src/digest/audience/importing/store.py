"""Storing many imported subscribers at once: a few statements per chunk, however many rows it has."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, String, insert, literal, select, true, update
from sqlalchemy.orm import Session

from digest.audience import consent, value_tables
from digest.audience.importing.reading.statuses import ImportStatus
from digest.audience.importing.rows import ValidRow
from digest.audience.models import ConsentEvent, Subscriber, Subscription, SubscriptionStatus, Suppression
from digest.audience.suppression import SuppressionMatch
from digest.db import UtcDateTime, upsert


@dataclass(frozen=True)
class ImportTerms:
    """Target, time and legal basis of an import. `evidence` (file and importer) is stored with each event."""

    publication_id: int
    import_id: int
    now: datetime
    source: str
    evidence: str
    confirmed: bool
    invite: bool = False
    same_file: frozenset[int] = frozenset()  # earlier imports of this very file, which it cannot correct
    speaks_of: frozenset[ImportStatus] = frozenset()  # the opt-outs that this file may correct
    tag_topics: Mapping[str, str] = field(default_factory=dict)  # topics by tag


@dataclass(frozen=True, slots=True)
class ExistingSubscriber:
    """What is stored about an address before the import."""

    subscriber_id: int
    suppression: SuppressionMatch | None
    status: str | None  # None: no subscription to this publication
    import_id: int | None  # the import that set the status; None: the reader or an editor did


def fetch_existing(
    session: Session, publication_id: int, keys: Iterable[str]
) -> dict[str, ExistingSubscriber]:
    """Return what is stored about these address keys, by key; unknown keys are omitted."""
    given = value_tables.values_table(session, {"address_key": list(keys)})
    rows = session.execute(
        select(
            Subscriber.address_key,
            Subscriber.id,
            Subscription.status,
            Subscription.import_id,
            Subscriber.suppression,
            Subscriber.suppressed_for,
            Subscriber.suppressed_at,
            Suppression.import_id,
        )
        .select_from(given)
        .join(Subscriber, Subscriber.address_key == given.c.address_key)
        .outerjoin(
            Subscription,
            (Subscription.subscriber_id == Subscriber.id) & (Subscription.publication_id == publication_id),
        )
        .outerjoin(Suppression, Suppression.address_hash == Subscriber.suppression)
    )
    return {
        str(key): ExistingSubscriber(
            id_, SuppressionMatch(hash_ or "", reason or "request", at, by) if at else None, status, import_id
        )
        for key, id_, status, import_id, hash_, reason, at, by in rows
    }


def insert_subscribers(
    session: Session,
    new: Sequence[ValidRow],
    status: SubscriptionStatus,
    terms: ImportTerms,
    *,
    suppressed_for: str | None = None,
) -> None:
    """Store new subscribers with one status and a consent event each; existing subscriptions stay unchanged.

    `suppressed_for` is why an earlier file had them suppressed.
    """
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
        "import_id": literal(terms.import_id, BigInteger),
        **timestamps,
    }
    given = value_tables.numbers(session, _insert_subscriber_rows(session, new, terms))
    inserted = session.scalars(
        upsert(session, Subscription)
        .from_select(["subscriber_id", *values], select(given.c.id, *values.values()).where(true()))
        .on_conflict_do_nothing()
        .returning(Subscription.subscriber_id)
    ).all()
    _record_events(session, inserted, status, terms, previous=suppressed_for, rows=new)


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
    rows: Sequence[tuple[int, ValidRow]],
    previous: SubscriptionStatus,
    status: SubscriptionStatus,
    terms: ImportTerms,
) -> None:
    """Change the status of these subscribers (id, row), of those who still have the `previous` one.

    Only a pending subscription may be one that its reader asked for here; any other must come from a file.
    """
    if not rows:
        return
    times: dict[SubscriptionStatus, dict[str, Any]] = {
        SubscriptionStatus.ACTIVE: {
            "confirmed_at": terms.now,
            "unsubscribed_at": None,
            "source": terms.source,
        },
        SubscriptionStatus.PENDING: {
            "requested_at": terms.now,
            "confirmed_at": None,
            "unsubscribed_at": None,
        },
        SubscriptionStatus.UNSUBSCRIBED: {"unsubscribed_at": terms.now},
    }
    is_activation = (previous, status) == (SubscriptionStatus.PENDING, SubscriptionStatus.ACTIVE)
    updated = session.scalars(
        update(Subscription)
        .where(
            Subscription.subscriber_id.in_([subscriber_id for subscriber_id, _ in rows]),
            Subscription.publication_id == terms.publication_id,
            Subscription.status == previous.value,
            true() if is_activation else Subscription.import_id.is_not(None),
        )
        .values(
            status=status.value, import_id=terms.import_id, **({} if status == previous else times[status])
        )
        .returning(Subscription.subscriber_id)
        .execution_options(synchronize_session=False)
    ).all()
    _record_events(session, updated, status, terms, previous=previous.value, rows=[row for _, row in rows])


def _record_events(
    session: Session,
    subscriber_ids: Sequence[int],
    status: SubscriptionStatus,
    terms: ImportTerms,
    *,
    previous: str | None,
    rows: Sequence[ValidRow],
) -> None:
    event = _event(session, status, terms, previous)
    given = value_tables.numbers(session, subscriber_ids)
    proofs = [(row.key, row.original) for row in rows if row.original is not None]
    if not proofs:
        events = select(given.c.id, *event.values())
    else:
        table: dict[str, list[str | None]] = {
            "address_key": [key for key, _ in proofs],
            "network": [original.network for _, original in proofs],
            "original": [original.to_json() for _, original in proofs],
        }
        proof = value_tables.values_table(session, table, "proof", searched=True)
        event |= {"network": proof.c.network, "original": proof.c.original}
        events = (
            select(given.c.id, *event.values())
            .join(Subscriber, Subscriber.id == given.c.id)
            .outerjoin(proof, proof.c.address_key == Subscriber.address_key)
        )
    session.execute(insert(ConsentEvent).from_select(["subscriber_id", *event], events))


def _event(
    session: Session, status: SubscriptionStatus, terms: ImportTerms, previous: str | None
) -> dict[str, Any]:
    is_opt_out = status == SubscriptionStatus.UNSUBSCRIBED
    kind = consent.Kind.UNSUBSCRIBED if is_opt_out else consent.Kind.IMPORTED
    return {
        "publication_id": literal(terms.publication_id),
        "kind": literal(kind.value),
        "source": literal(terms.source),
        "wording_id": literal(consent.wording_id(session, terms.evidence), BigInteger),
        "import_id": literal(terms.import_id, BigInteger),
        "previous_status": literal(previous, String),
        "at": literal(terms.now, UtcDateTime()),
    }
