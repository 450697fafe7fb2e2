"""Subscribers by status: counted from an index, and corrected by the few exceptions."""

from datetime import datetime
from typing import Final

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from digest.audience import eligibility
from digest.audience.models import Subscription, SubscriptionStatus

REACHABLE: Final = "reachable"
NAMES: Final = (REACHABLE, "pending", "paused", "unsubscribed", "suppressed", "erased")
_PLAIN: Final = {
    SubscriptionStatus.ACTIVE: REACHABLE,
    SubscriptionStatus.PENDING: "pending",
    SubscriptionStatus.UNSUBSCRIBED: "unsubscribed",
}


def count(session: Session, publication_id: int, now: datetime) -> dict[str, int]:
    """Count a publication's subscribers by status, in the order of NAMES; each subscriber counts once."""
    rows = select(Subscription.status, func.count()).where(Subscription.publication_id == publication_id)
    by_status: dict[str, int] = dict(session.execute(rows.group_by(Subscription.status)).all())
    counts = dict.fromkeys(NAMES, 0)
    for status, number in by_status.items():
        counts[_PLAIN[SubscriptionStatus(status)]] += number
    for status, reason, number in session.execute(eligibility.exceptions(publication_id, now)):
        counts[_PLAIN[SubscriptionStatus(status)]] -= number
        counts[reason or REACHABLE] += number
    return counts
