"""The regular days of a publication: which come, which are skipped, and what has to happen before each."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy import select
from sqlalchemy.orm import Session

from digest.editorial.calendar.local_time import draft_due_at, next_slot_date, slot_send_time
from digest.editorial.models import Issue, SkippedSlot, State
from digest.errors import BadInput, NotAllowed
from digest.publications.models import Publication

MAX_SLOTS_AHEAD = 104  # nobody skips two years of weeks; whoever does is asked to change the calendar instead
_SPOKEN_FOR = (State.SCHEDULED, State.SENDING, State.PAUSED, State.SENT)


@dataclass(frozen=True)
class Slot:
    """One regular day. Its hours are worked out in the publication's zone, whatever the clocks did in between."""

    local_date: str  # the local date, "2026-12-01"
    send_at: datetime  # when its issue goes out, and so by when it must be scheduled
    cutoff: datetime  # when its draft is made: what comes in later waits for the next one
    is_skipped: bool


def list_slots(session: Session, publication: Publication, first: date, last: date) -> list[Slot]:
    """The regular days from `first` to `last`, local dates, both included; not those before the publication was."""
    zone = ZoneInfo(publication.zone)
    first = max(first, publication.created_at.astimezone(zone).date())
    start = first + timedelta(days=(publication.weekday - first.weekday()) % 7)
    days = [start + timedelta(weeks=week) for week in range(((last - start).days // 7) + 1)]
    gone = _skipped(session, publication, [day.isoformat() for day in days])
    return [_occasion(publication, day.isoformat(), gone) for day in days]


def list_upcoming(session: Session, publication: Publication, after: datetime, limit: int = 1) -> list[Slot]:
    """The next `many` regular days after a moment on which an issue goes out: skipped ones are left out."""
    start = date.fromisoformat(next_slot_date(publication, after))
    days = [(start + timedelta(weeks=week)).isoformat() for week in range(MAX_SLOTS_AHEAD)]
    gone = _skipped(session, publication, days)
    kept = [day for day in days if day not in gone]
    return [_occasion(publication, day, gone) for day in kept[:limit]]


def next_slot(session: Session, publication: Publication, after: datetime) -> Slot:
    """The first regular day after a moment on which an issue goes out. Raises BadInput when two years are skipped."""
    for found in list_upcoming(session, publication, after):
        return found
    raise BadInput(
        f"{publication.name} skips each of its next {MAX_SLOTS_AHEAD} days; take some of that back"
    )


def next_cutoff(session: Session, publication: Publication, after: datetime) -> datetime:
    """When the clock makes the next draft: the first one that is still to come."""
    planned = list_upcoming(session, publication, after, 2)
    return next((day.cutoff for day in planned if day.cutoff > after), planned[-1].cutoff)


def is_skipped(session: Session, publication: Publication, local_date: str) -> bool:
    """Whether no issue is to go out on this regular day."""
    return session.get(SkippedSlot, (publication.id, local_date)) is not None


def skip_slot(
    session: Session, publication: Publication, local_date: str, *, now: datetime, user_id: int | None
) -> bool:
    """Let no issue go out on a regular day; False when that was so already.

    Raises BadInput for a day that is not one of its regular ones or is past, NotAllowed when an issue goes out on it.
    A draft that is there for it stays, and is drafted anew for the day after.
    """
    if not _is_regular(publication, local_date) or slot_send_time(publication, local_date) <= now:
        raise BadInput(f"{local_date} is no coming day of {publication.name}")
    # Two who skip the same day at once come one after the other. SQLite has its one writer already.
    session.execute(
        select(Publication.id).where(Publication.id == publication.id).with_for_update(key_share=True)
    )
    held = select(Issue).where(Issue.publication_id == publication.id, Issue.state.in_(_SPOKEN_FOR))
    held = held.where(Issue.send_on.startswith(local_date, autoescape=True))
    if (issue := session.scalars(held.limit(1)).first()) is not None:
        raise NotAllowed(
            f"issue {issue.number} is on the calendar for {local_date}; unschedule or cancel it before the day is skipped"
        )
    if is_skipped(session, publication, local_date):
        return False
    session.add(SkippedSlot(publication_id=publication.id, occasion=local_date, user_id=user_id, at=now))
    session.flush()
    return True


def restore_slot(session: Session, publication: Publication, local_date: str) -> bool:
    """Let an issue go out on a day after all; False when it was not skipped."""
    row = session.get(SkippedSlot, (publication.id, local_date))
    if row is None:
        return False
    session.delete(row)
    session.flush()
    return True


def find_issue_slot(session: Session, issue: Issue) -> Slot | None:
    """The regular day that an issue is drafted for; None when it was made by hand for no day, or that is skipped."""
    if not issue.slot_date or is_skipped(session, issue.publication, issue.slot_date):
        return None
    return _occasion(issue.publication, issue.slot_date, set())


def _occasion(publication: Publication, day: str, gone: set[str]) -> Slot:
    return Slot(day, slot_send_time(publication, day), draft_due_at(publication, day), day in gone)


def _skipped(session: Session, publication: Publication, days: list[str]) -> set[str]:
    if not days:
        return set()
    rows = select(SkippedSlot.slot_date).where(SkippedSlot.publication_id == publication.id)
    return set(
        session.scalars(rows.where(SkippedSlot.slot_date >= days[0], SkippedSlot.slot_date <= days[-1]))
    )


def _is_regular(publication: Publication, day: str) -> bool:
    try:
        return date.fromisoformat(day).weekday() == publication.weekday and len(day) == len("2026-12-01")
    except ValueError:
        return False
