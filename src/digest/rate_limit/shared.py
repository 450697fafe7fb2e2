"""How fast, agreed among all processes through Redis or Valkey: rates, slow-downs that pass, days' counts, time-outs.

While the store is away each process goes on at once, alone, with a share that is smaller than what it had, never
larger; it asks again every second, and comes back by itself.
"""

import logging
import time
import uuid
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from digest.rate_limit import local, scripts
from digest.rate_limit.local import Alone
from digest.rates import WarmUp

LOG = logging.getLogger(__name__)
PATIENCE = 0.25  # seconds that the store may take to answer
AGAIN = 1.0  # seconds between two questions to a store that is away, and between two about what is slowed
SHARES = 4  # while nobody can count the processes: so many are supposed, or twice those last seen


class Granted(NamedTuple):
    """How many pieces may go now, and seconds until the next may."""

    number: int
    wait: float


class Pace:
    """One store for all processes, or none: then this process is the only one there is."""

    def __init__(self, url: str | None = None, *, ahead: float = 0.0) -> None:
        """`url` as DIGEST_BROKER_URL; nothing connects yet. `ahead` moves every clock by so many seconds."""
        self._ahead, self._alone = ahead, Alone(ahead)
        self._store = _client(url) if url and not url.startswith("memory") else None
        self._away_until = self._slowed_at = 0.0
        self._me, self._shares = uuid.uuid4().hex[:12], SHARES

    @property
    def share(self) -> float:
        """The part of a limit that this process may use up by itself just now."""
        return 1.0 / self._shares if self._store is not None else 1.0

    def take(self, name: str, rate: float, wanted: int, window: float) -> Granted:
        """Up to `wanted` pieces at `rate` a second; those that nobody took are saved up for `window` seconds."""
        answer = self._ask(scripts.TAKE, (f"rate:{name}", "who"), rate, window, wanted, 0, self._me)
        if answer is None:
            kept = window if self._store is None else 0.0
            return Granted(*self._alone.take(name, rate * self.share, wanted, kept))
        self._shares = max(SHARES, 2 * int(answer[2]))
        return Granted(int(answer[0]), float(answer[1]))

    def charge(self, name: str, rate: float, number: int) -> None:
        """Count `number` pieces that could not wait; others wait for them. A negative number gives pieces back."""
        answer = self._ask(scripts.TAKE, (f"rate:{name}", "who"), rate, 0.1, number, 1, self._me)
        if answer is None:
            self._alone.charge(name, rate * self.share, number)

    def line_up(self, name: str, rate: float, number: int, longest: float) -> float:
        """Seconds, `longest` at most, until the turn of the first of `number` pieces that come at `rate` a second."""
        answer = self._ask(scripts.LINE_UP, (f"line:{name}",), rate, number, longest)
        if answer is None:
            return self._alone.line_up(name, rate, number, longest)
        return float(answer)

    def slow_down(self, name: str) -> float:
        """Somebody complained about our haste: `name` goes half as fast from now on. Gives the new rate."""
        numbers = (local.FIRST, local.FLOOR, local.CEILING, local.DOUBLES, local.DEAF)
        answer = self._ask(scripts.SLOW_DOWN, ("slow",), name, *numbers)
        if answer is None:
            return self._alone.slow_down(name) * self.share
        self._alone.know(name, float(answer))
        return float(answer)

    def slowed(self) -> Mapping[str, float]:
        """What is slowed, each with its rate as of now; what has recovered is not. Asks the store once a second."""
        if self._store is not None and time.monotonic() >= self._slowed_at + AGAIN:
            self._slowed_at = time.monotonic()
            answer = self._ask(scripts.SLOWED, ("slow",), local.DOUBLES, local.CEILING)
            if answer is not None:
                pairs = zip(answer[::2], answer[1::2], strict=True)
                self._alone.know_all({name: float(rate) for name, rate in pairs})
        return self._alone.slowed()

    def take_of_day(self, name: str, limit: WarmUp, wanted: int, so_far: Callable[[float], int]) -> Granted:
        """Up to `wanted` pieces of today's (UTC), and seconds until tomorrow. A negative `wanted` gives pieces back.

        `so_far` tells how many went since an epoch second: it is asked once when the store does not know, and once
        when it is away; then this process takes no more than its share of the day. Raises what `so_far` raises.
        """
        key = (f"day:{name}",)
        given = (wanted, limit.first, limit.start_day, limit.growth, self._alone.owed(name))
        answer = self._ask(scripts.DAY, key, *given, -1)
        if answer is not None and int(answer[0]) == scripts.UNKNOWN:
            answer = self._ask(scripts.DAY, key, *given, so_far(float(answer[1])))
        if answer is None:
            return Granted(*self._alone.take_of_day(name, limit, wanted, so_far, self.share))
        self._alone.settled(name)
        return Granted(int(answer[0]), float(answer[1]))

    def time_out(self, name: str, first: float) -> float:
        """Leave `name` alone for `first` seconds, twice as long each time in a row, an hour at most; gives how long."""
        answer = self._ask(scripts.TIME_OUT, (f"out:{name}",), first, local.LONGEST_OUT)
        return self._alone.time_out(name, first) if answer is None else float(answer)

    def left(self, name: str) -> float:
        """Seconds for which `name` is still to be left alone; 0 when it is not."""
        answer = self._ask(scripts.LEFT, (f"out:{name}",))
        return self._alone.left(name) if answer is None else float(answer)

    def let_in(self, name: str) -> None:
        """It works again: forget its time-outs."""
        self._alone.let_in(name)
        self._ask(scripts.FORGET, (f"out:{name}",))

    def _ask(self, script: str, names: tuple[str, ...], *args: object) -> Any:
        """The store's answer; None when it is away, or there is none."""
        if self._store is None or time.monotonic() < self._away_until:
            return None
        keys = [f"digest:pace:{name}" for name in names]
        try:
            return self._store.register_script(script)(keys=keys, args=[*map(str, args), str(self._ahead)])
        except (redis.RedisError, OSError) as error:
            self._away_until = time.monotonic() + AGAIN
            LOG.warning("pace alone", extra={"error": type(error).__name__, "share": self.share})
            return None


def _client(url: str) -> "redis.Redis":
    """A client that never makes anybody wait: one short try."""
    return redis.Redis.from_url(
        url.replace("redis+socket://", "unix://"),
        decode_responses=True,
        socket_timeout=PATIENCE,
        socket_connect_timeout=PATIENCE,
        retry=Retry(NoBackoff(), 0),
    )
