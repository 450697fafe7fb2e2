"""Permits to send, shared by all workers and fetched in blocks so that a single permit costs almost nothing."""

import math
import threading
import time
from collections.abc import Callable, Sequence
from typing import Protocol

from digest.rate_limit.local import daily_limit
from digest.rate_limit.shared import SharedRateLimiter
from digest.rates import WarmUp

WINDOW_SECONDS = 0.1  # seconds' worth of permits fetched at once, and the most that is saved up
STALE_SECONDS = 1.0  # seconds after which unused permits are discarded
MIN_WAIT_SECONDS = 0.02  # so that a waiting caller finds several permits, not one
ALL_ACCOUNTS = "all"  # the bucket that all accounts share
_MAX_QUOTA_BLOCK = 50  # the most permits of a daily quota fetched at once


class Throttle(Protocol):
    """A limit that says how long the next mail has to wait."""

    def acquire(self) -> float:
        """Take a permit: returns 0, or the seconds after which to ask again (infinite: not today)."""

    def release(self) -> None:
        """Return the permit just taken."""

    def debit(self, mails: int) -> None:
        """Count mails that were sent without a permit."""


class TokenBucket:
    """`rate` mails a second over all workers."""

    def __init__(self, limiter: SharedRateLimiter, name: str, rate: float) -> None:
        self._limiter, self._name, self._rate = limiter, name, rate
        self._block = max(1, int(rate * WINDOW_SECONDS))
        self._remaining, self._until = 0, 0.0
        self._lock = threading.Lock()

    def acquire(self) -> float:
        with self._lock:
            monotonic = time.monotonic()
            if self._remaining <= 0 or monotonic > self._until:
                permit = self._limiter.acquire(self._name, self._rate, self._block, WINDOW_SECONDS)
                self._remaining, self._until = permit.granted, monotonic + STALE_SECONDS
                if not permit.granted:
                    return max(permit.wait, MIN_WAIT_SECONDS)
            self._remaining -= 1
            return 0.0

    def release(self) -> None:
        with self._lock:
            self._remaining += 1

    def debit(self, mails: int) -> None:
        self._limiter.debit(self._name, self._rate, mails)


class DailyQuota:
    """How many mails an account may still send today (UTC); the quota grows from day to day."""

    def __init__(
        self, limiter: SharedRateLimiter, name: str, limit: WarmUp, so_far: Callable[[float], int]
    ) -> None:
        """`so_far` returns how many mails of issues were sent since an epoch second, according to the ledger."""
        self._limiter, self._name, self._limit, self._so_far = limiter, name, limit, so_far
        today = daily_limit(limit, int(time.time() // 86400))
        self._block = max(1, min(_MAX_QUOTA_BLOCK, today // 100))
        self._remaining, self._until = 0, 0.0
        self._lock = threading.Lock()
        self._tomorrow = 0.0  # seconds until tomorrow, once today's quota is used up

    def open(self) -> None:
        """Start today's count before any mail is in flight, so that it is taken from what was actually sent."""
        self._limiter.acquire_from_quota(self._name, self._limit, 0, self._so_far)

    def acquire(self) -> float:
        with self._lock:
            if self._fetch() <= 0:
                return math.inf
            self._remaining -= 1
            return 0.0

    def seconds_until_available(self) -> float:
        """0 while today's quota lasts, else seconds until tomorrow."""
        with self._lock:
            return 0.0 if self._fetch() > 0 else self._tomorrow

    def _fetch(self) -> int:
        if self._remaining <= 0 and time.monotonic() >= self._until:
            permit = self._limiter.acquire_from_quota(self._name, self._limit, self._block, self._so_far)
            self._remaining = permit.granted
            if permit.granted <= 0:
                self._until, self._tomorrow = time.monotonic() + STALE_SECONDS, permit.wait
        return self._remaining

    def release(self) -> None:
        with self._lock:
            self._remaining += 1

    def debit(self, mails: int) -> None:
        """Letters do not count towards the quota: somebody is waiting for each of them."""

    def close(self) -> None:
        """Return unused permits."""
        with self._lock:
            if self._remaining > 0:
                self._limiter.acquire_from_quota(self._name, self._limit, -self._remaining, self._so_far)
                self._remaining = 0


class RateGate:
    """Several limits at once: a mail takes a permit from each, or from none."""

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
