"""Rate limits, throttling, daily quotas and backoffs that all processes share through Redis or Valkey.

While the store is unreachable, each process continues at once with a share that is smaller than what it had, never
larger. It retries the store every second and recovers by itself.
"""

import logging
import time
import uuid
from collections.abc import Callable, Mapping
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple

from digest.rate_limit import local, scripts
from digest.rate_limit.local import LocalRateLimiter
from digest.rates import WarmUp

if TYPE_CHECKING:
    import redis

LOG = logging.getLogger(__name__)
STORE_TIMEOUT_SECONDS = 0.25  # for each answer of the store
STORE_RETRY_SECONDS = 1.0  # between two attempts to reach the store, and between two looks at throttled rates
ASSUMED_PROCESSES = 4  # assumed while processes cannot be counted, or twice the last count if more


class Permit(NamedTuple):
    """How many permits were granted, and the seconds until the next."""

    granted: int
    wait: float


class SharedRateLimiter:
    """Limits shared by all processes; without a store, this process is taken to be the only one."""

    def __init__(self, url: str | None = None, *, clock_offset: float = 0.0) -> None:
        """`url` is like DIGEST_BROKER_URL; nothing connects yet. `clock_offset` shifts all clocks, in seconds."""
        self._clock_offset, self._local = clock_offset, LocalRateLimiter(clock_offset)
        self._url = url if url and not url.startswith("memory") else None
        self._away_until = self._throttled_read_at = 0.0
        self._store = cache(_client)
        self._process_id, self._process_count = uuid.uuid4().hex[:12], ASSUMED_PROCESSES

    @property
    def share(self) -> float:
        """The share of a limit that this process may use by itself right now."""
        return 1.0 / self._process_count if self._url is not None else 1.0

    def acquire(self, name: str, rate: float, wanted: int, window: float) -> Permit:
        """Take up to `wanted` permits at `rate` a second; unused ones accumulate for up to `window` seconds."""
        answer = self._run_script(
            scripts.ACQUIRE, (f"rate:{name}", "who"), rate, window, wanted, 0, self._process_id
        )
        if answer is None:
            kept = window if self._url is None else 0.0
            return Permit(*self._local.acquire(name, rate * self.share, wanted, kept))
        self._process_count = max(ASSUMED_PROCESSES, 2 * int(answer[2]))
        return Permit(int(answer[0]), float(answer[1]))

    def debit(self, name: str, rate: float, number: int) -> None:
        """Count `number` mails that could not wait; others then wait longer. A negative number returns permits."""
        answer = self._run_script(
            scripts.ACQUIRE, (f"rate:{name}", "who"), rate, 0.1, number, 1, self._process_id
        )
        if answer is None:
            self._local.debit(name, rate * self.share, number)

    def reserve(self, name: str, rate: float, number: int, longest: float) -> float:
        """Reserve `number` permits at `rate` a second; returns the seconds until the first, at most `longest`."""
        answer = self._run_script(scripts.RESERVE, (f"line:{name}",), rate, number, longest)
        if answer is None:
            return self._local.reserve(name, rate, number, longest)
        return float(answer)

    def throttle(self, name: str) -> float:
        """Halve the rate of `name` after a complaint; returns the new rate."""
        numbers = (
            local.FIRST_THROTTLED_RATE,
            local.MIN_RATE,
            local.UNTHROTTLED_RATE,
            local.DOUBLING_SECONDS,
            local.IGNORE_SECONDS,
        )
        answer = self._run_script(scripts.THROTTLE, ("slow",), name, *numbers)
        if answer is None:
            return self._local.throttle(name) * self.share
        self._local.set_rate(name, float(answer))
        return float(answer)

    def throttled_rates(self) -> Mapping[str, float]:
        """The current rate of each throttled name, without recovered ones. Asks the store at most once a second."""
        if self._url is not None and time.monotonic() >= self._throttled_read_at + STORE_RETRY_SECONDS:
            self._throttled_read_at = time.monotonic()
            answer = self._run_script(
                scripts.THROTTLED, ("slow",), local.DOUBLING_SECONDS, local.UNTHROTTLED_RATE
            )
            if answer is not None:
                pairs = zip(answer[::2], answer[1::2], strict=True)
                self._local.set_rates({name: float(rate) for name, rate in pairs})
        return self._local.throttled_rates()

    def acquire_from_quota(
        self, name: str, limit: WarmUp, wanted: int, so_far: Callable[[float], int]
    ) -> Permit:
        """Take up to `wanted` permits of today's (UTC) quota; a negative number returns permits.

        `wait` is the time until tomorrow. `so_far(start)` counts the mails since a time in epoch seconds; it is called
        when the store lost its count, and when it is unreachable: then this process takes only its share of the day.
        Raises what `so_far` raises.
        """
        key = (f"day:{name}",)
        arguments = (wanted, limit.first, limit.start_day, limit.growth, self._local.unreported(name))
        answer = self._run_script(scripts.QUOTA, key, *arguments, -1)
        if answer is not None and int(answer[0]) == scripts.UNKNOWN:
            answer = self._run_script(scripts.QUOTA, key, *arguments, so_far(float(answer[1])))
        if answer is None:
            return Permit(*self._local.acquire_from_quota(name, limit, wanted, so_far, self.share))
        self._local.mark_reported(name)
        return Permit(int(answer[0]), float(answer[1]))

    def back_off(self, name: str, first: float, longest: float) -> float:
        """Back off from `name` for `first` seconds, doubling each time up to `longest`. Returns the seconds."""
        answer = self._run_script(scripts.BACK_OFF, (f"out:{name}",), first, longest)
        return self._local.back_off(name, first, longest) if answer is None else float(answer)

    def backoff_remaining(self, name: str) -> float:
        """The seconds that remain of the backoff from `name`; 0 when there is none."""
        answer = self._run_script(scripts.BACKOFF_REMAINING, (f"out:{name}",))
        return self._local.backoff_remaining(name) if answer is None else float(answer)

    def reset_backoff(self, name: str) -> None:
        """Clear the backoff of `name`, which works again."""
        self._local.reset_backoff(name)
        self._run_script(scripts.RESET, (f"out:{name}",))

    def _run_script(self, script: str, names: tuple[str, ...], *args: object) -> Any:
        """The store's answer; None when it is unreachable or not configured."""
        if self._url is None or time.monotonic() < self._away_until:
            return None
        import redis  # here, because a web server that sends nothing needs none of its 6 MB

        keys = [f"digest:pace:{name}" for name in names]
        try:
            return self._store(self._url).register_script(script)(
                keys=keys, args=[*map(str, args), str(self._clock_offset)]
            )
        except (redis.RedisError, OSError) as error:
            self._away_until = time.monotonic() + STORE_RETRY_SECONDS
            LOG.warning(
                "rate-limit store unreachable, using local limit",
                extra={"error": type(error).__name__, "share": self.share},
            )
            return None


def _client(url: str) -> "redis.Redis":
    """A client that fails fast: one short attempt."""
    import redis
    from redis.backoff import NoBackoff
    from redis.retry import Retry

    return redis.Redis.from_url(
        url.replace("redis+socket://", "unix://"),
        decode_responses=True,
        socket_timeout=STORE_TIMEOUT_SECONDS,
        socket_connect_timeout=STORE_TIMEOUT_SECONDS,
        retry=Retry(NoBackoff(), 0),
    )
