"""List who got an issue, when, and the relay's replies; and summarise refusals by receiving domain."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from sqlalchemy import ColumnElement, func, literal, or_, select
from sqlalchemy.orm import Session

from digest.audience import export
from digest.audience.models import Subscriber
from digest.db import is_postgresql
from digest.delivery.ledger.models import Delivery, Outcome, RefusalTotal
from digest.errors import BadInput

PAGE_SIZE: Final = 50
EXPORT_CHUNK: Final = 2000
MAX_GROUPS: Final = 2000  # the most frequent pairs of domain and reason; rarer ones are ignored
CSV_COLUMNS: Final = ("subscriber", "address", "outcome", "reason", "reply", "attempts", "ended_at")
REMAINING: Final = "remaining"


@dataclass(frozen=True)
class DeliveryRow:
    """One delivery in a list."""

    subscriber_id: int
    address: str | None
    outcome: str  # an Outcome, or "remaining"
    reason: str | None
    reply: str | None
    attempts: int
    ended_at: datetime | None


@dataclass
class DomainRefusals:
    """A domain that refused mails of an issue: how many permanently, how many for now, and why."""

    name: str
    failed: int = 0
    deferred: int = 0
    reasons: dict[str, int] = field(default_factory=dict)

    @property
    def refused(self) -> int:
        """Failed and deferred together."""
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
    """Deliveries of an issue, ordered by subscriber, after subscriber `after`, filtered by outcome, reason or domain.

    Raises BadInput when there is no such outcome.
    """
    # Unknown deliveries are few: "+ 0" makes the planner use their index instead of the primary key.
    order = Delivery.subscriber_id + 0 if outcome == Outcome.UNKNOWN else Delivery.subscriber_id
    rows = (
        _select_deliveries(issue_id, after)
        .where(*_filters(session, outcome, reason, domain))
        .order_by(order)
        .limit(limit)
    )
    return [
        DeliveryRow(subscriber_id, address, ended or REMAINING, *rest)
        for subscriber_id, address, ended, *rest in session.execute(rows)
    ]


def list_refusals_by_domain(session: Session, issue_id: int, limit: int = 12) -> list[DomainRefusals]:
    """The receiving domains with the most refusals. Reads only deliveries that were not simply accepted, by index."""
    domain = domain_expression(session)
    totals = select(
        RefusalTotal.domain, literal(Outcome.FAILED.value), RefusalTotal.reason, RefusalTotal.deliveries
    )
    kept = session.execute(totals.where(RefusalTotal.issue_id == issue_id)).all()
    rows = (
        select(domain, Delivery.outcome, Delivery.reason, func.count().label("many"))
        .join(Subscriber, Subscriber.id == Delivery.subscriber_id)
        .where(Delivery.issue_id == issue_id, Delivery.is_exception, _is_refused())
        .group_by(domain, Delivery.outcome, Delivery.reason)
        .order_by(func.count().desc())
        .limit(MAX_GROUPS)
    )
    by_domain: dict[str, DomainRefusals] = {}
    for name, outcome, reason, many in kept or session.execute(rows):
        refusals = by_domain.setdefault(name or "", DomainRefusals(name or ""))
        refusals.failed += many if outcome else 0
        refusals.deferred += 0 if outcome else many
        refusals.reasons[reason or ""] = refusals.reasons.get(reason or "", 0) + many
    return sorted(by_domain.values(), key=lambda domain: (-domain.refused, domain.name))[:limit]


def domain_expression(session: Session) -> ColumnElement[str | None]:
    """The domain of a subscriber's address; NULL after erasure."""
    if is_postgresql(session):
        return func.split_part(Subscriber.address_key, "@", 2)
    return func.substr(Subscriber.address_key, func.instr(Subscriber.address_key, "@") + 1)


def csv_header() -> str:
    """The header line for `csv_lines`."""
    return export.csv_line(CSV_COLUMNS)


def csv_lines(rows: list[DeliveryRow]) -> Iterator[str]:
    """These deliveries as CSV (RFC 4180, times in UTC), escaped so that spreadsheets run no formulas."""
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
    conditions: list[Any] = []
    if outcome == REMAINING:
        conditions.append(Delivery.outcome.is_(None))
    elif outcome:
        conditions.append(Delivery.outcome == _parse_outcome(outcome).value)
        if outcome != Outcome.ACCEPTED:
            conditions.append(Delivery.is_exception)
    if reason:
        conditions.append(Delivery.reason == reason)
    if domain:
        conditions += [domain_expression(session) == domain.lower(), _is_refused(), Delivery.is_exception]
    return conditions


def _parse_outcome(name: str) -> Outcome:
    try:
        return Outcome(name)
    except ValueError:
        raise BadInput(f"there is no delivery outcome called {name[:20]}") from None


def _is_refused() -> ColumnElement[bool]:
    """Failed or deferred: a delivery without an outcome has a reason only after a temporary refusal."""
    return or_(
        Delivery.outcome == Outcome.FAILED.value,
        Delivery.outcome.is_(None) & Delivery.reason.is_not(None),
    )
