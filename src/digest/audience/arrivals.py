"""Writing down many arrivals at once: a few statements per chunk, however many rows it has."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import exists, insert, literal, select, true, update
from sqlalchemy.orm import Session

from digest.audience import consent, rows
from digest.audience.models import ConsentEvent, Standing, Subscriber, Subscription
from digest.audience.upload import Row
from digest.db import UtcDateTime, upsert


@dataclass(frozen=True)
class Terms:
    """Where to, when and on what ground rows come in. `evidence` is kept with each event: which file, by whom."""

    publication_id: int
    now: datetime
    source: str
    evidence: str
    confirmed: bool
    invite: bool = False


@dataclass(frozen=True, slots=True)
class Prior:
    """What we know of an address already."""

    subscriber_id: int
    suppressed_for: str | None
    standing: str | None  # None: no subscription to this publication
    own: bool  # they confirmed here themselves: a file does not take that away


def known(session: Session, publication_id: int, keys: Iterable[str]) -> dict[str, Prior]:
    """Those of these address keys that we hold, by key."""
    given = rows.table(session, {"address_key": list(keys)})
    own = exists().where(
        ConsentEvent.subscriber_id == Subscriber.id,
        ConsentEvent.publication_id == publication_id,
        ConsentEvent.kind == consent.Kind.CONFIRMED.value,
    )
    found = session.execute(
        select(
            Subscriber.address_key,
            Subscriber.id,
            Subscriber.suppressed_at,
            Subscriber.suppressed_for,
            Subscription.standing,
            own,
        )
        .select_from(given)
        .join(Subscriber, Subscriber.address_key == given.c.address_key)
        .outerjoin(
            Subscription,
            (Subscription.subscriber_id == Subscriber.id) & (Subscription.publication_id == publication_id),
        )
    )
    return {
        str(key): Prior(number, (why or "request") if at else None, standing, mine)
        for key, number, at, why, standing, mine in found
    }


def add(session: Session, new: Sequence[Row], standing: Standing, terms: Terms) -> None:
    """Store new subscribers with one standing, and the proof of why we may. Who is there by now stays as they are."""
    if not new:
        return
    at = literal(terms.now, UtcDateTime())
    moment = {Standing.ACTIVE: {"confirmed_at": at}, Standing.LEFT: {"left_at": at}}.get(standing, {})
    values: dict[str, Any] = {
        "publication_id": literal(terms.publication_id),
        "standing": literal(standing.value),
        "source": literal(terms.source),
        "requested_at": at,
        "confirm_mails": literal(0),
        **moment,
    }
    given = rows.numbers(session, _subscribers(session, new, terms))
    begun = session.scalars(
        upsert(session, Subscription)
        .from_select(["subscriber_id", *values], select(given.c.id, *values.values()).where(true()))
        .on_conflict_do_nothing()
        .returning(Subscription.subscriber_id)
    ).all()
    _remember(session, begun, standing, terms)


def _subscribers(session: Session, new: Sequence[Row], terms: Terms) -> Sequence[int]:
    given = rows.table(session, {"address": [r.address for r in new], "address_key": [r.key for r in new]})
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


def move(
    session: Session,
    subscriber_ids: Sequence[int],
    standing: Standing,
    terms: Terms,
) -> None:
    """Give subscribers another standing: pending ones become active, any become left."""
    if not subscriber_ids:
        return
    active = standing == Standing.ACTIVE
    moved = session.scalars(
        update(Subscription)
        .where(
            Subscription.subscriber_id.in_(subscriber_ids),
            Subscription.publication_id == terms.publication_id,
            Subscription.standing == Standing.PENDING.value
            if active
            else Subscription.standing != standing.value,
        )
        .values(
            standing=standing.value,
            **({"confirmed_at": terms.now, "source": terms.source} if active else {"left_at": terms.now}),
        )
        .returning(Subscription.subscriber_id)
        .execution_options(synchronize_session=False)
    ).all()
    _remember(session, moved, standing, terms)


def _remember(session: Session, subscriber_ids: Sequence[int], standing: Standing, terms: Terms) -> None:
    given = rows.numbers(session, subscriber_ids)
    event = {name: literal(value) for name, value in _event(session, standing, terms).items()}
    session.execute(
        insert(ConsentEvent).from_select(
            ["subscriber_id", *event, "at"],
            select(given.c.id, *event.values(), literal(terms.now, UtcDateTime())),
        )
    )


def _event(session: Session, standing: Standing, terms: Terms) -> dict[str, Any]:
    kind = consent.Kind.LEFT if standing == Standing.LEFT else consent.Kind.IMPORTED
    return {
        "publication_id": terms.publication_id,
        "kind": kind.value,
        "source": terms.source,
        "wording_id": consent.wording_id(session, terms.evidence),
    }
