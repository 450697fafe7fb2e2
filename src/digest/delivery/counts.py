"""What became of an issue, in numbers that always add up: every one is counted from the same rows at once."""

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from digest.delivery.models import Delivery, Outcome


@dataclass(frozen=True)
class Counts:
    """planned = accepted + excluded + failed + unknown + remaining."""

    planned: int
    accepted: int
    excluded: int
    failed: int
    unknown: int
    remaining: int
    reasons: Mapping[str, Mapping[str, int]]  # outcome -> reason -> how many


def counts(session: Session, issue_id: int) -> Counts:
    """The counts of an issue as they stand; all zero before its freeze."""
    rows = session.execute(
        select(Delivery.outcome, Delivery.reason, func.count())
        .where(Delivery.issue_id == issue_id)
        .group_by(Delivery.outcome, Delivery.reason)
    )
    sums: dict[str | None, int] = {}
    reasons: dict[str, dict[str, int]] = {}
    for outcome, reason, number in rows:
        sums[outcome] = sums.get(outcome, 0) + number
        if outcome is not None and reason:
            reasons.setdefault(outcome, {})[reason] = number
    ended = {outcome.value: sums.get(outcome.value, 0) for outcome in Outcome}
    return Counts(planned=sum(sums.values()), remaining=sums.get(None, 0), reasons=reasons, **ended)
