"""Throttle receiving domains that complain about our rate: mail some of their readers now, and defer the others.

A domain is the part after the @; whether several domains share a receiver is not considered. While no domain is
throttled, no work is done per mail.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from operator import attrgetter

from digest.delivery.ledger.outcomes import OutcomeRecord, PendingDelivery
from digest.delivery.relays.retry_policy import DOMAIN_LONGEST_WAIT_SECONDS
from digest.rate_limit.shared import SharedRateLimiter
from digest.smtp.replies import CLOSING, Reply, Stage

WINDOW_SECONDS = 6.0  # how long unused permits are kept: the clock brings deferred mails back every five
_RATE_WORDS = re.compile(
    r"\brate\b|rate.?limit|too (?:many|much|fast)|throttl|slow down|deferred|unusual|exceed", re.IGNORECASE
)
# Greylisting and a full mailbox do not ask us to slow down.
_OTHER_CAUSES = re.compile(r"gr[ae]y|come back|first time|mailbox|quota|storage|disk", re.IGNORECASE)


def is_rate_complaint(stage: Stage, reply: Reply) -> bool:
    """Whether a reply says that we send too fast for the recipient's domain (421, 4.7.x, or words about rates)."""
    if not reply.is_transient or stage not in {Stage.RCPT, Stage.DATA, Stage.BODY}:
        return False
    if _OTHER_CAUSES.search(reply.text) or reply.enhanced.startswith(("4.2.", "4.3.", "4.1.")):
        return False
    return reply.code == CLOSING or reply.enhanced.startswith("4.7.") or bool(_RATE_WORDS.search(reply.text))


class DomainThrottle:
    """The rates of receiving domains during one run."""

    def __init__(self, rate_limiter: SharedRateLimiter, fixed: Mapping[str, float]) -> None:
        """`fixed` are the rates that the operator set, in mails a second."""
        self._rate_limiter, self._fixed = rate_limiter, fixed

    def record_complaint(self, address: str) -> float:
        """Throttle the domain of `address`, for all workers; returns its new rate in mails a second."""
        domain = domain_of(address)
        rate = self._rate_limiter.throttle(domain)
        self._rate_limiter.debit(_bucket_name(domain), rate, 1)  # discard unused permits
        return rate

    def split_by_rate(
        self, rows: Sequence[PendingDelivery], now: datetime
    ) -> tuple[Sequence[PendingDelivery], list[OutcomeRecord]]:
        """Split `rows` into those to mail now and records that defer the rest; that is not an attempt."""
        rates = self._limited_rates()
        if not rates:
            return rows, []
        allowed: list[PendingDelivery] = []
        deferred: list[OutcomeRecord] = []
        groups: dict[str, list[PendingDelivery]] = {}
        for row in rows:
            domain = domain_of(row.address) if row.address and row.reason is None else ""
            groups.setdefault(domain if domain in rates else "", []).append(row)
        for domain, group in groups.items():
            permits = len(group)
            if domain:
                permits = self._rate_limiter.acquire(
                    _bucket_name(domain), rates[domain], len(group), WINDOW_SECONDS
                ).granted
                deferred += self._defer(domain, rates[domain], group[permits:], now)
            allowed += group[:permits]
        return sorted(allowed, key=attrgetter("seq")), deferred

    def _defer(
        self, domain: str, rate: float, rows: Sequence[PendingDelivery], now: datetime
    ) -> Iterable[OutcomeRecord]:
        if not rows:
            return []
        first = 1 + self._rate_limiter.reserve(
            _bucket_name(domain), rate, len(rows), DOMAIN_LONGEST_WAIT_SECONDS
        )
        due_times = (
            now + timedelta(seconds=min(first + n / rate, DOMAIN_LONGEST_WAIT_SECONDS))
            for n in range(len(rows))
        )
        return [
            OutcomeRecord(row.subscriber_id, None, row.previous_reason, row.reply, 0, due)
            for row, due in zip(rows, due_times, strict=True)
        ]

    def _limited_rates(self) -> Mapping[str, float]:
        throttled = self._rate_limiter.throttled_rates()
        if not self._fixed or not throttled:
            return throttled or self._fixed
        both = {**throttled, **self._fixed}
        return {domain: min(rate, throttled.get(domain, rate)) for domain, rate in both.items()}


def domain_of(address: str) -> str:
    """The domain of an address."""
    return address.rpartition("@")[2].lower()


def _bucket_name(domain: str) -> str:
    return f"to {domain}"
