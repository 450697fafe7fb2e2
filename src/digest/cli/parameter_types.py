"""Types of the command line's options: durations, and files and folders that exist. Options that commands share."""

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import click

_PATTERN = re.compile(r"(?:(\d{1,4})d)?(?:(\d{1,5})h)?(?:(\d{1,6})m)?(?:(\d{1,7})s)?")
HINT = "write it like 10m, 1h or 1h30m"


class Duration(click.ParamType[timedelta]):
    """A duration with its units; a bare number is refused because its unit is unclear."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> timedelta:
        """Convert the value to a timedelta, or exit with code 2."""
        if isinstance(value, timedelta):
            return value
        text = str(value).strip().lower().replace(" ", "")
        match = _PATTERN.fullmatch(text)
        if text.isdigit():
            self.fail(f"{value!r} has no unit; {HINT}", param, ctx)
        if not text or match is None:
            self.fail(f"{value!r} is not a duration; {HINT}", param, ctx)
        days, hours, minutes, seconds = (int(part or 0) for part in match.groups())
        return timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds)


class Minutes(Duration):
    """A duration in whole minutes, up to a day."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> timedelta:
        """Convert the value to whole minutes, or exit with code 2."""
        length = super().convert(value, param, ctx)
        if length % timedelta(minutes=1):
            self.fail(f"{value!r} is not a whole number of minutes; {HINT}", param, ctx)
        if length > timedelta(days=1):
            self.fail(f"{value!r} is more than a day", param, ctx)
        return length


def minutes(length: timedelta) -> int:
    """The whole minutes of a duration."""
    return length // timedelta(minutes=1)


class ExistingPath(click.Path):
    """A path that is not empty: an empty string, as an unset shell variable gives, would mean the current folder."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Convert the value to a path, or exit with code 2."""
        if not str(value):
            self.fail("the path is empty; write . for this folder", param, ctx)
        return super().convert(value, param, ctx)


def log_words(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add `--sent-word` and `--refused-word`: the parameters `sent` and `refused`, tuples of words."""
    refused = click.option(
        "--refused-word",
        "refused",
        metavar="WORD",
        multiple=True,
        help="A word in FILE for emails that were not sent.",
    )
    sent = click.option(
        "--sent-word", "sent", metavar="WORD", multiple=True, help="A word in FILE for emails that were sent."
    )
    return sent(refused(command))
