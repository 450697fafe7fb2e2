"""Dependencies of web views, commands and tasks, which pass them on to the rooms as arguments."""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

from digest.backup.schedule import BackupPlan
from digest.db import Database
from digest.delivery.ledger.retention_periods import Retention
from digest.delivery.relays.accounts import SendLimits
from digest.delivery.relays.throughput import Throughput, get_throughput
from digest.rate_limit.actions import RateLimiter
from digest.rate_limit.shared import SharedRateLimiter
from digest.rates import WarmUp
from digest.signing import Signer
from digest.smtp.url import Relay
from digest.webhook import Webhook


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
    retention: Retention = field(default_factory=Retention)
    backup_plan: BackupPlan | None = None
    backup_passphrase: str | None = None
    alert_webhook: Webhook | None = None  # is told of problems, besides the log
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
