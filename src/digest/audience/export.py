"""Exports: all subscribers' status as CSV, or all data about one person (GDPR 15 and 20)."""

import csv
import io
import json
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from digest.audience import consent, eligibility, topics
from digest.audience.address import normalize
from digest.audience.models import Subscriber, Subscription
from digest.errors import NotFound

PAGE = 1000
COLUMNS = ("address", "status", "source", "requested_at", "confirmed_at", "unsubscribed_at", "paused_until")
_FORMULA = re.compile(r"'*[=+\-@\t\r]")  # leading quotes too, so that removing one restores the cell


@dataclass(frozen=True, slots=True)
class ExportRow:
    """A subscriber's status with a publication."""

    subscriber_id: int
    address: str
    status: str  # active, pending, paused, unsubscribed or suppressed
    source: str
    requested_at: datetime
    confirmed_at: datetime | None
    unsubscribed_at: datetime | None
    paused_until: datetime | None


def fetch_page(
    session: Session,
    publication_id: int,
    now: datetime,
    *,
    above: int = 0,
    status: str | None = None,
    limit: int = PAGE,
) -> list[ExportRow]:
    """Return up to `limit` subscribers with an id greater than `above`, by id; erased ones are omitted."""
    why_not = eligibility.exclusion_reason(now)
    wanted = (
        select(
            Subscriber.id,
            Subscriber.address,
            why_not.label("why_not"),
            Subscription.source,
            Subscription.requested_at,
            Subscription.confirmed_at,
            Subscription.unsubscribed_at,
            Subscription.paused_until,
        )
        .join(Subscription, Subscription.subscriber_id == Subscriber.id)
        .where(
            Subscription.publication_id == publication_id,
            Subscription.subscriber_id > above,
            Subscriber.address.is_not(None),
        )
        .order_by(Subscription.subscriber_id)
        .limit(limit)
    )
    if status is not None:
        wanted = wanted.where(why_not.is_(None) if status == "active" else why_not == status)
    rows: Iterable[Any] = session.execute(wanted)  # Any: unpacking a Row loses its column types
    return [ExportRow(id_, address or "", why or "active", *rest) for id_, address, why, *rest in rows]


def csv_line(cells: Sequence[object]) -> str:
    """Return a line of CSV with CRLF (RFC 4180), escaped so that no spreadsheet evaluates a cell as a formula."""
    out = io.StringIO()
    csv.writer(out).writerow([_escape_formula(cell) for cell in cells])
    return out.getvalue()


def csv_lines(lines: Sequence[ExportRow]) -> Iterator[str]:
    """Yield subscribers as CSV lines, without the header (COLUMNS). `digest subscribers import` reads them back."""
    for line in lines:
        yield csv_line(
            (
                line.address,
                line.status,
                line.source,
                *(
                    _moment(at)
                    for at in (line.requested_at, line.confirmed_at, line.unsubscribed_at, line.paused_until)
                ),
            )
        )


def export_subscriber(session: Session, address: str) -> dict[str, Any]:
    """Return all subscriber data about one person, ready for JSON. Raises NotFound, BadInput."""
    key = normalize(address).key
    person = session.scalars(select(Subscriber).where(Subscriber.address_key == key)).one_or_none()
    if person is None:
        raise NotFound(f"{address.strip()} is not a subscriber")
    subscriptions = session.scalars(
        select(Subscription)
        .where(Subscription.subscriber_id == person.id)
        .order_by(Subscription.publication_id)
    )
    return {
        "subscriber": person.id,
        "address": person.address,
        "created_at": _moment(person.created_at),
        "suppressed_at": _moment(person.suppressed_at),
        "suppressed_for": person.suppressed_for,
        "subscriptions": [
            _subscription(subscription)
            | {"topics": list(topics.chosen_topics(session, subscription.publication_id, person.id))}
            for subscription in subscriptions
        ],
        "consent": [_event(event, wording) for event, wording in consent.history(session, person.id)],
    }


def _subscription(subscription: Subscription) -> dict[str, Any]:
    times = ("requested_at", "confirmation_sent_at", "confirmed_at", "unsubscribed_at", "paused_until")
    return {
        "publication": subscription.publication_id,
        "status": subscription.status,
        "source": subscription.source,
        **{name: _moment(getattr(subscription, name)) for name in times},
    }


def _event(event: Any, wording: str | None) -> dict[str, Any]:
    return {
        "at": _moment(event.at),
        "publication": event.publication_id,
        "event": event.kind,
        "source": event.source,
        "wording": wording,
        "network": event.network,
        "user_agent": event.user_agent,
        "original": json.loads(event.original) if event.original else None,
    }


def _moment(at: datetime | None) -> str | None:
    return at.isoformat(timespec="seconds") if at else None


def _escape_formula(cell: object) -> str:
    text = "" if cell is None else str(cell)
    return f"'{text}" if _FORMULA.match(text) else text
