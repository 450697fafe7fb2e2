"""How fast mails may leave: places that all workers share, fetched in blocks so that one of them costs nothing."""

import math
import threading
import time
from collections.abc import Callable, Sequence
from typing import Protocol

from digest.rate_limit.local import daily_limit
from digest.rate_limit.shared import SharedRateLimiter
from digest.rates import WarmUp

WINDOW_SECONDS = 0.1  # seconds' worth that is fetched at once, and saved up at most
STALE_SECONDS = 1.0  # seconds after which what was fetched and not used is thrown away
MIN_WAIT_SECONDS = 0.02  # so that who waits finds a few places, not one
ALL_ACCOUNTS = "all"  # the bucket of all accounts together
_MAX_QUOTA_BLOCK = 50  # mails of a day's number fetched at once, at most


class Throttle(Protocol):
    """Something that says how long the next mail has to wait."""

    def acquire(self) -> float:
        """0 when a place was taken, else seconds after which to ask again; infinite: not today."""

    def release(self) -> None:
        """The place just taken was not needed."""

    def debit(self, mails: int) -> None:
        """Count mails that did not wait for a place."""


class TokenBucket:
    """`rate` mails a second over all workers."""

    def __init__(self, pace: SharedRateLimiter, name: str, rate: float) -> None:
        self._pace, self._name, self._rate = pace, name, rate
        self._block = max(1, int(rate * WINDOW_SECONDS))
        self._remaining, self._until = 0, 0.0
        self._lock = threading.Lock()

    def acquire(self) -> float:
        with self._lock:
            moment = time.monotonic()
            if self._remaining <= 0 or moment > self._until:
                found = self._pace.acquire(self._name, self._rate, self._block, WINDOW_SECONDS)
                self._remaining, self._until = found.granted, moment + STALE_SECONDS
                if not found.granted:
                    return max(found.wait, MIN_WAIT_SECONDS)
            self._remaining -= 1
            return 0.0

    def release(self) -> None:
        with self._lock:
            self._remaining += 1

    def debit(self, mails: int) -> None:
        self._pace.debit(self._name, self._rate, mails)


class DailyQuota:
    """An account's number of mails for today (UTC), which grows from day to day."""

    def __init__(
        self, pace: SharedRateLimiter, name: str, limit: WarmUp, so_far: Callable[[float], int]
    ) -> None:
        """`so_far` tells how many mails of issues went since an epoch second, as the ledger knows it."""
        self._pace, self._name, self._limit, self._so_far = pace, name, limit, so_far
        today = daily_limit(limit, int(time.time() // 86400))
        self._block = max(1, min(_MAX_QUOTA_BLOCK, today // 100))
        self._remaining, self._until = 0, 0.0
        self._lock = threading.Lock()
        self._tomorrow = 0.0  # seconds until then, once nothing is left of today

    def open(self) -> None:
        """Have the number of today ready before anything is under way, so that it is counted from what went."""
        self._pace.acquire_from_quota(self._name, self._limit, 0, self._so_far)

    def acquire(self) -> float:
        with self._lock:
            if self._fetch() <= 0:
                return math.inf
            self._remaining -= 1
            return 0.0

    def seconds_until_available(self) -> float:
        """0 while there is a place today, else seconds until tomorrow."""
        with self._lock:
            return 0.0 if self._fetch() > 0 else self._tomorrow

    def _fetch(self) -> int:
        if self._remaining <= 0 and time.monotonic() >= self._until:
            found = self._pace.acquire_from_quota(self._name, self._limit, self._block, self._so_far)
            self._remaining = found.granted
            if found.granted <= 0:
                self._until, self._tomorrow = time.monotonic() + STALE_SECONDS, found.wait
        return self._remaining

    def release(self) -> None:
        with self._lock:
            self._remaining += 1

    def debit(self, mails: int) -> None:
        """Letters are not of the day's number: who asked for one sits and waits."""

    def close(self) -> None:
        """Give back what was fetched and not used."""
        with self._lock:
            if self._remaining > 0:
                self._pace.acquire_from_quota(self._name, self._limit, -self._remaining, self._so_far)
                self._remaining = 0


class RateGate:
    """Several limits at once: a mail takes a place of each, or of none."""

    def __init__(self, limits: Sequence[Throttle]) -> None:
        self._limits = limits

    def acquire(self) -> float:
        for number, limit in enumerate(self._limits):
            wait = limit.acquire()
            if wait > 0:
                for earlier in self._limits[:number]:
                    earlier.release()
                return wait
        return 0.0

    def release(self) -> None:
        for limit in self._limits:
            limit.release()

    def debit(self, mails: int) -> None:
        for limit in self._limits:
            limit.debit(mails)
