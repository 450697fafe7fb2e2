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

from digest.db import PLAIN, on_postgres, upsert
from digest.tracking.models import Click, ClickHour, Link

ONE_VISIT = timedelta(seconds=5)  # presses of one link so close together are one row
MOST_VISITS = 12  # rows of one reader and link, and as many again of requests that gave themselves away
BURST = timedelta(seconds=5)
BURST_LINKS = 3  # so many different links within a burst: a scanner walks through the mail, a person reads
AGENT_CHARS = 200
_LOCKS = 7301  # our advisory locks: one click of a reader after the other


@dataclass(frozen=True)
class Visit:
    """One GET of one link. `told`: the request itself says that no person made it."""

    issue_id: int
    link_id: int
    subscriber_id: int
    agent: str
    told: bool
    at: datetime


@dataclass
class _Sums:
    """What changes in the sums, by link and hour: clicks of anybody, clicks of people, readers."""

    changes: defaultdict[tuple[int, int], list[int]] = field(
        default_factory=lambda: defaultdict(lambda: [0, 0, 0])
    )

    def add(self, link_id: int, at: datetime, raw: int, human: int, readers: int) -> None:
        for place, number in enumerate((raw, human, readers)):
            self.changes[link_id, hour_of(at)][place] += number

    def rows(self) -> list[dict[str, int]]:
        """In one order, so that two clicks at once never wait for each other."""
        names = ("clicks_raw", "clicks_human", "readers")
        return [
            {"link_id": link, "hour": hour, **dict(zip(names, numbers, strict=True))}
            for (link, hour), numbers in sorted(self.changes.items())
        ]


def hour_of(at: datetime) -> int:
    """Whole hours since 1970, UTC."""
    return int(at.timestamp()) // 3600


def count(session: Session, visit: Visit) -> None:
    """Count one click: a machine's when its request said so, or when it is one of a burst.

    A burst is three different links of the issue by one reader within five seconds; all of these are a machine's.
    """
    _in_turn(session, visit.subscriber_id)
    before = _before(session, visit)
    sums = _Sums()
    burst = not visit.told and _is_burst(visit, before)
    if burst:
        _take_back(session, visit, before, sums)
    same = _same_visit(visit, before)
    machine = visit.told or burst or (same is not None and same.machine)
    known = any(not row.machine and not (burst and _in_window(visit, row)) for row in before)
    first = not machine and not known
    if same is None:
        _add(session, visit, machine=machine, first=first)
    else:
        again = {"times": Click.times + 1, "last_at": visit.at}
        session.execute(update(Click).where(Click.id == same.id).values(again), execution_options=PLAIN)
    # A press that joins a fresh row counts in that row's hour, so that a burst takes back what was added.
    at = same.at if same is not None and _near(visit, same.at, ONE_VISIT) else visit.at
    sums.add(visit.link_id, at, 1, int(not machine), int(first))
    _keep(session, sums)


def _in_turn(session: Session, subscriber_id: int) -> None:
    # A scanner follows all links at the same moment; one by one they see each other. SQLite has one writer anyway.
    if on_postgres(session):
        session.execute(select(func.pg_advisory_xact_lock(_LOCKS, subscriber_id % 2**31)))


def _before(session: Session, visit: Visit) -> Sequence[Any]:
    """This reader's visits of this issue's links: a few, whatever they do."""
    columns = (Click.id, Click.link_id, Click.machine, Click.told, Click.first, Click.times, Click.at)
    rows = select(*columns, Click.last_at).join(Link, Link.id == Click.link_id)
    rows = rows.where(Click.subscriber_id == visit.subscriber_id, Link.issue_id == visit.issue_id)
    return session.execute(rows.order_by(Click.at)).all()


def _is_burst(visit: Visit, before: Iterable[Any]) -> bool:
    links = {row.link_id for row in before if _near(visit, row.last_at, BURST)}
    return len(links | {visit.link_id}) >= BURST_LINKS


def _take_back(session: Session, visit: Visit, before: Sequence[Any], sums: _Sums) -> None:
    """The clicks of this burst that were taken for a person's are a machine's after all."""
    wrong = [row for row in before if not row.machine and _in_window(visit, row)]
    for row in wrong:
        sums.add(row.link_id, row.at, 0, -row.times, -int(row.first))
    turned = update(Click).where(Click.id.in_([row.id for row in wrong])).values(machine=True, first=False)
    session.execute(turned, execution_options=PLAIN)


def _same_visit(visit: Visit, before: Sequence[Any]) -> Any | None:
    """The row that this click joins: a fresh one, or the last when there are many; None: it begins one."""
    rows = [row for row in before if row.link_id == visit.link_id and row.told == visit.told]
    fresh = [row for row in rows if _near(visit, row.at, ONE_VISIT)]
    if fresh:
        return fresh[-1]
    if len(rows) < MOST_VISITS:
        return None
    people = [row for row in rows if row.machine == visit.told]
    return (people or rows)[-1]


def _in_window(visit: Visit, row: Any) -> bool:
    return _near(visit, row.at, BURST)


def _near(visit: Visit, at: datetime, window: timedelta) -> bool:
    return abs(visit.at - at) <= window


def _add(session: Session, visit: Visit, *, machine: bool, first: bool) -> None:
    session.execute(
        insert(Click).values(
            link_id=visit.link_id,
            subscriber_id=visit.subscriber_id,
            agent=visit.agent[:AGENT_CHARS],
            machine=machine,
            told=visit.told,
            first=first,
            times=1,
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
