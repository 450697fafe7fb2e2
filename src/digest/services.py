"""Dependencies of web views, commands and tasks, which pass them on to the rooms as arguments."""

import logging
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

from limits import RateLimitItem, parse
from limits.storage import MemoryStorage, Storage
from limits.strategies import FixedWindowRateLimiter

from digest.db import Database
from digest.delivery.relays.accounts import SendLimits
from digest.delivery.relays.throughput import Throughput, get_throughput
from digest.rate_limit.shared import SharedRateLimiter
from digest.rates import WarmUp
from digest.signing import Signer
from digest.smtp.url import Relay

LOG = logging.getLogger(__name__)
FALLBACK_SECONDS = 10.0  # after the store failed, before it is tried again
FALLBACK_DIVISOR = 4  # each process that counts locally gets a quarter of a limit, as several do


class RateLimiter:
    """Rate limits for actions, shared by all processes that use the same store."""

    def __init__(self, store: Storage | None = None) -> None:
        self._shared = FixedWindowRateLimiter(store) if store else None
        self._local_until = 0.0
        self._local = FixedWindowRateLimiter(MemoryStorage())

    def allows(self, rate: str, *names: str) -> bool:
        """Count one action for `names` (action, actor) and return whether `rate` ("5/minute") still allows it.

        When the store cannot be reached, this process counts locally, with a quarter of the rate: requests are
        neither all refused nor all allowed.
        """
        limit = parse(rate)
        if self._shared is not None and time.monotonic() > self._local_until:
            try:
                return self._shared.hit(limit, *names)
            except Exception as error:  # noqa: BLE001  a store fails in many ways, and none may refuse requests
                self._local_until = time.monotonic() + FALLBACK_SECONDS
                LOG.warning(
                    "rate-limit store unreachable, using local limit", extra={"error": type(error).__name__}
                )
        return self._local.hit(limit if self._shared is None else _local_limit(limit), *names)


def _local_limit(limit: RateLimitItem) -> RateLimitItem:
    return type(limit)(max(1, limit.amount // FALLBACK_DIVISOR), limit.multiples)


@dataclass(frozen=True)
class Services:
    """Everything that is created once per process."""

    db: Database
    signer: Signer
    relay: Relay
    limiter: RateLimiter
    base_url: str  # of the public site, without a trailing slash
    home: Path
    send_rate: float | None  # mails per second over all workers; None: as fast as the relay accepts them
    retry_delay: timedelta  # before the second attempt, after a 4xx
    enqueue_soon: Callable[[str], None]  # runs a task soon, by name; never raises, as the row is the truth
    send_limiter: SharedRateLimiter = field(
        default_factory=SharedRateLimiter
    )  # sending rate shared by all workers
    domain_rates: Mapping[str, float] = field(default_factory=dict)  # receiving domain -> mails per second
    warm_up: WarmUp | None = None  # each account's mails per day
    reply_retention: timedelta | None = None  # for relay replies and user agents of clicks; None: forever
    dkim_selectors: tuple[str, ...] = ()  # of the relay's DKIM keys; empty: the usual ones are tried

    @property
    def throughput(self) -> Throughput:
        """Throughput of all accounts under these limits, for a forecast."""
        return get_throughput(self.relay, self.limits)

    @property
    def limits(self) -> SendLimits:
        """How fast issues may be sent."""
        return SendLimits(self.send_limiter, self.send_rate, self.domain_rates, self.warm_up)


@dataclass
class _Current:
    create: Callable[[], Services] | None = None
    services: Services | None = None
    pid: int = 0


_current = _Current()


def set_services_factory(create: Callable[[], Services]) -> None:
    """Set how this process creates its services; they are created when `current_services` is first called."""
    _current.create, _current.services = create, None


def current_services() -> Services:
    """This process's services. A forked child creates its own: connections do not survive a fork."""
    if _current.services is None or _current.pid != os.getpid():
        if _current.create is None:
            raise RuntimeError("no services factory is set: the process was not started through digest.app")
        _current.services, _current.pid = _current.create(), os.getpid()
    return _current.services
