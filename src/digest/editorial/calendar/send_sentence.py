"""The sentence that says what is about to be sent, when and to how many."""

from digest.editorial.calendar.local_time import parse_local_time
from digest.editorial.models import Issue

_MINUTES_PER_HOUR, _MINUTES_PER_DAY = 60, 24 * 60


def describe_send(
    issue: Issue,
    *,
    readers: int,
    excluded: int = 0,
    minutes: float | None = None,
    local_time: str | None = None,
    zone: str | None = None,
) -> str:
    """Return one sentence on what is about to happen.

    "Tuesday 14 October, 09:00 Europe/Berlin, issue 41, 5 verdicts, to 8,312 readers (12 excluded), about 42 minutes."
    `local_time` and `zone` are a proposed time; else the issue's own. `minutes` is how long sending takes.
    """
    local_time, zone = local_time or issue.send_on, zone or issue.zone
    audience = f"to {_count(readers, 'reader')}" + (f" ({excluded:,} excluded)" if excluded else "")
    parts = [
        *_describe_time(local_time, zone),
        f"issue {issue.number}",
        _count(len(issue.picks), "verdict"),
        audience,
        *([] if minutes is None else [_describe_duration(minutes)]),
    ]
    return ", ".join(parts) + "."


def _describe_time(local_time: str | None, zone: str | None) -> list[str]:
    if not local_time or not zone:
        return ["Not scheduled yet"]
    when = parse_local_time(local_time)
    return [f"{when:%A} {when.day} {when:%B}", f"{when:%H:%M} {zone}"]


def _describe_duration(minutes: float) -> str:
    """In the largest unit that is still precise: nobody plans by 4,312 minutes."""
    units = (
        (2 * _MINUTES_PER_DAY, _MINUTES_PER_DAY, "day"),
        (2 * _MINUTES_PER_HOUR, _MINUTES_PER_HOUR, "hour"),
        (1, 1, "minute"),
    )
    for threshold, size, name in units:
        if minutes >= threshold:
            return f"about {_count(round(minutes / size), name)}"
    return "less than a minute"


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}" + ("" if number == 1 else "s")
