"""Rate limiting within one process, while the shared store is unreachable or not configured."""

import threading
import time
from collections.abc import Callable, Mapping

from digest.rates import WarmUp

MIN_RATE = 1.0  # mails a second: a throttled name never gets less
UNTHROTTLED_RATE = 1000.0  # mails a second from which a throttled name counts as recovered
FIRST_THROTTLED_RATE = 20.0  # mails a second after the first complaint
DOUBLING_SECONDS = 60.0  # without a complaint, after which a throttled rate doubles
IGNORE_SECONDS = 2.0  # after throttling, in which further complaints are ignored
DAY_SECONDS = 86400


class LocalRateLimiter:
    """The same operations as the shared store. `clock_offset` shifts its clock, in seconds."""

    def __init__(self, clock_offset: float = 0.0) -> None:
        self.clock_offset = clock_offset
        self._lock = threading.RLock()
        self._due: dict[str, float] = {}  # bucket or queue -> when its next permit is due
        self._throttled: dict[str, tuple[float, float]] = {}  # name -> rate, and when it was set
        self._backoffs: dict[str, tuple[float, int]] = {}  # name -> end of the backoff, how many in a row
        self._quotas: dict[str, tuple[int, int, int]] = {}  # name -> day, count from elsewhere, count here

    def acquire(self, name: str, rate: float, wanted: int, window: float) -> tuple[int, float]:
        with self._lock:
            moment = self._monotonic()
            due = max(self._due.get(name, moment), moment - window)
            number = min(wanted, int((moment - due) * rate) + 1) if due <= moment else 0
            self._due[name] = due + number / rate
            return number, max(0.0, self._due[name] - moment)

    def debit(self, name: str, rate: float, number: int) -> None:
        with self._lock:
            self._due[name] = max(self._due.get(name, 0.0), self._monotonic()) + number / rate

    def reserve(self, name: str, rate: float, number: int, longest: float) -> float:
        with self._lock:
            moment = self._monotonic()
            at = min(max(self._due.get(f"queue {name}", moment), moment), moment + longest)
            self._due[f"queue {name}"] = at + number / rate
            return at - moment

    def throttle(self, name: str) -> float:
        with self._lock:
            rate, age = self._recovered_rate(name)
            if rate == 0.0 or rate >= UNTHROTTLED_RATE:
                self.set_rate(name, FIRST_THROTTLED_RATE)
            elif age >= IGNORE_SECONDS:
                self.set_rate(name, max(MIN_RATE, rate / 2))
            return self._recovered_rate(name)[0]

    def set_rate(self, name: str, rate: float) -> None:
        """Set the current rate of `name`, as the store reports it."""
        self._throttled[name] = rate, self._monotonic()

    def set_rates(self, rates: Mapping[str, float]) -> None:
        """Replace all throttled rates."""
        moment = self._monotonic()
        self._throttled = {name: (rate, moment) for name, rate in rates.items()}

    def throttled_rates(self) -> dict[str, float]:
        if not self._throttled:
            return {}
        with self._lock:
            rates = {name: self._recovered_rate(name)[0] for name in self._throttled}
        return {name: rate for name, rate in rates.items() if rate < UNTHROTTLED_RATE}

    def acquire_from_quota(
        self, name: str, limit: WarmUp, wanted: int, so_far: Callable[[float], int], share: float
    ) -> tuple[int, float]:
        now = self.now()
        day = int(now // DAY_SECONDS)
        with self._lock:
            was, before, own = self._quotas.get(name, (-1, 0, 0))
            if was != day:
                before, own = so_far(float(day * DAY_SECONDS)), 0
            available = int(daily_limit(limit, day) * share) - before - own
            number = max(min(wanted, available), min(wanted, 0))
            self._quotas[name] = day, before, own + number
        return number, (day + 1) * DAY_SECONDS - now

    def unreported(self, name: str) -> int:
        """How many permits were taken here today that the store has not counted."""
        day, _, own = self._quotas.get(name, (-1, 0, 0))
        return own if day == int(self.now() // DAY_SECONDS) else 0

    def mark_reported(self, name: str) -> None:
        """Note that the store has counted them."""
        self._quotas.pop(name, None)

    def back_off(self, name: str, first: float, longest: float) -> float:
        with self._lock:
            until, times = self._backoffs.get(name, (0.0, 0))
            remaining = until - self._monotonic()
            if remaining > 0:
                return remaining
            seconds = min(first * 2.0 ** min(times, 20), longest)
            self._backoffs[name] = self._monotonic() + seconds, times + 1
            return seconds

    def backoff_remaining(self, name: str) -> float:
        return max(0.0, self._backoffs.get(name, (0.0, 0))[0] - self._monotonic())

    def reset_backoff(self, name: str) -> None:
        self._backoffs.pop(name, None)

    def now(self) -> float:
        """Seconds since 1970 by this machine's clock."""
        return time.time() + self.clock_offset

    def _recovered_rate(self, name: str) -> tuple[float, float]:
        rate, at = self._throttled.get(name, (0.0, 0.0))
        age = self._monotonic() - at
        return rate * 2.0 ** min(age / DOUBLING_SECONDS, 30.0), age

    def _monotonic(self) -> float:
        return time.monotonic() + self.clock_offset


def daily_limit(limit: WarmUp, day: int) -> int:
    """How many mails may be sent on a day, counted since 1970."""
    days = max(0, day - limit.start_day)
    try:
        return int(min(limit.first * limit.growth**days, 1e9))
    except OverflowError:
        return 1_000_000_000
