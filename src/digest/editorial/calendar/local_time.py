"""A zone and a wall clock in, UTC out: worked out anew each time, and never remembered as "+7 days"."""

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from digest.errors import BadInput
from digest.publications.models import Publication
from digest.publications.publications import zone as checked_zone

LOCAL_FORMAT = "%Y-%m-%d %H:%M"
_DAY = timedelta(days=1)
_YEARS = range(2000, 2200)


def to_utc(local: str, zone: str) -> datetime:
    """The moment in UTC of a wall-clock time such as "2026-12-01 09:00" in an IANA zone.

    A time that a clock change skips means the first minute after the gap; one that happens twice means the first.
    Raises BadInput when either cannot be read.
    """
    written, region = parse_local_time(local), ZoneInfo(checked_zone(zone, "time zone"))
    for minutes in range(24 * 60 + 1):  # the longest gap known is a whole day, at the date line
        tried = written + timedelta(minutes=minutes)
        moment = tried.replace(tzinfo=region, fold=0).astimezone(UTC)
        if moment.astimezone(region).replace(tzinfo=None) == tried:
            return moment
    raise BadInput(f"{local} does not exist in {zone}")


def next_send_time(publication: Publication, now: datetime) -> datetime:
    """The publication's first regular hour strictly after `after`, in UTC."""
    return to_utc(f"{next_slot_date(publication, now)} {publication.at}", publication.zone)


def next_slot_date(publication: Publication, after: datetime) -> str:
    """The local date of `next_run`, "2026-12-01": what a weekly issue is known by, so that it is made once."""
    today = after.astimezone(ZoneInfo(publication.zone)).date()
    # From a day before: where a day has no 09:00, its issue runs on the next, and is still that day's.
    for days in range(-1, 9):
        day = today + timedelta(days=days)
        if day.weekday() == publication.weekday and _at(publication, day) > after:
            return day.isoformat()
    raise BadInput(f"{publication.name} has no next day; its weekday is {publication.weekday}")


def draft_due_at(publication: Publication, slot_date: str) -> datetime:
    """When the draft for an occasion is made, in UTC: the same wall-clock time so many days before."""
    return _at(publication, date.fromisoformat(slot_date) - publication.draft_days_before * _DAY)


def slot_send_time(publication: Publication, slot_date: str) -> datetime:
    """When the issue of an occasion goes out, in UTC."""
    return _at(publication, date.fromisoformat(slot_date))


def parse_local_time(local: str) -> datetime:
    """A wall-clock time as it is written, without a zone. Raises BadInput."""
    try:
        read = datetime.strptime(local.strip().replace("T", " "), LOCAL_FORMAT)  # noqa: DTZ007  a wall clock has no zone
    except ValueError:
        raise BadInput(f"{local!r} is not a time; write it like 2026-12-01 09:00") from None
    if read.year not in _YEARS:
        raise BadInput(f"{local!r} is in no year that we plan for")
    return read


def _at(publication: Publication, day: date) -> datetime:
    return to_utc(f"{day.isoformat()} {time.fromisoformat(publication.at):%H:%M}", publication.zone)
