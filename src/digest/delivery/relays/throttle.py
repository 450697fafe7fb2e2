"""How fast mails may leave: places that all workers share, fetched in blocks so that one of them costs nothing."""

import math
import threading
import time
from collections.abc import Callable, Sequence
from typing import Protocol

from digest.rate_limit.local import of_day
from digest.rate_limit.shared import Pace
from digest.rates import WarmUp

WINDOW = 0.1  # seconds' worth that is fetched at once, and saved up at most
STALE = 1.0  # seconds after which what was fetched and not used is thrown away
LEAST_WAIT = 0.02  # so that who waits finds a few places, not one
ALL = "all"  # the bucket of all accounts together
_DAYS_BLOCK = 50  # mails of a day's number fetched at once, at most


class Throttle(Protocol):
    """Something that says how long the next mail has to wait."""

    def take(self) -> float:
        """0 when a place was taken, else seconds after which to ask again; infinite: not today."""

    def put_back(self) -> None:
        """The place just taken was not needed."""

    def charge(self, mails: int) -> None:
        """Count mails that did not wait for a place."""


class Bucket:
    """`rate` mails a second over all workers."""

    def __init__(self, pace: Pace, name: str, rate: float) -> None:
        self._pace, self._name, self._rate = pace, name, rate
        self._block = max(1, int(rate * WINDOW))
        self._left, self._until = 0, 0.0
        self._lock = threading.Lock()

    def take(self) -> float:
        with self._lock:
            moment = time.monotonic()
            if self._left <= 0 or moment > self._until:
                found = self._pace.take(self._name, self._rate, self._block, WINDOW)
                self._left, self._until = found.number, moment + STALE
                if not found.number:
                    return max(found.wait, LEAST_WAIT)
            self._left -= 1
            return 0.0

    def put_back(self) -> None:
        with self._lock:
            self._left += 1

    def charge(self, mails: int) -> None:
        self._pace.charge(self._name, self._rate, mails)


class Day:
    """An account's number of mails for today (UTC), which grows from day to day."""

    def __init__(self, pace: Pace, name: str, limit: WarmUp, so_far: Callable[[float], int]) -> None:
        """`so_far` tells how many mails of issues went since an epoch second, as the ledger knows it."""
        self._pace, self._name, self._limit, self._so_far = pace, name, limit, so_far
        today = of_day(limit, int(time.time() // 86400))
        self._block = max(1, min(_DAYS_BLOCK, today // 100))
        self._left, self._until = 0, 0.0
        self._lock = threading.Lock()
        self._tomorrow = 0.0  # seconds until then, once nothing is left of today

    def open(self) -> None:
        """Have the number of today ready before anything is under way, so that it is counted from what went."""
        self._pace.take_of_day(self._name, self._limit, 0, self._so_far)

    def take(self) -> float:
        with self._lock:
            if self._fetch() <= 0:
                return math.inf
            self._left -= 1
            return 0.0

    def wait(self) -> float:
        """0 while there is a place today, else seconds until tomorrow."""
        with self._lock:
            return 0.0 if self._fetch() > 0 else self._tomorrow

    def _fetch(self) -> int:
        if self._left <= 0 and time.monotonic() >= self._until:
            found = self._pace.take_of_day(self._name, self._limit, self._block, self._so_far)
            self._left = found.number
            if found.number <= 0:
                self._until, self._tomorrow = time.monotonic() + STALE, found.wait
        return self._left

    def put_back(self) -> None:
        with self._lock:
            self._left += 1

    def charge(self, mails: int) -> None:
        """Letters are not of the day's number: who asked for one sits and waits."""

    def close(self) -> None:
        """Give back what was fetched and not used."""
        with self._lock:
            if self._left > 0:
                self._pace.take_of_day(self._name, self._limit, -self._left, self._so_far)
                self._left = 0


class Gate:
    """Several limits at once: a mail takes a place of each, or of none."""

    def __init__(self, limits: Sequence[Throttle]) -> None:
        self._limits = limits

    def take(self) -> float:
        for number, limit in enumerate(self._limits):
            wait = limit.take()
            if wait > 0:
                for earlier in self._limits[:number]:
                    earlier.put_back()
                return wait
        return 0.0

    def put_back(self) -> None:
        for limit in self._limits:
            limit.put_back()

    def charge(self, mails: int) -> None:
        for limit in self._limits:
            limit.charge(mails)
