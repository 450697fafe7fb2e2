"""The regular slots of a publication: which are coming, which are skipped, and when each draft is generated."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy import select
from sqlalchemy.orm import Session

from digest.editorial.calendar.local_time import draft_due_at, next_slot_date, slot_send_time
from digest.editorial.models import Issue, SkippedSlot, State
from digest.errors import BadInput, NotAllowed
from digest.publications.models import Publication

MAX_SLOTS_AHEAD = 104  # whoever skips two years of weeks should change the schedule instead
_DAYS_PER_WEEK = 7
_ISO_DATE_CHARS = len("2026-12-01")
_ON_CALENDAR = (State.SCHEDULED, State.SENDING, State.PAUSED, State.SENT)


@dataclass(frozen=True)
class Slot:
    """One regular date. Its times are computed in the publication's zone, across clock changes."""

    local_date: str  # "2026-12-01"
    send_at: datetime  # its issue must be scheduled by then
    cutoff: datetime  # its draft is generated; what is imported later waits for the next slot
    is_skipped: bool


def list_slots(session: Session, publication: Publication, first: date, last: date) -> list[Slot]:
    """Return the slots from `first` to `last`, local dates, both included, since the publication was created."""
    zone = ZoneInfo(publication.zone)
    first = max(first, publication.created_at.astimezone(zone).date())
    start = first + timedelta(days=(publication.weekday - first.weekday()) % _DAYS_PER_WEEK)
    dates = _weekly(start, ((last - start).days // _DAYS_PER_WEEK) + 1)
    skipped = _fetch_skipped(session, publication, dates)
    return [_make_slot(publication, slot_date, skipped) for slot_date in dates]


def list_upcoming(session: Session, publication: Publication, after: datetime, limit: int = 1) -> list[Slot]:
    """Return the next `limit` slots after a time, without the skipped ones."""
    dates = _weekly(date.fromisoformat(next_slot_date(publication, after)), MAX_SLOTS_AHEAD)
    skipped = _fetch_skipped(session, publication, dates)
    kept = [slot_date for slot_date in dates if slot_date not in skipped]
    return [_make_slot(publication, slot_date, skipped) for slot_date in kept[:limit]]


def next_slot(session: Session, publication: Publication, after: datetime) -> Slot:
    """Return the first slot after a time that is not skipped. Raises BadInput when two years are skipped."""
    for slot in list_upcoming(session, publication, after):
        return slot
    raise BadInput(f"the next {MAX_SLOTS_AHEAD} dates of {publication.name} are skipped; restore one of them")


def next_cutoff(session: Session, publication: Publication, after: datetime) -> datetime:
    """Return when the next draft is generated."""
    upcoming = list_upcoming(session, publication, after, 2)
    return next((slot.cutoff for slot in upcoming if slot.cutoff > after), upcoming[-1].cutoff)


def is_skipped(session: Session, publication: Publication, local_date: str) -> bool:
    """Return whether this slot is skipped."""
    return session.get(SkippedSlot, (publication.id, local_date)) is not None


def skip_slot(
    session: Session, publication: Publication, local_date: str, *, now: datetime, user_id: int | None
) -> bool:
    """Skip a slot, so that no issue is sent on it; return False when it was skipped already.

    Raises BadInput for a date that is not a regular one or is past, NotAllowed when an issue is on the calendar for
    it. An existing draft stays, and is regenerated for the next slot.
    """
    if not _is_regular(publication, local_date) or slot_send_time(publication, local_date) <= now:
        raise BadInput(f"{local_date} is not an upcoming send date of {publication.name}")
    # Serializes two requests to skip the same slot on PostgreSQL; SQLite has one writer anyway.
    session.execute(
        select(Publication.id).where(Publication.id == publication.id).with_for_update(key_share=True)
    )
    issue = _find_issue_on(session, publication, local_date)
    if issue is not None:
        raise NotAllowed(
            f"issue {issue.number} is on the calendar for {local_date}; unschedule or cancel it before you skip it"
        )
    if is_skipped(session, publication, local_date):
        return False
    session.add(
        SkippedSlot(publication_id=publication.id, slot_date=local_date, user_id=user_id, skipped_at=now)
    )
    session.flush()
    return True


def restore_slot(session: Session, publication: Publication, local_date: str) -> bool:
    """Stop skipping a slot; return False when it was not skipped."""
    row = session.get(SkippedSlot, (publication.id, local_date))
    if row is None:
        return False
    session.delete(row)
    session.flush()
    return True


def find_issue_slot(session: Session, issue: Issue) -> Slot | None:
    """Return the slot that an issue was drafted for; None when it was made by hand, or the slot is skipped."""
    if not issue.slot_date or is_skipped(session, issue.publication, issue.slot_date):
        return None
    return _make_slot(issue.publication, issue.slot_date, set())


def _weekly(start: date, count: int) -> list[str]:
    return [(start + timedelta(weeks=week)).isoformat() for week in range(count)]


def _make_slot(publication: Publication, local_date: str, skipped: set[str]) -> Slot:
    send_at = slot_send_time(publication, local_date)
    return Slot(local_date, send_at, draft_due_at(publication, local_date), local_date in skipped)


def _fetch_skipped(session: Session, publication: Publication, dates: list[str]) -> set[str]:
    if not dates:
        return set()
    rows = select(SkippedSlot.slot_date).where(SkippedSlot.publication_id == publication.id)
    return set(session.scalars(rows.where(SkippedSlot.slot_date.between(dates[0], dates[-1]))))


def _find_issue_on(session: Session, publication: Publication, local_date: str) -> Issue | None:
    issues = select(Issue).where(Issue.publication_id == publication.id, Issue.state.in_(_ON_CALENDAR))
    issues = issues.where(Issue.send_on.startswith(local_date, autoescape=True))
    return session.scalars(issues.limit(1)).first()


def _is_regular(publication: Publication, local_date: str) -> bool:
    try:
        day = date.fromisoformat(local_date)
    except ValueError:
        return False
    return day.weekday() == publication.weekday and len(local_date) == _ISO_DATE_CHARS
