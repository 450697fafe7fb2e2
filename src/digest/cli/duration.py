"""Lengths of time as people write them on a command line: 10m, 1h30m."""

import re
from datetime import timedelta
from typing import Any

import click

_FORM = re.compile(r"(?:(\d{1,4})d)?(?:(\d{1,5})h)?(?:(\d{1,6})m)?(?:(\d{1,7})s)?")
HINT = "write it like 10m, 1h or 1h30m"


class Duration(click.ParamType[timedelta]):
    """A length of time with its units; a bare number is refused, for nobody knows of what."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> timedelta:
        """Turn what was written into a timedelta, or end with exit code 2."""
        if isinstance(value, timedelta):
            return value
        text = str(value).strip().lower().replace(" ", "")
        match = _FORM.fullmatch(text)
        if text.isdigit():
            self.fail(f"{value!r} has no unit; {HINT}", param, ctx)
        if not text or match is None:
            self.fail(f"{value!r} is not a length of time; {HINT}", param, ctx)
        days, hours, minutes, seconds = (int(part or 0) for part in match.groups())
        return timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds)


class Minutes(Duration):
    """A length of time in whole minutes, up to a day."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> timedelta:
        """As Duration, and no part of a minute."""
        length = super().convert(value, param, ctx)
        if length % timedelta(minutes=1):
            self.fail(f"{value!r} is not in whole minutes; {HINT}", param, ctx)
        if length > timedelta(days=1):
            self.fail(f"{value!r} is more than a day", param, ctx)
        return length


def minutes(length: timedelta) -> int:
    """The whole minutes of a length of time."""
    return length // timedelta(minutes=1)
