"""Whether this machine's clock agrees with the database's, by which issues start."""

from datetime import datetime, timedelta
from typing import Final

from digest.monitoring.ages import describe_age
from digest.monitoring.problems import Problem

FARTHEST_OFF: Final = timedelta(minutes=1)


def describe_difference(here: datetime, there: datetime) -> str:
    """How far the clock here is off: "60 minutes ahead of the database's"."""
    return f"{describe_age(abs(here - there))} {'ahead of' if here > there else 'behind'} the database's"


def find_clock_problem(here: datetime, there: datetime, host: str) -> Problem | None:
    """A clock that is off by more than a minute: drafts, reminders and times at the desk come early or late."""
    if abs(here - there) <= FARTHEST_OFF:
        return None
    summary = f"The clock of {host} is {describe_difference(here, there)}."
    return Problem(f"clock:{host}", summary, "set both with NTP", host)
