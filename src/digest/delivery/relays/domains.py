"""Receiving domains that want it slower: who of them is mailed now, and who a little later.

A domain is what stands behind the @: which of them share a receiver is not asked. Nothing is done per mail while no
domain is slowed.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta

from digest.delivery.ledger.outcomes import OutcomeRecord, PendingDelivery
from digest.delivery.relays.retry_policy import DOMAIN_LONGEST_WAIT_SECONDS
from digest.rate_limit.shared import SharedRateLimiter
from digest.smtp.replies import Reply, Stage

WINDOW_SECONDS = 6.0  # how long unused permits are kept: deferred mails return with the clock, every five
_RATE_WORDS = re.compile(
    r"\brate\b|rate.?limit|too (?:many|much|fast)|throttl|slow down|deferred|unusual|exceed", re.IGNORECASE
)
# First-time visitors are put off once, and mailboxes may be full: neither asks us to slow down.
_OTHER_CAUSES = re.compile(r"gr[ae]y|come back|first time|mailbox|quota|storage|disk", re.IGNORECASE)


def is_rate_complaint(stage: Stage, reply: Reply) -> bool:
    """Whether a reply to a recipient says that we are too fast for their domain (421, 4.7.x, words about rates)."""
    if reply.code // 100 != 4 or stage not in {Stage.RCPT, Stage.DATA, Stage.BODY}:  # noqa: PLR2004 RFC 5321
        return False
    if _OTHER_CAUSES.search(reply.text) or reply.enhanced.startswith(("4.2.", "4.3.", "4.1.")):
        return False
    return reply.code == 421 or reply.enhanced.startswith("4.7.") or bool(_RATE_WORDS.search(reply.text))  # noqa: PLR2004 RFC 5321


class DomainThrottle:
    """What is known of receiving domains, in one run."""

    def __init__(self, pace: SharedRateLimiter, fixed: Mapping[str, float]) -> None:
        """`fixed` are rates that an operator set, in mails a second."""
        self._rate_limiter, self._fixed = pace, fixed

    def record_complaint(self, address: str) -> float:
        """A domain said that we are too fast: slower from now on, for everybody. Gives its mails a second."""
        domain = domain_of(address)
        rate = self._rate_limiter.throttle(domain)
        self._rate_limiter.debit(_bucket_name(domain), rate, 1)  # nothing is saved up for it
        return rate

    def split_by_rate(
        self, rows: Sequence[PendingDelivery], now: datetime
    ) -> tuple[Sequence[PendingDelivery], list[OutcomeRecord]]:
        """Those who may be mailed now, and for the others when it is their turn; that is no try."""
        slow = self._limited_rates()
        if not slow:
            return rows, []
        going: list[PendingDelivery] = []
        waiting: list[OutcomeRecord] = []
        groups: dict[str, list[PendingDelivery]] = {}
        for row in rows:
            domain = domain_of(row.address) if row.address and row.reason is None else ""
            groups.setdefault(domain if domain in slow else "", []).append(row)
        for domain, group in groups.items():
            free = len(group)
            if domain:
                free = self._rate_limiter.acquire(
                    _bucket_name(domain), slow[domain], len(group), WINDOW_SECONDS
                ).granted
                waiting += self._defer(domain, slow[domain], group[free:], now)
            going += group[:free]
        return sorted(going, key=_by_seq), waiting

    def _defer(
        self, domain: str, rate: float, rows: Sequence[PendingDelivery], now: datetime
    ) -> Iterable[OutcomeRecord]:
        if not rows:
            return []
        first = 1 + self._rate_limiter.reserve(
            _bucket_name(domain), rate, len(rows), DOMAIN_LONGEST_WAIT_SECONDS
        )
        dues = (
            now + timedelta(seconds=min(first + n / rate, DOMAIN_LONGEST_WAIT_SECONDS))
            for n in range(len(rows))
        )
        return [
            OutcomeRecord(row.subscriber_id, None, row.previous_reason, row.reply, 0, due)
            for row, due in zip(rows, dues, strict=True)
        ]

    def _limited_rates(self) -> Mapping[str, float]:
        slowed = self._rate_limiter.throttled_rates()
        if not self._fixed or not slowed:
            return slowed or self._fixed
        both = {**slowed, **self._fixed}
        return {domain: min(rate, slowed.get(domain, rate)) for domain, rate in both.items()}


def domain_of(address: str) -> str:
    """The domain of an address."""
    return address.rpartition("@")[2].lower()


def _bucket_name(domain: str) -> str:
    return f"to {domain}"


def _by_seq(row: PendingDelivery) -> int:
    return row.seq
