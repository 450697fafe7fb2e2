"""What sending an issue would come to if it were frozen now: to how many, to how many not and why, and how long."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from digest.audience import reach
from digest.delivery.counts import counts
from digest.delivery.models import FrozenIssue
from digest.editorial import content, issues, schedule
from digest.editorial.models import Issue

LEAST_MEASURED = 100  # mails: fewer say nothing of a rate


@dataclass(frozen=True)
class Forecast:
    """How many it would go to, how many not by reason, and the minutes it takes (None: nothing was measured)."""

    issue: Issue
    reachable: int
    excluded: dict[str, int]
    minutes: float | None

    def sentence(self, on: str | None = None, zone: str | None = None) -> str:
        """What is about to happen, in one line; `on` and `zone` are a time that is only proposed."""
        out = sum(self.excluded.values())
        return schedule.sentence(
            self.issue, readers=self.reachable, excluded=out, minutes=self.minutes, on=on, zone=zone
        )


def forecast(session: Session, issue: Issue, *, base_url: str, most: float | None, now: datetime) -> Forecast:
    """Count by the rules of the freeze, topics too; `most` is the allowed rate in mails a second, None without one."""
    blocks = [block.topics for block in content.edition(session, issue, base_url).blocks]
    since = left_since(session, issue, now)
    found = reach.count(session, issue.publication_id, now, since, blocks)
    rates = [rate for rate in (most, _last_rate(session, issue.publication_id)) if rate]
    minutes = found.reachable / min(rates) / 60 if rates else None
    return Forecast(issue, found.reachable, found.excluded, minutes)


def left_since(session: Session, issue: Issue, before: datetime) -> datetime | None:
    """When the publication's last issue before `before` was frozen: who left earlier is of no interest to this one."""
    earlier = (
        select(func.max(FrozenIssue.frozen_at))
        .join(Issue, Issue.id == FrozenIssue.issue_id)
        .where(Issue.publication_id == issue.publication_id, Issue.id != issue.id)
        .where(FrozenIssue.frozen_at < before)
    )
    return session.scalar(earlier)


def _last_rate(session: Session, publication_id: int) -> float | None:
    """Mails a second of the last issue that was sent to its end, as far as it says anything."""
    last = issues.latest_sent(session, publication_id)
    if last is None or last.started_at is None or last.finished_at is None:
        return None
    accepted, seconds = (
        counts(session, last.id).accepted,
        (last.finished_at - last.started_at).total_seconds(),
    )
    return accepted / seconds if accepted >= LEAST_MEASURED and seconds > 0 else None
