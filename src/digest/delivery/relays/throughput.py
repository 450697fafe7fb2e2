"""What the operator's limits let through, for an honest word on how long an issue takes."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta

from digest.delivery.relays.accounts import SendLimits
from digest.rate_limit.local import daily_limit
from digest.rates import WarmUp
from digest.smtp.url import Relay

MAX_DAYS = 1000


@dataclass(frozen=True)
class Throughput:
    """Mails of issues a second over all accounts, and per account and day (UTC); None: no limit."""

    rate: float | None = None
    warm_up: WarmUp | None = None
    accounts: int = 1

    def estimate_end(
        self, mails: int, start: datetime, *, measured_rate: float | None = None, already_sent: int = 0
    ) -> datetime | None:
        """When the last of so many mails leaves that begin at `start`; None when nothing limits and nothing is known.

        `measured` is a rate that was seen, `went` how many left on the day of `start` already. Never more than
        MOST_DAYS later.
        """
        rates = [rate for rate in (self.rate, measured_rate) if rate]
        if not rates and self.warm_up is None:
            return None
        rate = min(rates, default=None)
        for begin, end, most in self._days(start, already_sent):
            took = timedelta(seconds=mails / rate) if rate else timedelta()
            if mails <= most and begin + took <= end:
                return begin + took
            mails -= most if rate is None else min(most, int((end - begin).total_seconds() * rate))
        return end

    def _days(self, start: datetime, went: int) -> Iterator[tuple[datetime, datetime, int]]:
        """From when to when, and how many mails: today's rest, and each day after it."""
        begin = start
        for _ in range(MAX_DAYS):
            end = datetime.combine(begin.astimezone(UTC).date() + timedelta(days=1), time(), UTC)
            yield begin, end, max(0, self._daily_limit(begin) - went)
            begin, went = end, 0

    def _daily_limit(self, moment: datetime) -> int:
        if self.warm_up is None:
            return 1 << 62
        return self.accounts * daily_limit(self.warm_up, int(moment.timestamp() // 86400))


def get_throughput(relay: Relay, limits: SendLimits) -> Throughput:
    """What all accounts may send together; one without a rate of its own is bound by the common one alone."""
    own = [account.rate for account in relay.accounts]
    together = sum(rate for rate in own if rate) if all(own) else None
    rates = [rate for rate in (limits.rate, together) if rate]
    return Throughput(min(rates, default=None), limits.warm_up, len(own))
