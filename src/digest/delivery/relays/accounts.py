"""The relay's accounts in one run of sending: which of them work, how many connections each has, and how fast it is."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from digest.delivery.relays import retry_policy
from digest.delivery.relays.throttle import ALL_ACCOUNTS, DailyQuota, RateGate, Throttle, TokenBucket
from digest.rate_limit.shared import SharedRateLimiter
from digest.rates import WarmUp
from digest.smtp.url import Relay


@dataclass(frozen=True)
class SendLimits:
    """How fast mails of issues may leave, over all workers that share the pace's store."""

    rate_limiter: SharedRateLimiter = field(default_factory=SharedRateLimiter)
    rate: float | None = None  # mails a second
    domains: Mapping[str, float] = field(default_factory=dict)  # receiving domain -> mails a second
    warm_up: WarmUp | None = None  # of each account


@dataclass
class SmtpAccount:
    """One account, as the connections of this run see it."""

    relay: Relay
    rate_gate: RateGate | None = None  # None: nothing limits it but the relay
    daily_quota: DailyQuota | None = None
    open_connections: int = 0
    is_saturated: bool = False  # it wants no more in this run

    def count_connection(self, change: int) -> None:
        """Count open lines up or down."""
        self.open_connections += change


class SmtpAccounts:
    """All accounts of a run."""

    def __init__(
        self, relay: Relay, limits: SendLimits, so_far: Callable[[float], int] = lambda _: 0
    ) -> None:
        """`so_far` tells how many mails of issues went since an epoch second."""
        self._rate_limiter = limits.rate_limiter
        self._lost_account = False
        together = [TokenBucket(limits.rate_limiter, ALL_ACCOUNTS, limits.rate)] if limits.rate else []
        self.all = [_create_account(one, limits, together, so_far) for one in relay.accounts]

    def open(self) -> None:
        """A run begins."""
        for one in self.all:
            if one.daily_quota is not None:
                one.daily_quota.open()

    @property
    def has_several(self) -> bool:
        return len(self.all) > 1

    def free_slots(self) -> list[SmtpAccount]:
        """An entry for each connection that may be opened. When no account is to be used, all of them are tried."""
        working = [one for one in self.all if not self._seconds_until_available(one)] or self.all
        shares = distribute_connections([one.relay for one in working])
        return [one for one, share in zip(working, shares, strict=True) for _ in range(share)]

    def by_availability(self) -> list[SmtpAccount]:
        """All accounts, those that work first: for a single mail any of them will do."""
        return sorted(self.all, key=self._is_backed_off)

    def debit(self, account: SmtpAccount, mails: int) -> None:
        """Count mails that do not wait for a place: those that do wait longer."""
        if account.rate_gate is not None:
            account.rate_gate.debit(mails)

    def back_off(self, account: SmtpAccount) -> bool:
        """Leave an account alone for a while, longer each time; False when no other one works."""
        account.is_saturated = True
        if not self.has_several:
            return False
        self._rate_limiter.back_off(account.relay.key, retry_policy.ACCOUNT_FIRST_WAIT_SECONDS)
        self._lost_account = any(
            self._seconds_until_available(one) == 0 for one in self.all if one is not account
        )
        return self._lost_account

    def needs_takeover(self) -> bool:
        """Whether others have to go on with what an account left since this was asked last."""
        fewer, self._lost_account = self._lost_account, False
        return fewer

    def mark_working(self, account: SmtpAccount) -> None:
        """It takes mails: the next time-out is a short one again."""
        if self.has_several:
            self._rate_limiter.reset_backoff(account.relay.key)

    def pause_until_quota(self, account: SmtpAccount) -> float:
        """Nothing more of `account` today: seconds until there is one to go on with, 0 when there is another now."""
        account.is_saturated = True
        return min(self._seconds_until_available(one) for one in self.all)

    def close(self) -> None:
        """The run is over: what was fetched and not used goes back."""
        for one in self.all:
            if one.daily_quota is not None:
                one.daily_quota.close()

    def _is_backed_off(self, account: SmtpAccount) -> bool:
        return self.has_several and self._rate_limiter.backoff_remaining(account.relay.key) > 0

    def _seconds_until_available(self, account: SmtpAccount) -> float:
        spent = account.daily_quota.seconds_until_available() if account.daily_quota is not None else 0.0
        return max(
            spent, self._rate_limiter.backoff_remaining(account.relay.key) if self.has_several else 0.0
        )


def distribute_connections(relays: Sequence[Relay]) -> list[int]:
    """How many connections each account opens: its own number, or by weight where one has a weight."""
    if all(one.weight is None for one in relays):
        return [one.connections for one in relays]
    every = sum(one.connections for one in relays)
    weights = [one.weight or 1 for one in relays]
    return [
        min(one.connections, max(1, round(every * weight / sum(weights))))
        for one, weight in zip(relays, weights, strict=True)
    ]


def _create_account(
    relay: Relay, limits: SendLimits, together: Sequence[TokenBucket], so_far: Callable[[float], int]
) -> SmtpAccount:
    day = DailyQuota(limits.rate_limiter, relay.key, limits.warm_up, so_far) if limits.warm_up else None
    own = [TokenBucket(limits.rate_limiter, relay.key, relay.rate)] if relay.rate else []
    gates: list[Throttle] = [*([day] if day else []), *own, *together]
    return SmtpAccount(relay, RateGate(gates) if gates else None, day)
