"""Finding subscribers among a million: by how an address begins and by where they stand, a page at a time."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import ColumnElement, select, text
from sqlalchemy.orm import Session

from digest.audience import reach
from digest.audience.models import Standing, Subscriber, Subscription
from digest.audience.standings import REACHABLE
from digest.errors import BadInput

PAGE: Final = 50
_LAST = "\U0010ffff"  # stands behind every character an address can hold
_WHERE: Final = {
    "pending": Standing.PENDING,
    "left": Standing.LEFT,
    REACHABLE: Standing.ACTIVE,
}


@dataclass(frozen=True)
class Found:
    """One subscriber in a list."""

    id: int
    address: str | None
    key: str | None  # the address as it is compared, which is where a page by address ends
    standing: str  # one of standings.NAMES
    since: datetime | None


def by_prefix(
    session: Session,
    publication_id: int,
    prefix: str,
    now: datetime,
    *,
    standing: str = "",
    after: str = "",
    limit: int = PAGE,
) -> list[Found]:
    """Those whose address begins so, by address, behind the key `after`; only of this `standing` when it is given."""
    begins, after = (text.strip().replace("\0", "") for text in (prefix.casefold(), after))
    rows = _rows(now, standing).where(
        _here(publication_id),
        Subscriber.address_key >= begins,
        Subscriber.address_key < begins + _LAST,
        Subscriber.address_key > after,
    )
    return _read(session, rows.order_by(Subscriber.address_key).limit(limit))


def by_number(
    session: Session,
    publication_id: int,
    now: datetime,
    *,
    standing: str = "",
    after: int = 0,
    limit: int = PAGE,
) -> list[Found]:
    """All of a standing (one of standings.NAMES, "": any), by number, behind subscriber `after`."""
    if standing in {"suppressed", "erased"}:
        number, here = Subscriber.id, _here(publication_id)
    else:
        number = Subscription.subscriber_id
        here = Subscription.publication_id == publication_id if standing else _here(publication_id)
    rows = _rows(now, standing).where(here, number > after)
    return _read(session, rows.order_by(number).limit(limit))


def _here(publication_id: int) -> ColumnElement[bool]:
    """Of this publication, said so that no index offers itself: the walk is to go along the address or the number."""
    return Subscription.publication_id + 0 == publication_id


def _rows(now: datetime, standing: str) -> Any:
    why = reach.reason(now)
    rows = select(
        Subscriber.id,
        Subscriber.address,
        Subscriber.address_key,
        why,
        Subscription.requested_at,
        Subscription.confirmed_at,
        Subscription.left_at,
    ).join(Subscription, Subscription.subscriber_id == Subscriber.id)
    return rows.where(*_only(why, standing))


def _only(why: ColumnElement[str | None], standing: str) -> list[ColumnElement[bool]]:
    """The rule itself, and beside it what an index can tell, so that few among many are found without a walk."""
    if not standing:
        return []
    exactly = why.is_(None) if standing == REACHABLE else why == standing
    if standing in _WHERE:
        return [exactly, Subscription.standing == _WHERE[standing].value]
    if standing == "paused":
        return [exactly, text("paused_until IS NOT NULL")]  # type: ignore[list-item]
    if standing in {"suppressed", "erased"}:
        return [exactly, text("(suppressed_at IS NOT NULL OR address IS NULL)")]  # type: ignore[list-item]
    raise BadInput(f"nobody can stand as {standing[:20]}")


def _read(session: Session, rows: Any) -> list[Found]:
    return [
        Found(number, address, key, why or REACHABLE, left or confirmed or asked)
        for number, address, key, why, asked, confirmed, left in session.execute(rows)
    ]
