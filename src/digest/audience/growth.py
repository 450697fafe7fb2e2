"""Audience growth: consent events counted by week."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import Integer, String, column, func, or_, select, true, values
from sqlalchemy.orm import Session

from digest.audience.consent import Kind
from digest.audience.models import ConsentEvent
from digest.db import UtcDateTime

WEEK: Final = timedelta(weeks=1)
KINDS: Final = (
    Kind.REQUESTED,
    Kind.CONFIRMED,
    Kind.IMPORTED,
    Kind.UNSUBSCRIBED,
    Kind.RESUBSCRIBED,
    Kind.SUPPRESSED,
    Kind.ERASED,
)


@dataclass
class Week:
    """The events of the seven days from `begin`. One person may account for several."""

    begin: datetime
    counts: dict[str, int] = field(default_factory=lambda: {kind.value: 0 for kind in KINDS})

    def __getitem__(self, kind: str) -> int:
        return self.counts[kind]


def by_week(session: Session, publication_id: int, begin: datetime, weeks: int) -> list[Week]:
    """Count events for each of `weeks` weeks from `begin`. Suppressions and erasures count for every publication.

    Each count is one range scan of the index on kind and time, so a million events are counted without being fetched.
    """
    spans = [Week(begin + place * WEEK) for place in range(weeks)]
    columns = (column("place", Integer), column("begun", UtcDateTime), column("ended", UtcDateTime))
    given = [(place, span.begin, span.begin + WEEK) for place, span in enumerate(spans)]
    week = values(*columns, name="week").data(given).cte("week")
    kind = values(column("kind", String), name="kind").data([(kind.value,) for kind in KINDS]).cte("kinds")
    event = ConsentEvent
    ours = or_(event.publication_id == publication_id, event.publication_id.is_(None))
    many = select(func.count()).where(
        event.kind == kind.c.kind, event.at >= week.c.begun, event.at < week.c.ended, ours
    )
    # One subquery per week: to group them, SQLite would sort a million events.
    rows = select(week.c.place, kind.c.kind, many.scalar_subquery()).join(kind, true())
    for place, name, number in session.execute(rows):
        spans[place].counts[name] = number
    return spans
