"""Who got an issue, when, and what the provider said: lists by key, and refusals by receiving domain."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from sqlalchemy import ColumnElement, func, or_, select
from sqlalchemy.orm import Session

from digest.audience import export
from digest.audience.models import Subscriber
from digest.db import is_postgresql
from digest.delivery.ledger.models import Delivery, Outcome
from digest.errors import BadInput

PAGE_SIZE: Final = 50
EXPORT_CHUNK: Final = 2000
MAX_GROUPS: Final = 2000  # pairs of domain and reason that are looked at, the most frequent ones
CSV_COLUMNS: Final = ("subscriber", "address", "outcome", "reason", "reply", "attempts", "ended_at")
REMAINING: Final = "remaining"


@dataclass(frozen=True)
class DeliveryRow:
    """One delivery as a list shows it."""

    subscriber_id: int
    address: str | None
    outcome: str  # an Outcome, or "remaining"
    reason: str | None
    reply: str | None
    attempts: int
    ended_at: datetime | None


@dataclass
class DomainRefusals:
    """A receiving domain that refused mails of an issue: how many for good, how many for now, and why."""

    name: str
    failed: int = 0
    deferred: int = 0
    reasons: dict[str, int] = field(default_factory=dict)

    @property
    def refused(self) -> int:
        """For good and for now."""
        return self.failed + self.deferred


def list_deliveries(
    session: Session,
    issue_id: int,
    *,
    outcome: str = "",
    reason: str = "",
    domain: str = "",
    after: int = 0,
    limit: int = PAGE_SIZE,
) -> list[DeliveryRow]:
    """Deliveries of an issue by subscriber, behind subscriber `after`: of an outcome, a reason, a domain, or all.

    Raises BadInput for an outcome there is none of.
    """
    # The unknown are few, and the sum leads to their index; all others come along the primary key.
    number = Delivery.subscriber_id + 0 if outcome == Outcome.UNKNOWN else Delivery.subscriber_id
    rows = (
        _select_deliveries(issue_id, after)
        .where(*_filters(session, outcome, reason, domain))
        .order_by(number)
        .limit(limit)
    )
    return [
        DeliveryRow(n, address, ended or REMAINING, *rest)
        for n, address, ended, *rest in session.execute(rows)
    ]


def list_refusals_by_domain(session: Session, issue_id: int, limit: int = 12) -> list[DomainRefusals]:
    """The receiving domains that refused most. Only what did not simply go is looked at, by its index."""
    domain = domain_expression(session)
    rows = (
        select(domain, Delivery.outcome, Delivery.reason, func.count().label("many"))
        .join(Subscriber, Subscriber.id == Delivery.subscriber_id)
        .where(Delivery.issue_id == issue_id, Delivery.is_exception, _is_refused())
        .group_by(domain, Delivery.outcome, Delivery.reason)
        .order_by(func.count().desc())
        .limit(MAX_GROUPS)
    )
    found: dict[str, DomainRefusals] = {}
    for name, outcome, reason, many in session.execute(rows):
        one = found.setdefault(name or "", DomainRefusals(name or ""))
        one.failed += many if outcome else 0
        one.deferred += 0 if outcome else many
        one.reasons[reason or ""] = one.reasons.get(reason or "", 0) + many
    return sorted(found.values(), key=lambda one: (-one.refused, one.name))[:limit]


def domain_expression(session: Session) -> ColumnElement[str | None]:
    """What stands behind the @ of a subscriber's address; NULL of an erased one."""
    if is_postgresql(session):
        return func.split_part(Subscriber.address_key, "@", 2)
    return func.substr(Subscriber.address_key, func.instr(Subscriber.address_key, "@") + 1)


def csv_header() -> str:
    """The first line of `csv_lines`."""
    return export.csv_line(CSV_COLUMNS)


def csv_lines(rows: list[DeliveryRow]) -> Iterator[str]:
    """These deliveries as CSV (RFC 4180, times in UTC) in which no spreadsheet finds a formula."""
    for row in rows:
        ended = row.ended_at.isoformat(timespec="seconds") if row.ended_at else None
        cells = (row.subscriber_id, row.address, row.outcome, row.reason, row.reply, row.attempts, ended)
        yield export.csv_line(cells)


def _select_deliveries(issue_id: int, after: int) -> Any:
    columns = (Delivery.subscriber_id, Subscriber.address, Delivery.outcome, Delivery.reason, Delivery.reply)
    return (
        select(*columns, Delivery.attempts, Delivery.ended_at)
        .join(Subscriber, Subscriber.id == Delivery.subscriber_id)
        .where(Delivery.issue_id == issue_id, Delivery.subscriber_id > after)
    )


def _filters(session: Session, outcome: str, reason: str, domain: str) -> list[Any]:
    wanted: list[Any] = []
    if outcome == REMAINING:
        wanted.append(Delivery.outcome.is_(None))
    elif outcome:
        wanted.append(Delivery.outcome == _parse_outcome(outcome).value)
        if outcome != Outcome.ACCEPTED:
            wanted.append(Delivery.is_exception)
    if reason:
        wanted.append(Delivery.reason == reason)
    if domain:
        wanted += [domain_expression(session) == domain.lower(), _is_refused(), Delivery.is_exception]
    return wanted


def _parse_outcome(name: str) -> Outcome:
    try:
        return Outcome(name)
    except ValueError:
        raise BadInput(f"no delivery ends as {name[:20]}") from None


def _is_refused() -> ColumnElement[bool]:
    """For good, or for now: an outcome that is still to come has a reason only when somebody said "later"."""
    return or_(
        Delivery.outcome == Outcome.FAILED.value,
        Delivery.outcome.is_(None) & Delivery.reason.is_not(None),
    )
