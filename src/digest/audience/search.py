"""Searching up to a million subscribers by address prefix and status, a page at a time."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import ColumnElement, select, text
from sqlalchemy.orm import Session

from digest.audience import eligibility
from digest.audience.models import Subscriber, Subscription, SubscriptionStatus
from digest.audience.status_counts import REACHABLE
from digest.errors import BadInput

PAGE: Final = 50
_HIGHEST_CHAR = "\U0010ffff"  # sorts after every character an address can hold
_STATUSES: Final = {
    "pending": SubscriptionStatus.PENDING,
    "unsubscribed": SubscriptionStatus.UNSUBSCRIBED,
    REACHABLE: SubscriptionStatus.ACTIVE,
}


@dataclass(frozen=True)
class SearchResult:
    """A subscriber in a list of results."""

    id: int
    address: str | None
    key: str | None  # the normalized address: the cursor for pages by address
    status: str  # one of status_counts.NAMES
    since: datetime | None


def by_prefix(
    session: Session,
    publication_id: int,
    prefix: str,
    now: datetime,
    *,
    status: str = "",
    after: str = "",
    limit: int = PAGE,
) -> list[SearchResult]:
    """Return subscribers whose address begins with `prefix`, by address, after the key `after`."""
    begins, after = (text.strip().replace("\0", "") for text in (prefix.casefold(), after))
    rows = _rows(now, status).where(
        _in_publication(publication_id),
        Subscriber.address_key >= begins,
        Subscriber.address_key < begins + _HIGHEST_CHAR,
        Subscriber.address_key > after,
    )
    return _fetch(session, rows.order_by(Subscriber.address_key).limit(limit))


def by_number(
    session: Session,
    publication_id: int,
    now: datetime,
    *,
    status: str = "",
    after: int = 0,
    limit: int = PAGE,
) -> list[SearchResult]:
    """Return subscribers with a status (one of status_counts.NAMES; "": any), by id, after the id `after`.

    Raises BadInput for an unknown status.
    """
    if status in {"suppressed", "erased"}:
        number, here = Subscriber.id, _in_publication(publication_id)
    else:
        number = Subscription.subscriber_id
        here = Subscription.publication_id == publication_id if status else _in_publication(publication_id)
    rows = _rows(now, status).where(here, number > after)
    return _fetch(session, rows.order_by(number).limit(limit))


def _in_publication(publication_id: int) -> ColumnElement[bool]:
    """Match this publication; the + 0 keeps its index unused, so that the scan follows the address or the id."""
    return Subscription.publication_id + 0 == publication_id


def _rows(now: datetime, status: str) -> Any:
    why = eligibility.exclusion_reason(now)
    rows = select(
        Subscriber.id,
        Subscriber.address,
        Subscriber.address_key,
        why,
        Subscription.requested_at,
        Subscription.confirmed_at,
        Subscription.unsubscribed_at,
    ).join(Subscription, Subscription.subscriber_id == Subscriber.id)
    return rows.where(*_status_filter(why, status))


def _status_filter(why: ColumnElement[str | None], status: str) -> list[ColumnElement[bool]]:
    """Filter by the eligibility rule, plus a condition that an index serves, to avoid a full scan for few rows."""
    if not status:
        return []
    exactly = why.is_(None) if status == REACHABLE else why == status
    if status in _STATUSES:
        return [exactly, Subscription.status == _STATUSES[status].value]
    if status == "paused":
        return [exactly, text("paused_until IS NOT NULL")]  # type: ignore[list-item]
    if status in {"suppressed", "erased"}:
        return [exactly, text("(suppressed_at IS NOT NULL OR address IS NULL)")]  # type: ignore[list-item]
    raise BadInput(f"there is no status {status[:20]}")


def _fetch(session: Session, rows: Any) -> list[SearchResult]:
    return [
        SearchResult(number, address, key, why or REACHABLE, unsubscribed or confirmed or asked)
        for number, address, key, why, asked, confirmed, unsubscribed in session.execute(rows)
    ]
