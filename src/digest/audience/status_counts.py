"""How many subscribers stand where: counted by an index, and only the few exceptions one by one."""

from datetime import datetime
from typing import Final

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from digest.audience import eligibility
from digest.audience.models import Subscription, SubscriptionStatus

REACHABLE: Final = "reachable"
NAMES: Final = (REACHABLE, "pending", "paused", "left", "suppressed", "erased")
_PLAIN: Final = {
    SubscriptionStatus.ACTIVE: REACHABLE,
    SubscriptionStatus.PENDING: "pending",
    SubscriptionStatus.UNSUBSCRIBED: "left",
}


def count(session: Session, publication_id: int, now: datetime) -> dict[str, int]:
    """How many of a publication's subscribers stand where, in the order of NAMES; each is in exactly one."""
    rows = select(Subscription.status, func.count()).where(Subscription.publication_id == publication_id)
    by_standing: dict[str, int] = dict(session.execute(rows.group_by(Subscription.status)).all())
    found = dict.fromkeys(NAMES, 0)
    for status, many in by_standing.items():
        found[_PLAIN[SubscriptionStatus(status)]] += many
    for status, why, many in session.execute(eligibility.exceptions(publication_id, now)):
        found[_PLAIN[SubscriptionStatus(status)]] -= many
        found[why or REACHABLE] += many
    return found
