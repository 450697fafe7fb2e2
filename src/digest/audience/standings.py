"""How many subscribers stand where: counted by an index, and only the few exceptions one by one."""

from datetime import datetime
from typing import Final

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from digest.audience import reach
from digest.audience.models import Standing, Subscription

REACHABLE: Final = "reachable"
NAMES: Final = (REACHABLE, "pending", "paused", "left", "suppressed", "erased")
_PLAIN: Final = {Standing.ACTIVE: REACHABLE, Standing.PENDING: "pending", Standing.LEFT: "left"}


def count(session: Session, publication_id: int, now: datetime) -> dict[str, int]:
    """How many of a publication's subscribers stand where, in the order of NAMES; each is in exactly one."""
    rows = select(Subscription.standing, func.count()).where(Subscription.publication_id == publication_id)
    by_standing: dict[str, int] = dict(session.execute(rows.group_by(Subscription.standing)).all())
    found = dict.fromkeys(NAMES, 0)
    for standing, many in by_standing.items():
        found[_PLAIN[Standing(standing)]] += many
    for standing, why, many in session.execute(reach.exceptions(publication_id, now)):
        found[_PLAIN[Standing(standing)]] -= many
        found[why or REACHABLE] += many
    return found
