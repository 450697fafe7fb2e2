"""The relay's accounts in one run of sending: which of them work, how many connections each has, and how fast it is."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from digest.delivery.relays.throttle import ALL, Bucket, Day, Gate, Throttle
from digest.rate_limit.shared import Pace
from digest.rates import WarmUp
from digest.smtp.url import Relay

ASIDE_SECONDS = 15.0  # that an account is left alone when it refuses us for the first time


@dataclass(frozen=True)
class Limits:
    """How fast mails of issues may leave, over all workers that share the pace's store."""

    pace: Pace = field(default_factory=Pace)
    rate: float | None = None  # mails a second
    domains: Mapping[str, float] = field(default_factory=dict)  # receiving domain -> mails a second
    warm_up: WarmUp | None = None  # of each account


@dataclass
class Account:
    """One account, as the connections of this run see it."""

    relay: Relay
    gate: Gate | None = None  # None: nothing limits it but the relay
    day: Day | None = None
    open_lines: int = 0
    enough: bool = False  # it wants no more in this run

    def line(self, change: int) -> None:
        """Count open lines up or down."""
        self.open_lines += change


class Accounts:
    """All accounts of a run."""

    def __init__(self, relay: Relay, limits: Limits, so_far: Callable[[float], int] = lambda _: 0) -> None:
        """`so_far` tells how many mails of issues went since an epoch second."""
        self._pace = limits.pace
        self._fewer = False
        together = [Bucket(limits.pace, ALL, limits.rate)] if limits.rate else []
        self.all = [_account(one, limits, together, so_far) for one in relay.accounts]

    def open(self) -> None:
        """A run begins."""
        for one in self.all:
            if one.day is not None:
                one.day.open()

    @property
    def several(self) -> bool:
        return len(self.all) > 1

    def seats(self) -> list[Account]:
        """An entry for each connection that may be opened. When no account is to be used, all of them are tried."""
        working = [one for one in self.all if not self._back_in(one)] or self.all
        shares = shared_out([one.relay for one in working])
        return [one for one, share in zip(working, shares, strict=True) for _ in range(share)]

    def in_turn(self) -> list[Account]:
        """All accounts, those that work first: for a single mail any of them will do."""
        return sorted(self.all, key=self._aside)

    def charge(self, account: Account, mails: int) -> None:
        """Count mails that do not wait for a place: those that do wait longer."""
        if account.gate is not None:
            account.gate.charge(mails)

    def set_aside(self, account: Account) -> bool:
        """Leave an account alone for a while, longer each time; False when no other one works."""
        account.enough = True
        if not self.several:
            return False
        self._pace.time_out(account.relay.key, ASIDE_SECONDS)
        self._fewer = any(self._back_in(one) == 0 for one in self.all if one is not account)
        return self._fewer

    def take_over(self) -> bool:
        """Whether others have to go on with what an account left since this was asked last."""
        fewer, self._fewer = self._fewer, False
        return fewer

    def works(self, account: Account) -> None:
        """It takes mails: the next time-out is a short one again."""
        if self.several:
            self._pace.let_in(account.relay.key)

    def rest(self, account: Account) -> float:
        """Nothing more of `account` today: seconds until there is one to go on with, 0 when there is another now."""
        account.enough = True
        return min(self._back_in(one) for one in self.all)

    def close(self) -> None:
        """The run is over: what was fetched and not used goes back."""
        for one in self.all:
            if one.day is not None:
                one.day.close()

    def _aside(self, account: Account) -> bool:
        return self.several and self._pace.left(account.relay.key) > 0

    def _back_in(self, account: Account) -> float:
        spent = account.day.wait() if account.day is not None else 0.0
        return max(spent, self._pace.left(account.relay.key) if self.several else 0.0)


def shared_out(relays: Sequence[Relay]) -> list[int]:
    """How many connections each account opens: its own number, or by weight where one has a weight."""
    if all(one.weight is None for one in relays):
        return [one.connections for one in relays]
    every = sum(one.connections for one in relays)
    weights = [one.weight or 1 for one in relays]
    return [
        min(one.connections, max(1, round(every * weight / sum(weights))))
        for one, weight in zip(relays, weights, strict=True)
    ]


def _account(
    relay: Relay, limits: Limits, together: Sequence[Bucket], so_far: Callable[[float], int]
) -> Account:
    day = Day(limits.pace, relay.key, limits.warm_up, so_far) if limits.warm_up else None
    own = [Bucket(limits.pace, relay.key, relay.rate)] if relay.rate else []
    gates: list[Throttle] = [*([day] if day else []), *own, *together]
    return Account(relay, Gate(gates) if gates else None, day)
