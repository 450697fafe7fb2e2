"""Counts a click: which visit it belongs to, whether a person made it, and the hourly totals that reports read.

A reader has few rows per link, however often they click: clicks close together share a row with a count, and beyond
MAX_VISITS rows the last one counts all further clicks.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import func, insert, select, update
from sqlalchemy.orm import Session

from digest.db import WITHOUT_SYNC, is_postgresql, upsert
from digest.tracking.models import Click, ClickHour, Link

VISIT_WINDOW = timedelta(seconds=5)  # clicks on one link within it share a row
MAX_VISITS = 12  # rows per reader and link, and as many again for declared bots
BURST_WINDOW = timedelta(seconds=5)
BURST_LINKS = 3  # different links within the window: a scanner follows them all, a person reads
MAX_AGENT_CHARS = 200
_LOCK_NAMESPACE = 7301  # of our advisory locks, which serialize the clicks of one reader


@dataclass(frozen=True)
class ClickContext:
    """One GET of one link. `is_declared_bot`: the request itself shows that no person made it."""

    issue_id: int
    link_id: int
    subscriber_id: int
    user_agent: str
    is_declared_bot: bool
    at: datetime


@dataclass
class _Totals:
    """Changes of the totals by link and hour: all clicks, human clicks, readers."""

    changes: defaultdict[tuple[int, int], list[int]] = field(
        default_factory=lambda: defaultdict(lambda: [0, 0, 0])
    )

    def add(self, link_id: int, at: datetime, raw: int, human: int, readers: int) -> None:
        for place, number in enumerate((raw, human, readers)):
            self.changes[link_id, hour_start(at)][place] += number

    def rows(self) -> list[dict[str, int]]:
        """The changes in a fixed order, so that concurrent clicks cannot deadlock."""
        names = ("clicks_raw", "clicks_human", "readers")
        return [
            {"link_id": link, "hour": hour, **dict(zip(names, numbers, strict=True))}
            for (link, hour), numbers in sorted(self.changes.items())
        ]


def hour_start(at: datetime) -> int:
    """Whole hours since 1970, UTC."""
    return int(at.timestamp()) // 3600


def record_click(session: Session, click: ClickContext) -> None:
    """Count one click. It is a bot's if the request says so or if it belongs to a burst.

    A burst is three different links of the issue, followed by one reader within five seconds: all of them are a bot's.
    """
    _lock_reader(session, click.subscriber_id)
    before = _earlier_clicks(session, click)
    totals = _Totals()
    burst = not click.is_declared_bot and _is_burst(click, before)
    if burst:
        _reclassify_burst(session, click, before, totals)
    same = _row_to_join(click, before)
    is_bot = click.is_declared_bot or burst or (same is not None and same.is_bot)
    known = any(not row.is_bot and not (burst and _in_burst_window(click, row)) for row in before)
    first = not is_bot and not known
    if same is None:
        _insert_click(session, click, is_bot=is_bot, is_first=first)
    else:
        again = {"click_count": Click.click_count + 1, "last_at": click.at}
        session.execute(
            update(Click).where(Click.id == same.id).values(again), execution_options=WITHOUT_SYNC
        )
    # A click that joins a recent row counts in that row's hour, so that a burst subtracts where it was added.
    at = same.at if same is not None and _is_within(click, same.at, VISIT_WINDOW) else click.at
    totals.add(click.link_id, at, 1, int(not is_bot), int(first))
    _store_totals(session, totals)


def _lock_reader(session: Session, subscriber_id: int) -> None:
    # A scanner follows all links at once: one by one, each sees the ones before. SQLite has a single writer anyway.
    if is_postgresql(session):
        session.execute(select(func.pg_advisory_xact_lock(_LOCK_NAMESPACE, subscriber_id % 2**31)))


def _earlier_clicks(session: Session, click: ClickContext) -> Sequence[Any]:
    """This reader's rows for the links of this issue."""
    columns = (
        Click.id,
        Click.link_id,
        Click.is_bot,
        Click.is_declared_bot,
        Click.is_first,
        Click.click_count,
        Click.at,
    )
    rows = select(*columns, Click.last_at).join(Link, Link.id == Click.link_id)
    rows = rows.where(Click.subscriber_id == click.subscriber_id, Link.issue_id == click.issue_id)
    return session.execute(rows.order_by(Click.at)).all()


def _is_burst(click: ClickContext, before: Iterable[Any]) -> bool:
    links = {row.link_id for row in before if _is_within(click, row.last_at, BURST_WINDOW)}
    return len(links | {click.link_id}) >= BURST_LINKS


def _reclassify_burst(session: Session, click: ClickContext, before: Sequence[Any], totals: _Totals) -> None:
    """Turn the clicks of this burst that were counted as human into a bot's."""
    misjudged = [row for row in before if not row.is_bot and _in_burst_window(click, row)]
    for row in misjudged:
        totals.add(row.link_id, row.at, 0, -row.click_count, -int(row.is_first))
    reclassified = (
        update(Click).where(Click.id.in_([row.id for row in misjudged])).values(is_bot=True, is_first=False)
    )
    session.execute(reclassified, execution_options=WITHOUT_SYNC)


def _row_to_join(click: ClickContext, before: Sequence[Any]) -> Any | None:
    """The row that this click joins: a recent one, or the last of MAX_VISITS; None: it gets its own."""
    rows = [
        row for row in before if row.link_id == click.link_id and row.is_declared_bot == click.is_declared_bot
    ]
    recent = [row for row in rows if _is_within(click, row.at, VISIT_WINDOW)]
    if recent:
        return recent[-1]
    if len(rows) < MAX_VISITS:
        return None
    people = [row for row in rows if row.is_bot == click.is_declared_bot]
    return (people or rows)[-1]


def _in_burst_window(click: ClickContext, row: Any) -> bool:
    return _is_within(click, row.at, BURST_WINDOW)


def _is_within(click: ClickContext, at: datetime, window: timedelta) -> bool:
    return abs(click.at - at) <= window


def _insert_click(session: Session, click: ClickContext, *, is_bot: bool, is_first: bool) -> None:
    session.execute(
        insert(Click).values(
            link_id=click.link_id,
            subscriber_id=click.subscriber_id,
            user_agent=click.user_agent[:MAX_AGENT_CHARS],
            is_bot=is_bot,
            is_declared_bot=click.is_declared_bot,
            is_first=is_first,
            click_count=1,
            at=click.at,
            last_at=click.at,
        )
    )


def _store_totals(session: Session, totals: _Totals) -> None:
    adding = upsert(session, ClickHour)
    names = ("clicks_raw", "clicks_human", "readers")
    more = {name: getattr(ClickHour, name) + adding.excluded[name] for name in names}
    adding = adding.on_conflict_do_update(index_elements=["link_id", "hour"], set_=more)
    for row in totals.rows():
        session.execute(adding, row)
