"""What readers did with an issue: all clicks, and beside them those that a person seems to have made.

No query reads all clicks: totals are kept by the hour, and only human clicks are counted by reader.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Select, and_, case, distinct, func, select
from sqlalchemy.orm import Session

from digest.tracking.clicks import hour_start
from digest.tracking.models import Click, ClickHour, Link, PickTotal, Unsubscribe


@dataclass(frozen=True)
class LinkCounts:
    """One link of an issue. `readers`: distinct subscribers with a human click."""

    number: int
    pick_id: int | None
    label: str
    url: str
    clicks_raw: int
    clicks_human: int
    readers: int


@dataclass(frozen=True)
class PickCounts:
    """All links of one pick together. A reader who followed two of them counts once."""

    pick_id: int
    clicks_raw: int
    clicks_human: int
    readers: int


@dataclass(frozen=True)
class TrackingCounts:
    """One issue. `unsubscribes` are those not undone; `unsubscribes_by_header` are those made by RFC 8058."""

    clicks_raw: int
    clicks_human: int
    readers_clicked: int
    unsubscribes: int
    unsubscribes_by_header: int
    unsubscribes_undone: int
    per_pick: tuple[PickCounts, ...]
    per_link: tuple[LinkCounts, ...]


@dataclass(frozen=True)
class ReaderActions:
    """What readers did with one of several issues."""

    readers_clicked: int
    unsubscribes: int


@dataclass(frozen=True)
class Unsubscribes:
    """The unsubscribes of an issue: by hours since a start (earlier ones count in the first hour), and by reason."""

    by_hour: dict[int, int]
    reasons: dict[str, int]


_RAW, _HUMAN, _READERS = (
    func.coalesce(func.sum(column), 0)
    for column in (ClickHour.clicks_raw, ClickHour.clicks_human, ClickHour.readers)
)


def count_issue(session: Session, issue_id: int) -> TrackingCounts:
    """The clicks and unsubscribes of an issue; zeros for one that was never sent."""
    raw, human, readers = session.execute(_select_totals(_RAW, _HUMAN, _READERS, issue_id=issue_id)).one()
    standing, by_header, undone = session.execute(_select_unsubscribes(issue_id)).one()
    links = _count_links(session, issue_id)
    return TrackingCounts(
        clicks_raw=raw,
        clicks_human=human,
        readers_clicked=readers,
        unsubscribes=standing,
        unsubscribes_by_header=by_header,
        unsubscribes_undone=undone,
        per_pick=_count_picks(session, issue_id, links),
        per_link=links,
    )


def count_by_hour(session: Session, issue_id: int, since: datetime, hours: int) -> list[tuple[int, int]]:
    """(raw, human) clicks of each of the first `hours` hours after `since`; earlier clicks count in the first."""
    start = hour_start(since)
    hour = case((ClickHour.hour < start, start), else_=ClickHour.hour)
    rows = _select_totals(hour.label("at"), _RAW, _HUMAN, issue_id=issue_id).where(
        ClickHour.hour < start + hours
    )
    found = {row.at - start: (row[1], row[2]) for row in session.execute(rows.group_by(hour))}
    return [found.get(place, (0, 0)) for place in range(hours)]


def count_issues(session: Session, issue_ids: Collection[int]) -> dict[int, ReaderActions]:
    """The readers who clicked in each of these issues, and those who unsubscribed through it."""
    readers = select(Link.issue_id, _READERS).join(ClickHour, ClickHour.link_id == Link.id)
    clicked = dict(session.execute(readers.where(Link.issue_id.in_(issue_ids)).group_by(Link.issue_id)).all())
    counted = select(Unsubscribe.issue_id, func.count()).where(Unsubscribe.issue_id.in_(issue_ids))
    counted = counted.where(Unsubscribe.undone_at.is_(None)).group_by(Unsubscribe.issue_id)
    unsubscribes = dict(session.execute(counted).all())
    return {
        number: ReaderActions(clicked.get(number, 0), unsubscribes.get(number, 0)) for number in issue_ids
    }


def count_unsubscribes(session: Session, issue_id: int, since: datetime) -> Unsubscribes:
    """When and why readers unsubscribed through an issue, without those undone; no reason is under ""."""
    rows = select(Unsubscribe.at, Unsubscribe.reason)
    rows = rows.where(Unsubscribe.issue_id == issue_id, Unsubscribe.undone_at.is_(None))
    hours: dict[int, int] = {}
    reasons: dict[str, int] = {}
    for at, reason in session.execute(rows):
        hour = max(0, (at - since) // timedelta(hours=1))
        hours[hour] = hours.get(hour, 0) + 1
        reasons[reason or ""] = reasons.get(reason or "", 0) + 1
    return Unsubscribes(hours, reasons)


def _select_totals(*columns: Any, issue_id: int) -> Select[Any]:
    """These columns over the hourly totals of one issue's links."""
    return (
        select(*columns)
        .select_from(ClickHour)
        .join(Link, Link.id == ClickHour.link_id)
        .where(Link.issue_id == issue_id)
    )


def _select_readers(column: Any, issue_id: int) -> Select[Any]:
    """The distinct readers with human clicks, by `column`; served by the index of human clicks."""
    return (
        select(column, func.count(distinct(Click.subscriber_id)))
        .select_from(Link)
        .join(Click, Click.link_id == Link.id)
        .where(Link.issue_id == issue_id, Click.is_human())
        .group_by(column)
    )


def _count_links(session: Session, issue_id: int) -> tuple[LinkCounts, ...]:
    readers: dict[int, int] = dict(session.execute(_select_readers(Link.id, issue_id)).all())
    query = (
        select(
            Link.id,
            Link.number,
            Link.pick_id,
            Link.label,
            Link.url,
            Link.readers,
            _RAW.label("raw"),
            _HUMAN.label("human"),
        )
        .outerjoin(ClickHour, ClickHour.link_id == Link.id)
        .where(Link.issue_id == issue_id)
        .group_by(Link.id)
        .order_by(Link.number)
    )
    return tuple(
        LinkCounts(
            row.number,
            row.pick_id,
            row.label,
            row.url,
            row.raw,
            row.human,
            readers.get(row.id, 0) if row.readers is None else row.readers,
        )
        for row in session.execute(query)
    )


def _count_picks(session: Session, issue_id: int, links: tuple[LinkCounts, ...]) -> tuple[PickCounts, ...]:
    totals = select(PickTotal.pick_id, PickTotal.readers).where(PickTotal.issue_id == issue_id)
    stored = session.execute(totals).all()  # once they are, the clicks may be deleted
    rows = stored or session.execute(_select_readers(Link.pick_id, issue_id)).all()
    readers: dict[int, int] = dict(rows)
    sums: dict[int, list[int]] = {}
    for link in links:
        if link.pick_id is not None and link.clicks_raw:
            both = sums.setdefault(link.pick_id, [0, 0])
            both[0] += link.clicks_raw
            both[1] += link.clicks_human
    return tuple(
        PickCounts(pick, raw, human, readers.get(pick, 0)) for pick, (raw, human) in sorted(sums.items())
    )


def _select_unsubscribes(issue_id: int) -> Select[int, int, int]:
    is_standing = Unsubscribe.undone_at.is_(None)
    is_by_header = and_(is_standing, Unsubscribe.source == "header")
    return select(
        func.count(case((is_standing, 1))),
        func.count(case((is_by_header, 1))),
        func.count(Unsubscribe.undone_at),
    ).where(Unsubscribe.issue_id == issue_id)
