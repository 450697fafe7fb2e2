"""What the operator's limits allow, for an honest estimate of how long an issue takes."""

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
    """Mails of issues a second over all accounts, and a warm-up per account and day (UTC); None: no limit."""

    rate: float | None = None
    warm_up: WarmUp | None = None
    accounts: int = 1

    def estimate_end(
        self, mails: int, start: datetime, *, measured_rate: float | None = None, already_sent: int = 0
    ) -> datetime | None:
        """When the last of `mails` leaves if sending begins at `start`; None when there is neither a limit nor a rate.

        `measured_rate` comes from earlier sending, and `already_sent` is the number sent on the day of `start`. The
        result is never more than MAX_DAYS after `start`.
        """
        rates = [rate for rate in (self.rate, measured_rate) if rate]
        if not rates and self.warm_up is None:
            return None
        rate = min(rates, default=None)
        for begin, end, limit in self._days(start, already_sent):
            duration = timedelta(seconds=mails / rate) if rate else timedelta()
            if mails <= limit and begin + duration <= end:
                return begin + duration
            mails -= limit if rate is None else min(limit, int((end - begin).total_seconds() * rate))
        return end

    def _days(self, start: datetime, already_sent: int) -> Iterator[tuple[datetime, datetime, int]]:
        """(begin, end, mails allowed) for the rest of today and each day after it."""
        begin = start
        for _ in range(MAX_DAYS):
            end = datetime.combine(begin.astimezone(UTC).date() + timedelta(days=1), time(), UTC)
            yield begin, end, max(0, self._daily_limit(begin) - already_sent)
            begin, already_sent = end, 0

    def _daily_limit(self, day: datetime) -> int:
        if self.warm_up is None:
            return 1 << 62
        return self.accounts * daily_limit(self.warm_up, int(day.timestamp() // 86400))


def get_throughput(relay: Relay, limits: SendLimits) -> Throughput:
    """What all accounts may send together; an account without its own rate is bound only by the shared one."""
    own = [account.rate for account in relay.accounts]
    total = sum(rate for rate in own if rate) if all(own) else None
    rates = [rate for rate in (limits.rate, total) if rate]
    return Throughput(min(rates, default=None), limits.warm_up, len(own))
