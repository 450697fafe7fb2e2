"""Counting a click: which visit it belongs to, whether a person made it, and the sums that a report reads.

However often somebody presses, a reader and a link have a handful of rows: presses close together are one row with a
count, and when a reader has many rows for a link the last of them takes what still comes.
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

ONE_VISIT = timedelta(seconds=5)  # presses of one link so close together are one row
MOST_VISITS = 12  # rows of one reader and link, and as many again of requests that gave themselves away
BURST = timedelta(seconds=5)
BURST_LINKS = 3  # so many different links within a burst: a scanner walks through the mail, a person reads
AGENT_CHARS = 200
_LOCKS = 7301  # our advisory locks: one click of a reader after the other


@dataclass(frozen=True)
class ClickContext:
    """One GET of one link. `told`: the request itself says that no person made it."""

    issue_id: int
    link_id: int
    subscriber_id: int
    user_agent: str
    is_declared_bot: bool
    at: datetime


@dataclass
class _Sums:
    """What changes in the sums, by link and hour: clicks of anybody, clicks of people, readers."""

    changes: defaultdict[tuple[int, int], list[int]] = field(
        default_factory=lambda: defaultdict(lambda: [0, 0, 0])
    )

    def add(self, link_id: int, at: datetime, raw: int, human: int, readers: int) -> None:
        for place, number in enumerate((raw, human, readers)):
            self.changes[link_id, hour_start(at)][place] += number

    def rows(self) -> list[dict[str, int]]:
        """In one order, so that two clicks at once never wait for each other."""
        names = ("clicks_raw", "clicks_human", "readers")
        return [
            {"link_id": link, "hour": hour, **dict(zip(names, numbers, strict=True))}
            for (link, hour), numbers in sorted(self.changes.items())
        ]


def hour_start(at: datetime) -> int:
    """Whole hours since 1970, UTC."""
    return int(at.timestamp()) // 3600


def record_click(session: Session, visit: ClickContext) -> None:
    """Count one click: a machine's when its request said so, or when it is one of a burst.

    A burst is three different links of the issue by one reader within five seconds; all of these are a machine's.
    """
    _in_turn(session, visit.subscriber_id)
    before = _before(session, visit)
    sums = _Sums()
    burst = not visit.is_declared_bot and _is_burst(visit, before)
    if burst:
        _uncount(session, visit, before, sums)
    same = _is_same_visit(visit, before)
    machine = visit.is_declared_bot or burst or (same is not None and same.is_bot)
    known = any(not row.is_bot and not (burst and _in_window(visit, row)) for row in before)
    first = not machine and not known
    if same is None:
        _add(session, visit, machine=machine, first=first)
    else:
        again = {"click_count": Click.click_count + 1, "last_at": visit.at}
        session.execute(
            update(Click).where(Click.id == same.id).values(again), execution_options=WITHOUT_SYNC
        )
    # A press that joins a fresh row counts in that row's hour, so that a burst takes back what was added.
    at = same.at if same is not None and _near(visit, same.at, ONE_VISIT) else visit.at
    sums.add(visit.link_id, at, 1, int(not machine), int(first))
    _keep(session, sums)


def _in_turn(session: Session, subscriber_id: int) -> None:
    # A scanner follows all links at the same moment; one by one they see each other. SQLite has one writer anyway.
    if is_postgresql(session):
        session.execute(select(func.pg_advisory_xact_lock(_LOCKS, subscriber_id % 2**31)))


def _before(session: Session, visit: ClickContext) -> Sequence[Any]:
    """This reader's visits of this issue's links: a few, whatever they do."""
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
    rows = rows.where(Click.subscriber_id == visit.subscriber_id, Link.issue_id == visit.issue_id)
    return session.execute(rows.order_by(Click.at)).all()


def _is_burst(visit: ClickContext, before: Iterable[Any]) -> bool:
    links = {row.link_id for row in before if _near(visit, row.last_at, BURST)}
    return len(links | {visit.link_id}) >= BURST_LINKS


def _uncount(session: Session, visit: ClickContext, before: Sequence[Any], sums: _Sums) -> None:
    """The clicks of this burst that were taken for a person's are a machine's after all."""
    wrong = [row for row in before if not row.is_bot and _in_window(visit, row)]
    for row in wrong:
        sums.add(row.link_id, row.at, 0, -row.click_count, -int(row.is_first))
    turned = update(Click).where(Click.id.in_([row.id for row in wrong])).values(is_bot=True, is_first=False)
    session.execute(turned, execution_options=WITHOUT_SYNC)


def _is_same_visit(visit: ClickContext, before: Sequence[Any]) -> Any | None:
    """The row that this click joins: a fresh one, or the last when there are many; None: it begins one."""
    rows = [
        row for row in before if row.link_id == visit.link_id and row.is_declared_bot == visit.is_declared_bot
    ]
    fresh = [row for row in rows if _near(visit, row.at, ONE_VISIT)]
    if fresh:
        return fresh[-1]
    if len(rows) < MOST_VISITS:
        return None
    people = [row for row in rows if row.is_bot == visit.is_declared_bot]
    return (people or rows)[-1]


def _in_window(visit: ClickContext, row: Any) -> bool:
    return _near(visit, row.at, BURST)


def _near(visit: ClickContext, at: datetime, window: timedelta) -> bool:
    return abs(visit.at - at) <= window


def _add(session: Session, visit: ClickContext, *, machine: bool, first: bool) -> None:
    session.execute(
        insert(Click).values(
            link_id=visit.link_id,
            subscriber_id=visit.subscriber_id,
            user_agent=visit.user_agent[:AGENT_CHARS],
            is_bot=machine,
            is_declared_bot=visit.is_declared_bot,
            is_first=first,
            click_count=1,
            at=visit.at,
            last_at=visit.at,
        )
    )


def _keep(session: Session, sums: _Sums) -> None:
    adding = upsert(session, ClickHour)
    names = ("clicks_raw", "clicks_human", "readers")
    more = {name: getattr(ClickHour, name) + adding.excluded[name] for name in names}
    adding = adding.on_conflict_do_update(index_elements=["link_id", "hour"], set_=more)
    for row in sums.rows():
        session.execute(adding, row)
