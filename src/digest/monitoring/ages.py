"""Ages in words."""

from datetime import timedelta

_UNITS = (("day", 86_400), ("hour", 3_600), ("minute", 60))


def describe_age(age: timedelta) -> str:
    """An age in its largest unit, rounded down: "40 seconds", "4 minutes", "1 hour", "3 days"."""
    seconds = max(0, int(age.total_seconds()))
    unit, size = next(((unit, size) for unit, size in _UNITS if seconds >= size), ("second", 1))
    count = seconds // size
    return f"{count} {unit}" if count == 1 else f"{count} {unit}s"
