"""Notes shown before an issue is scheduled: the hold, and what happens after downtime."""

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from digest.editorial.calendar.local_time import LOCAL_FORMAT, to_utc
from digest.editorial.calendar.schedule import MAX_LATENESS


def schedule_notes(local_time: str, zone: str, hold_minutes: int) -> list[str]:
    """Return sentences on what scheduling for a wall-clock time in `zone` means. Raises BadInput."""
    send_at, hours = to_utc(local_time, zone), int(MAX_LATENESS / timedelta(hours=1))
    start, latest = _local_clock(send_at, zone), _local_clock(send_at + MAX_LATENESS, zone)
    return [
        *_hold_notes(hold_minutes, send_at, zone),
        (
            f"If the server is down at {start}, sending starts as soon as it is back, until {latest} ({hours} hours "
            "late). After that the issue is paused and you are notified."
        ),
        "The checks run again at that time. If one blocks the issue, it is paused and you are notified.",
    ]


def send_now_notes(hold_minutes: int) -> list[str]:
    """Return sentences on what sending at once means."""
    if not hold_minutes:
        return ["Without a cancel window, the first email is sent within seconds and cannot be recalled."]
    return [
        (
            f"No email is sent for {_minutes(hold_minutes)}. Until then, Undo turns the issue back into a draft with "
            "nothing lost."
        )
    ]


def _hold_notes(minutes: int, send_at: datetime, zone: str) -> list[str]:
    if not minutes:
        return []
    end = _local_clock(send_at + timedelta(minutes=minutes), zone)
    return [
        f"No email is sent for another {_minutes(minutes)}, until {end}. You can still undo it until then."
    ]


def _local_clock(instant: datetime, zone: str) -> str:
    return instant.astimezone(ZoneInfo(zone)).strftime(LOCAL_FORMAT)[11:]


def _minutes(count: int) -> str:
    return f"{count} minute" + ("" if count == 1 else "s")
