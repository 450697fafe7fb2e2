"""The regular days of a publication: which come, which are skipped, and what has to happen before each."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy import select
from sqlalchemy.orm import Session

from digest.editorial.calendar.local_time import draft_time, next_occasion, run_of
from digest.editorial.models import Issue, Skip, State
from digest.errors import BadInput, NotAllowed
from digest.publications.models import Publication

AHEAD = 104  # nobody skips two years of weeks; whoever does is asked to change the calendar instead
_SPOKEN_FOR = (State.SCHEDULED, State.SENDING, State.PAUSED, State.SENT)


@dataclass(frozen=True)
class Occasion:
    """One regular day. Its hours are worked out in the publication's zone, whatever the clocks did in between."""

    day: str  # the local date, "2026-12-01"
    run: datetime  # when its issue goes out, and so by when it must be scheduled
    cut_off: datetime  # when its draft is made: what comes in later waits for the next one
    skipped: bool


def between(session: Session, publication: Publication, first: date, last: date) -> list[Occasion]:
    """The regular days from `first` to `last`, local dates, both included; not those before the publication was."""
    zone = ZoneInfo(publication.zone)
    first = max(first, publication.created_at.astimezone(zone).date())
    start = first + timedelta(days=(publication.weekday - first.weekday()) % 7)
    days = [start + timedelta(weeks=week) for week in range(((last - start).days // 7) + 1)]
    gone = _skipped(session, publication, [day.isoformat() for day in days])
    return [_occasion(publication, day.isoformat(), gone) for day in days]


def coming(session: Session, publication: Publication, after: datetime, many: int = 1) -> list[Occasion]:
    """The next `many` regular days after a moment on which an issue goes out: skipped ones are left out."""
    start = date.fromisoformat(next_occasion(publication, after))
    days = [(start + timedelta(weeks=week)).isoformat() for week in range(AHEAD)]
    gone = _skipped(session, publication, days)
    kept = [day for day in days if day not in gone]
    return [_occasion(publication, day, gone) for day in kept[:many]]


def next_planned(session: Session, publication: Publication, after: datetime) -> Occasion:
    """The first regular day after a moment on which an issue goes out. Raises BadInput when two years are skipped."""
    for found in coming(session, publication, after):
        return found
    raise BadInput(f"{publication.name} skips each of its next {AHEAD} days; take some of that back")


def next_cut_off(session: Session, publication: Publication, after: datetime) -> datetime:
    """When the clock makes the next draft: the first one that is still to come."""
    planned = coming(session, publication, after, 2)
    return next((day.cut_off for day in planned if day.cut_off > after), planned[-1].cut_off)


def is_skipped(session: Session, publication: Publication, day: str) -> bool:
    """Whether no issue is to go out on this regular day."""
    return session.get(Skip, (publication.id, day)) is not None


def skip(session: Session, publication: Publication, day: str, *, now: datetime, user_id: int | None) -> bool:
    """Let no issue go out on a regular day; False when that was so already.

    Raises BadInput for a day that is not one of its regular ones or is past, NotAllowed when an issue goes out on it.
    A draft that is there for it stays, and is drafted anew for the day after.
    """
    if not _is_regular(publication, day) or run_of(publication, day) <= now:
        raise BadInput(f"{day} is no coming day of {publication.name}")
    # Two who skip the same day at once come one after the other. SQLite has its one writer already.
    session.execute(
        select(Publication.id).where(Publication.id == publication.id).with_for_update(key_share=True)
    )
    held = select(Issue).where(Issue.publication_id == publication.id, Issue.state.in_(_SPOKEN_FOR))
    held = held.where(Issue.send_on.startswith(day, autoescape=True))
    if (issue := session.scalars(held.limit(1)).first()) is not None:
        raise NotAllowed(
            f"issue {issue.number} is on the calendar for {day}; unschedule or cancel it before the day is skipped"
        )
    if is_skipped(session, publication, day):
        return False
    session.add(Skip(publication_id=publication.id, occasion=day, user_id=user_id, at=now))
    session.flush()
    return True


def unskip(session: Session, publication: Publication, day: str) -> bool:
    """Let an issue go out on a day after all; False when it was not skipped."""
    row = session.get(Skip, (publication.id, day))
    if row is None:
        return False
    session.delete(row)
    session.flush()
    return True


def of_issue(session: Session, issue: Issue) -> Occasion | None:
    """The regular day that an issue is drafted for; None when it was made by hand for no day, or that is skipped."""
    if not issue.occasion or is_skipped(session, issue.publication, issue.occasion):
        return None
    return _occasion(issue.publication, issue.occasion, set())


def _occasion(publication: Publication, day: str, gone: set[str]) -> Occasion:
    return Occasion(day, run_of(publication, day), draft_time(publication, day), day in gone)


def _skipped(session: Session, publication: Publication, days: list[str]) -> set[str]:
    if not days:
        return set()
    rows = select(Skip.occasion).where(Skip.publication_id == publication.id)
    return set(session.scalars(rows.where(Skip.occasion >= days[0], Skip.occasion <= days[-1])))


def _is_regular(publication: Publication, day: str) -> bool:
    try:
        return date.fromisoformat(day).weekday() == publication.weekday and len(day) == len("2026-12-01")
    except ValueError:
        return False
