"""The SMTP accounts of one run of sending: which work, how many connections each has, and how fast each may send."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from digest.delivery.relays import retry_policy
from digest.delivery.relays.throttle import ALL_ACCOUNTS, DailyQuota, RateGate, Throttle, TokenBucket
from digest.rate_limit.shared import SharedRateLimiter
from digest.rates import WarmUp
from digest.smtp.url import Relay


@dataclass(frozen=True)
class SendLimits:
    """How fast mails of issues may be sent, over all workers that share the rate limiter's store."""

    rate_limiter: SharedRateLimiter = field(default_factory=SharedRateLimiter)
    rate: float | None = None  # mails a second
    domains: Mapping[str, float] = field(default_factory=dict)  # receiving domain -> mails a second
    warm_up: WarmUp | None = None  # applies to each account


@dataclass
class SmtpAccount:
    """One account and its state in this run."""

    relay: Relay
    rate_gate: RateGate | None = None  # None: only the relay limits it
    daily_quota: DailyQuota | None = None
    open_connections: int = 0
    is_saturated: bool = False  # takes no more mail in this run

    def count_connection(self, change: int) -> None:
        """Add `change` to the number of open connections."""
        self.open_connections += change


class SmtpAccounts:
    """All accounts of a run."""

    def __init__(
        self, relay: Relay, limits: SendLimits, so_far: Callable[[float], int] = lambda _: 0
    ) -> None:
        """`so_far` returns how many mails of issues were sent since an epoch second."""
        self._rate_limiter = limits.rate_limiter
        self._lost_account = False
        shared = [TokenBucket(limits.rate_limiter, ALL_ACCOUNTS, limits.rate)] if limits.rate else []
        self.all = [_create_account(account, limits, shared, so_far) for account in relay.accounts]

    def open(self) -> None:
        """Start the run."""
        for account in self.all:
            if account.daily_quota is not None:
                account.daily_quota.open()

    @property
    def has_several(self) -> bool:
        return len(self.all) > 1

    def free_slots(self) -> list[SmtpAccount]:
        """One entry per connection that may be opened. When no account is available, all of them are tried."""
        working = [account for account in self.all if not self._seconds_until_available(account)] or self.all
        shares = distribute_connections([account.relay for account in working])
        return [account for account, share in zip(working, shares, strict=True) for _ in range(share)]

    def by_availability(self) -> list[SmtpAccount]:
        """All accounts, working ones first; a single mail may use any of them."""
        return sorted(self.all, key=self._is_backed_off)

    def debit(self, account: SmtpAccount, mails: int) -> None:
        """Count mails that are sent without waiting for a permit; the mails that do wait then wait longer."""
        if account.rate_gate is not None:
            account.rate_gate.debit(mails)

    def back_off(self, account: SmtpAccount) -> bool:
        """Stop using an account for a while, longer each time; False when no other account works."""
        account.is_saturated = True
        if not self.has_several:
            return False
        first, longest = retry_policy.ACCOUNT_FIRST_WAIT_SECONDS, retry_policy.ACCOUNT_LONGEST_WAIT_SECONDS
        self._rate_limiter.back_off(account.relay.key, first, longest)
        self._lost_account = any(
            self._seconds_until_available(other) == 0 for other in self.all if other is not account
        )
        return self._lost_account

    def needs_takeover(self) -> bool:
        """Whether, since the last call, an account failed and others must take over its mails."""
        lost_account, self._lost_account = self._lost_account, False
        return lost_account

    def mark_working(self, account: SmtpAccount) -> None:
        """Reset the backoff of an account that accepts mail: its next one is short again."""
        if self.has_several:
            self._rate_limiter.reset_backoff(account.relay.key)

    def pause_until_quota(self, account: SmtpAccount) -> float:
        """Stop using `account` for today; returns the seconds until any account is available, 0 when one is now."""
        account.is_saturated = True
        return min(self._seconds_until_available(each) for each in self.all)

    def close(self) -> None:
        """End the run and return unused permits."""
        for account in self.all:
            if account.daily_quota is not None:
                account.daily_quota.close()

    def _is_backed_off(self, account: SmtpAccount) -> bool:
        return self.has_several and self._rate_limiter.backoff_remaining(account.relay.key) > 0

    def _seconds_until_available(self, account: SmtpAccount) -> float:
        quota_wait = account.daily_quota.seconds_until_available() if account.daily_quota is not None else 0.0
        return max(
            quota_wait, self._rate_limiter.backoff_remaining(account.relay.key) if self.has_several else 0.0
        )


def count_connections(relay: Relay) -> int:
    """How many connections all workers together open to the relay's accounts."""
    return sum(distribute_connections(relay.accounts))


def distribute_connections(relays: Sequence[Relay]) -> list[int]:
    """How many connections each account opens: its own number, or its share by weight if any account has a weight."""
    if all(relay.weight is None for relay in relays):
        return [relay.connections for relay in relays]
    total = sum(relay.connections for relay in relays)
    weights = [relay.weight or 1 for relay in relays]
    return [
        min(relay.connections, max(1, round(total * weight / sum(weights))))
        for relay, weight in zip(relays, weights, strict=True)
    ]


def _create_account(
    relay: Relay, limits: SendLimits, shared: Sequence[TokenBucket], so_far: Callable[[float], int]
) -> SmtpAccount:
    quota = DailyQuota(limits.rate_limiter, relay.key, limits.warm_up, so_far) if limits.warm_up else None
    own = [TokenBucket(limits.rate_limiter, relay.key, relay.rate)] if relay.rate else []
    throttles: list[Throttle] = [*([quota] if quota else []), *own, *shared]
    return SmtpAccount(relay, RateGate(throttles) if throttles else None, quota)
