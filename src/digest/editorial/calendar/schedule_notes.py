"""What is promised about an hour before it comes: the hold, what a machine that is down means, odd hours of a clock."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from digest.editorial.calendar.local_time import LOCAL_FORMAT, parse_local_time, to_utc
from digest.editorial.calendar.schedule import MAX_LATENESS


def schedule_notes(local_time: str, zone: str, hold_minutes: int) -> list[str]:
    """Sentences about going out `on` a wall-clock time in `zone`; all of them are kept. Raises BadInput."""
    moment, hours = to_utc(local_time, zone), int(MAX_LATENESS / timedelta(hours=1))
    at, last, leaves = (
        _local(moment + later, zone) for later in (timedelta(), MAX_LATENESS, timedelta(minutes=hold_minutes))
    )
    return [
        *_odd(local_time, zone, moment),
        *([_held(hold_minutes, leaves)] if hold_minutes else []),
        (
            f"If nothing runs here at {at}, it goes out as soon as something does, until {last}, {hours} hours late. "
            "After that it is paused and you are asked."
        ),
        "It is checked once more at that minute; if something blocks it then, it is paused and you are told.",
    ]


def send_now_notes(hold_minutes: int) -> list[str]:
    """The same about going out at once."""
    if not hold_minutes:
        return ["Without a hold the first mail leaves within seconds, and nothing takes it back."]
    return [
        (
            f"For {_minutes(hold_minutes)} everything is ready and no mail leaves: Undo makes it a draft again, "
            "with all its words."
        )
    ]


def _held(minutes: int, leaves: str) -> str:
    return f"Then it is held for {_minutes(minutes)}, until {leaves}: no mail leaves, and you can still take it back."


def _odd(on: str, zone: str, moment: datetime) -> list[str]:
    """When the clocks change: an hour that is not there, or one that comes twice."""
    meant, region = parse_local_time(on), ZoneInfo(zone)
    if moment.astimezone(region).replace(tzinfo=None) != meant:
        return [f"{meant:%H:%M} does not exist that day in {zone}: it goes out at {_local(moment, zone)}."]
    second = meant.replace(tzinfo=region, fold=1).astimezone(UTC)
    if second != moment:
        return [f"{meant:%H:%M} comes twice that day in {zone}: it goes out the first time."]
    return []


def _local(moment: datetime, zone: str) -> str:
    return moment.astimezone(ZoneInfo(zone)).strftime(LOCAL_FORMAT)[11:]


def _minutes(count: int) -> str:
    return f"{count} minute" + ("" if count == 1 else "s")
