"""Parse rates as an operator writes them: `50/s`, `gmail.com=20/s`, `500@2026-11-22 x1.5`."""

import re
from collections.abc import Mapping
from datetime import date
from typing import NamedTuple

UNIT_SECONDS = {"s": 1.0, "m": 60.0, "h": 3600.0}
MIN_RATE, MAX_RATE = 1 / 3600, 1e6  # mails a second
_DAY_ZERO = date(1970, 1, 1)
_DOMAIN = re.compile(r"(?=.{1,253}$)[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?")


class WarmUp(NamedTuple):
    """At most `first` on the `start` day, and `growth` times as many each day after it. Days are in UTC."""

    first: int
    start: date
    growth: float = 1.0

    @property
    def start_day(self) -> int:
        """The start as days since 1970."""
        return (self.start - _DAY_ZERO).days


def parse_rate(words: str) -> float:
    """`50/s`, `600/m` or `20000/h` as mails a second. Raises ValueError."""
    match = re.fullmatch(r"(\d{1,12}(?:\.\d{1,6})?)\s*/\s*([smh])[a-z]*", words.strip().lower(), re.ASCII)
    if not match or float(match[1]) <= 0:
        raise ValueError("is not a rate; write 50/s, 600/m or 20000/h")
    rate = float(match[1]) / UNIT_SECONDS[match[2]]
    if not MIN_RATE <= rate <= MAX_RATE:
        raise ValueError("is not between 1/h and 1000000/s; write 50/s, 600/m or 20000/h")
    return rate


def parse_domain_rates(words: str) -> Mapping[str, float]:
    """`gmail.com=20/s, yahoo.com=5/s` as a rate per domain, in mails a second. Raises ValueError."""
    rates: dict[str, float] = {}
    for pair in filter(None, (part.strip() for part in words.split(","))):
        domain, found, each = pair.partition("=")
        domain = domain.strip().lower()
        if not found or not _DOMAIN.fullmatch(domain):
            raise ValueError(f"has {pair!r}; write gmail.com=20/s, yahoo.com=5/s")
        if domain in rates:
            raise ValueError(f"has {domain} twice")
        try:
            rates[domain] = parse_rate(each)
        except ValueError:
            raise ValueError(f"has {pair!r}; write gmail.com=20/s, yahoo.com=5/s") from None
    if not rates:
        raise ValueError("names no domain; write gmail.com=20/s, yahoo.com=5/s")
    return rates


def parse_warm_up(words: str) -> WarmUp:
    """`500@2026-11-22 x1.5`: at most 500 that day, then half as many more each day (no `x…`: no more).

    Raises ValueError.
    """
    wrong = "is not a warm-up; write 500@2026-11-22 x1.5: 500 mails that day, and 1.5 times as many each day after"
    match = re.fullmatch(
        r"(\d{1,9})\s*@\s*(\d{4}-\d\d-\d\d)(?:\s+x\s*(\d{1,3}(?:\.\d{1,6})?))?",
        words.strip().lower(),
        re.ASCII,
    )
    if not match:
        raise ValueError(wrong)
    try:
        found = WarmUp(int(match[1]), date.fromisoformat(match[2]), float(match[3] or 1))
    except ValueError:
        raise ValueError(wrong) from None
    if found.first < 1 or found.growth < 1:
        raise ValueError(wrong)
    return found
