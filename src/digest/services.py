"""What a door needs to work. Doors take it from here and hand its parts to the rooms as arguments."""

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
from digest.rate_limit.shared import Pace
from digest.rates import WarmUp
from digest.signing import Signer
from digest.smtp.url import Relay

LOG = logging.getLogger(__name__)
ALONE_SECONDS = 10.0  # after a store that did not answer: nobody waits for it again so soon
ALONE_SHARE = 4  # of a limit, a quarter is left to each process that counts alone: several do


class RateLimiter:
    """Counts how often somebody does something, over all processes when they share a store."""

    def __init__(self, store: Storage | None = None) -> None:
        self._shared = FixedWindowRateLimiter(store) if store else None
        self._alone_until = 0.0
        self._own = FixedWindowRateLimiter(MemoryStorage())

    def allows(self, rate: str, *names: str) -> bool:
        """Count one more for `names` (what is done, who does it) and say whether `rate` ("5/minute") still allows it.

        A store that cannot be reached closes no door and opens none wider: this process then counts alone, to a
        quarter of the rate.
        """
        limit = parse(rate)
        if self._shared is not None and time.monotonic() > self._alone_until:
            try:
                return self._shared.hit(limit, *names)
            except Exception as error:  # noqa: BLE001  a store fails in many ways, and none may close a door
                self._alone_until = time.monotonic() + ALONE_SECONDS
                LOG.warning("limiter counts alone", extra={"error": type(error).__name__})
        return self._own.hit(limit if self._shared is None else _share(limit), *names)


def _share(limit: RateLimitItem) -> RateLimitItem:
    return type(limit)(max(1, limit.amount // ALONE_SHARE), limit.multiples)


@dataclass(frozen=True)
class Services:
    """Everything that is made once per process."""

    db: Database
    signer: Signer
    relay: Relay
    limiter: RateLimiter
    base_url: str  # of the public site, without a slash at the end
    home: Path
    send_rate: float | None  # mails a second over all workers; None: as fast as the relay takes them
    retry_delay: timedelta  # before the second try, after a 4xx
    enqueue_soon: Callable[[str], None]  # names a task to run soon; never raises, for the row is the truth
    send_limiter: Pace = field(default_factory=Pace)  # where all workers agree on how fast they go
    domain_rates: Mapping[str, float] = field(default_factory=dict)  # receiving domain -> mails a second
    warm_up: WarmUp | None = None  # each account's mails a day
    reply_retention: timedelta | None = None  # what the relay said, and what clicks came from; None: for ever
    dkim_selectors: tuple[str, ...] = ()  # the names of the relay's DKIM keys; none: the usual ones are tried

    @property
    def throughput(self) -> Throughput:
        """What these limits let through, over all accounts: for a forecast."""
        return get_throughput(self.relay, self.limits)

    @property
    def limits(self) -> SendLimits:
        """How fast mails of issues may go."""
        return SendLimits(self.send_limiter, self.send_rate, self.domain_rates, self.warm_up)


@dataclass
class _Installed:
    build: Callable[[], Services] | None = None
    made: Services | None = None
    pid: int = 0


_installed = _Installed()


def set_services_factory(build: Callable[[], Services]) -> None:
    """Say how this process makes its services; nothing is made before `current` is first called."""
    _installed.build, _installed.made = build, None


def current_services() -> Services:
    """This process's services. A forked child makes its own: connections do not survive a fork."""
    if _installed.made is None or _installed.pid != os.getpid():
        if _installed.build is None:
            raise RuntimeError("no services are installed: the process did not start through digest.app")
        _installed.made, _installed.pid = _installed.build(), os.getpid()
    return _installed.made
