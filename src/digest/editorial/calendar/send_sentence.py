"""The sentence that says what is about to be sent, when and to how many."""

from digest.editorial.calendar.local_time import describe_local_time, describe_moment, to_utc
from digest.editorial.models import Issue

_MINUTES_PER_HOUR, _MINUTES_PER_DAY = 60, 24 * 60


def describe_send(
    issue: Issue,
    *,
    readers: int,
    excluded: int = 0,
    minutes: float | None = None,
    when: str | None = None,
) -> str:
    """Return one sentence on what is about to happen.

    "Wednesday 14 October 2026, 09:00 Europe/Berlin, issue 41, 5 verdicts, to 8,312 readers (12 excluded), about 42
    minutes." `when` describes a proposed time; else the issue's own is used. `minutes` is how long sending takes.
    """
    audience = f"to {_count(readers, 'reader')}" + (f" ({excluded:,} excluded)" if excluded else "")
    parts = [
        when or _describe_own_time(issue),
        f"issue {issue.number}",
        _count(len(issue.picks), "verdict"),
        audience,
        *([] if minutes is None else [_describe_duration(minutes)]),
    ]
    return ", ".join(parts) + "."


def _describe_own_time(issue: Issue) -> str:
    if not issue.send_on or not issue.zone or not issue.send_at:
        return "Not scheduled yet"
    if issue.send_at == to_utc(issue.send_on, issue.zone):
        return describe_local_time(issue.send_on, issue.zone)
    return describe_moment(issue.send_at, issue.zone)  # it was sent at once, within that minute


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
