"""What one process decides by itself: while the store is away, or where there is none."""

import threading
import time
from collections.abc import Callable, Mapping

from digest.rates import WarmUp

FLOOR, CEILING, FIRST = 1.0, 1000.0, 20.0  # a second: the slowest, what is free again, the first slow-down
DOUBLES = 60.0  # seconds without a complaint after which what was slowed goes twice as fast
DEAF = 2.0  # seconds after a slow-down in which more complaints are about the same haste
LONGEST_OUT = 3600.0  # seconds
DAY = 86400


class Alone:
    """The same questions as to the store. `ahead` moves its clock by so many seconds."""

    def __init__(self, ahead: float = 0.0) -> None:
        self.ahead = ahead
        self._lock = threading.RLock()
        self._due: dict[str, float] = {}  # bucket or line -> the moment of its next piece
        self._slow: dict[str, tuple[float, float]] = {}  # name -> rate, and at which moment it was that
        self._out: dict[str, tuple[float, int]] = {}  # name -> until which moment, how often
        self._days: dict[str, tuple[int, int, int]] = {}  # name -> day, pieces told of, pieces counted here

    def take(self, name: str, rate: float, wanted: int, window: float) -> tuple[int, float]:
        with self._lock:
            moment = self._moment()
            due = max(self._due.get(name, moment), moment - window)
            number = min(wanted, int((moment - due) * rate) + 1) if due <= moment else 0
            self._due[name] = due + number / rate
            return number, max(0.0, self._due[name] - moment)

    def charge(self, name: str, rate: float, number: int) -> None:
        with self._lock:
            self._due[name] = max(self._due.get(name, 0.0), self._moment()) + number / rate

    def line_up(self, name: str, rate: float, number: int, longest: float) -> float:
        with self._lock:
            moment = self._moment()
            at = min(max(self._due.get(f"line {name}", moment), moment), moment + longest)
            self._due[f"line {name}"] = at + number / rate
            return at - moment

    def slow_down(self, name: str) -> float:
        with self._lock:
            rate, age = self._grown(name)
            if rate == 0.0 or rate >= CEILING:
                self.know(name, FIRST)
            elif age >= DEAF:
                self.know(name, max(FLOOR, rate / 2))
            return self._grown(name)[0]

    def know(self, name: str, rate: float) -> None:
        """`name` goes at `rate` as of now, as the store says."""
        self._slow[name] = rate, self._moment()

    def know_all(self, rates: Mapping[str, float]) -> None:
        """These are slowed and no others."""
        moment = self._moment()
        self._slow = {name: (rate, moment) for name, rate in rates.items()}

    def slowed(self) -> dict[str, float]:
        if not self._slow:
            return {}
        with self._lock:
            rates = {name: self._grown(name)[0] for name in self._slow}
        return {name: rate for name, rate in rates.items() if rate < CEILING}

    def take_of_day(
        self, name: str, limit: WarmUp, wanted: int, so_far: Callable[[float], int], share: float
    ) -> tuple[int, float]:
        now = self.now()
        day = int(now // DAY)
        with self._lock:
            was, before, own = self._days.get(name, (-1, 0, 0))
            if was != day:
                before, own = so_far(float(day * DAY)), 0
            left = int(of_day(limit, day) * share) - before - own
            number = max(min(wanted, left), min(wanted, 0))
            self._days[name] = day, before, own + number
        return number, (day + 1) * DAY - now

    def owed(self, name: str) -> int:
        """What was counted here today and the store does not know."""
        day, _, own = self._days.get(name, (-1, 0, 0))
        return own if day == int(self.now() // DAY) else 0

    def settled(self, name: str) -> None:
        """The store knows."""
        self._days.pop(name, None)

    def time_out(self, name: str, first: float) -> float:
        with self._lock:
            until, times = self._out.get(name, (0.0, 0))
            left = until - self._moment()
            if left > 0:
                return left
            seconds = min(first * 2.0 ** min(times, 20), LONGEST_OUT)
            self._out[name] = self._moment() + seconds, times + 1
            return seconds

    def left(self, name: str) -> float:
        return max(0.0, self._out.get(name, (0.0, 0))[0] - self._moment())

    def let_in(self, name: str) -> None:
        self._out.pop(name, None)

    def now(self) -> float:
        """Seconds since 1970 by this machine's clock."""
        return time.time() + self.ahead

    def _grown(self, name: str) -> tuple[float, float]:
        rate, at = self._slow.get(name, (0.0, 0.0))
        age = self._moment() - at
        return rate * 2.0 ** min(age / DOUBLES, 30.0), age

    def _moment(self) -> float:
        return time.monotonic() + self.ahead


def of_day(limit: WarmUp, day: int) -> int:
    """How many pieces a day (counted since 1970) may have."""
    days = max(0, day - limit.start_day)
    try:
        return int(min(limit.first * limit.growth**days, 1e9))
    except OverflowError:
        return 1_000_000_000
