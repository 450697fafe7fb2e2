"""Local times and UTC: a wall-clock time in a zone is converted each time, and never remembered as "+7 days"."""

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from digest.errors import BadInput
from digest.publications import time_zones
from digest.publications.models import Publication

LOCAL_FORMAT = "%Y-%m-%d %H:%M"
_DAY = timedelta(days=1)
_MINUTES_PER_DAY = 24 * 60
_YEARS = range(2000, 2200)


def to_utc(local: str, zone: str) -> datetime:
    """Return the UTC time of a wall-clock time such as "2026-12-01 09:00" in an IANA zone.

    A time that a clock change skips becomes the first minute after the gap; of one that happens twice the first
    counts. Raises BadInput when either cannot be read.
    """
    written, region = parse_local_time(local), ZoneInfo(time_zones.parse(zone, "time zone"))
    for minutes in range(_MINUTES_PER_DAY + 1):  # the longest known gap is a whole day, at the date line
        candidate = written + timedelta(minutes=minutes)
        instant = candidate.replace(tzinfo=region, fold=0).astimezone(UTC)
        if instant.astimezone(region).replace(tzinfo=None) == candidate:
            return instant
    raise BadInput(f"{local} does not exist in {zone}")


def describe_moment(moment: datetime, zone: str) -> str:
    """Return a moment as the sentence of a schedule has it: "Tuesday 14 October 2026, 09:00 Europe/Berlin"."""
    local = moment.astimezone(ZoneInfo(zone))
    return f"{local:%A} {local.day} {local:%B %Y}, {local:%H:%M} {zone}"


def describe_local_time(local: str, zone: str) -> str:
    """Return when an issue for this wall-clock time is sent, and what a clock change on that day means for it.

    Raises BadInput when either cannot be read.
    """
    written, sent_at = parse_local_time(local), to_utc(local, zone)
    shown = describe_moment(sent_at, zone)
    if sent_at.astimezone(ZoneInfo(zone)).replace(tzinfo=None) != written:
        return f"{shown} ({written:%H:%M} does not exist on that day)"
    if written.replace(tzinfo=ZoneInfo(zone), fold=1).astimezone(UTC) != sent_at:
        return f"{shown} (the first of two: the clocks go back)"
    return shown


def next_send_time(publication: Publication, now: datetime) -> datetime:
    """Return the publication's first regular send time strictly after `now`, in UTC."""
    return to_utc(f"{next_slot_date(publication, now)} {publication.at}", publication.zone)


def next_slot_date(publication: Publication, after: datetime) -> str:
    """Return the local date of the first slot after a time, "2026-12-01": it identifies the issue of that week."""
    today = after.astimezone(ZoneInfo(publication.zone)).date()
    # From the day before: where a clock change removes 09:00, that day's issue is sent on the next day.
    for days in range(-1, 9):
        day = today + timedelta(days=days)
        if day.weekday() == publication.weekday and _send_time(publication, day) > after:
            return day.isoformat()
    raise BadInput(f"{publication.name} has no next send day: {publication.weekday} is not a weekday")


def draft_due_at(publication: Publication, slot_date: str) -> datetime:
    """Return when the draft for a slot is generated, in UTC: at the same wall-clock time some days before."""
    return _send_time(publication, date.fromisoformat(slot_date) - publication.draft_days_before * _DAY)


def slot_send_time(publication: Publication, slot_date: str) -> datetime:
    """Return when the issue of a slot is sent, in UTC."""
    return _send_time(publication, date.fromisoformat(slot_date))


def parse_local_time(local: str) -> datetime:
    """Return a wall-clock time such as "2026-12-01 09:00" as a naive datetime. Raises BadInput."""
    try:
        parsed = datetime.strptime(local.strip().replace("T", " "), LOCAL_FORMAT)  # noqa: DTZ007  a wall clock has no zone
    except ValueError:
        raise BadInput(f"{local!r} is not a valid time; write it like 2026-12-01 09:00") from None
    if parsed.year not in _YEARS:
        raise BadInput(f"{local!r} is out of range; use a year from {_YEARS.start} to {_YEARS.stop - 1}")
    return parsed


def _send_time(publication: Publication, day: date) -> datetime:
    return to_utc(f"{day.isoformat()} {time.fromisoformat(publication.at):%H:%M}", publication.zone)
