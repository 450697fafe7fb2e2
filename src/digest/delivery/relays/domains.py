"""Receiving domains that want it slower: who of them is mailed now, and who a little later.

A domain is what stands behind the @: which of them share a receiver is not asked. Nothing is done per mail while no
domain is slowed.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta

from digest.delivery.ledger.outcomes import End, Next
from digest.rate_limit.shared import Pace
from digest.smtp.client import Reply, Stage

WINDOW = 6.0  # seconds that unused places are kept: those who wait come back with the clock, every five
LONGEST = 900.0  # seconds until somebody who waits is looked at again
_HASTE = re.compile(
    r"\brate\b|rate.?limit|too (?:many|much|fast)|throttl|slow down|deferred|unusual|exceed", re.IGNORECASE
)
# First-time visitors are put off once, and mailboxes may be full: neither asks us to slow down.
_OTHER = re.compile(r"gr[ae]y|come back|first time|mailbox|quota|storage|disk", re.IGNORECASE)


def hurried(stage: Stage, reply: Reply) -> bool:
    """Whether a reply to a recipient says that we are too fast for their domain (421, 4.7.x, words about rates)."""
    if reply.code // 100 != 4 or stage not in {Stage.RCPT, Stage.DATA, Stage.BODY}:  # noqa: PLR2004 RFC 5321
        return False
    if _OTHER.search(reply.text) or reply.enhanced.startswith(("4.2.", "4.3.", "4.1.")):
        return False
    return reply.code == 421 or reply.enhanced.startswith("4.7.") or bool(_HASTE.search(reply.text))  # noqa: PLR2004 RFC 5321


class Domains:
    """What is known of receiving domains, in one run."""

    def __init__(self, pace: Pace, fixed: Mapping[str, float]) -> None:
        """`fixed` are rates that an operator set, in mails a second."""
        self._pace, self._fixed = pace, fixed

    def complain(self, address: str) -> float:
        """A domain said that we are too fast: slower from now on, for everybody. Gives its mails a second."""
        domain = of(address)
        rate = self._pace.slow_down(domain)
        self._pace.charge(_bucket(domain), rate, 1)  # nothing is saved up for it
        return rate

    def sort(self, rows: Sequence[Next], now: datetime) -> tuple[Sequence[Next], list[End]]:
        """Those who may be mailed now, and for the others when it is their turn; that is no try."""
        slow = self._slow()
        if not slow:
            return rows, []
        going: list[Next] = []
        waiting: list[End] = []
        groups: dict[str, list[Next]] = {}
        for row in rows:
            domain = of(row.address) if row.address and row.reason is None else ""
            groups.setdefault(domain if domain in slow else "", []).append(row)
        for domain, group in groups.items():
            free = len(group)
            if domain:
                free = self._pace.take(_bucket(domain), slow[domain], len(group), WINDOW).number
                waiting += self._turns(domain, slow[domain], group[free:], now)
            going += group[:free]
        return sorted(going, key=_place), waiting

    def _turns(self, domain: str, rate: float, rows: Sequence[Next], now: datetime) -> Iterable[End]:
        if not rows:
            return []
        first = 1 + self._pace.line_up(_bucket(domain), rate, len(rows), LONGEST)
        dues = (now + timedelta(seconds=min(first + n / rate, LONGEST)) for n in range(len(rows)))
        return [
            End(row.subscriber_id, None, row.noted, row.reply, 0, due)
            for row, due in zip(rows, dues, strict=True)
        ]

    def _slow(self) -> Mapping[str, float]:
        slowed = self._pace.slowed()
        if not self._fixed or not slowed:
            return slowed or self._fixed
        both = {**slowed, **self._fixed}
        return {domain: min(rate, slowed.get(domain, rate)) for domain, rate in both.items()}


def of(address: str) -> str:
    """The domain of an address."""
    return address.rpartition("@")[2].lower()


def _bucket(domain: str) -> str:
    return f"to {domain}"


def _place(row: Next) -> int:
    return row.place
