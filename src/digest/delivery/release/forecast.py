"""What sending an issue would come to if it were frozen now: to how many, to how many not and why, and how long."""

from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from digest.audience import reach
from digest.delivery.ledger import sent_count
from digest.delivery.ledger.counts import counts
from digest.delivery.ledger.models import FrozenIssue
from digest.delivery.relays.throughput import Allowed
from digest.editorial import editions, issues
from digest.editorial.calendar import schedule
from digest.editorial.models import Issue

UNLIMITED = Allowed()
LEAST_MEASURED = 100  # mails: fewer say nothing of a rate
LONGEST_MEASURED = 12 * 3600  # seconds


@dataclass(frozen=True)
class Forecast:
    """How many it would go to, how many not by reason, and how long it takes."""

    issue: Issue
    reachable: int
    excluded: dict[str, int]
    allowed: Allowed
    measured: float | None  # mails a second of the last issue; None: nothing was measured
    now: datetime
    went: int  # mails of today's warm-up that are gone already

    def minutes(self, on: str | None = None, zone: str | None = None) -> float | None:
        """From the first mail to the last one, at the issue's own hour or at one that is proposed; None: unknown."""
        planned = schedule.resolve(on, zone) if on and zone else self.issue.send_at
        start = max(planned or self.now, self.now) + timedelta(minutes=self.issue.hold_minutes)
        today = start.astimezone(UTC).date() == self.now.astimezone(UTC).date()
        went = self.went if today else 0
        end = self.allowed.ends(self.reachable, start, measured=self.measured, went=went)
        return None if end is None else (end - start).total_seconds() / 60

    def sentence(self, on: str | None = None, zone: str | None = None) -> str:
        """What is about to happen, in one line; `on` and `zone` are a time that is only proposed."""
        out, minutes = sum(self.excluded.values()), self.minutes(on, zone)
        return schedule.sentence(
            self.issue, readers=self.reachable, excluded=out, minutes=minutes, on=on, zone=zone
        )


def forecast(
    session: Session, issue: Issue, *, base_url: str, allowed: Allowed = UNLIMITED, now: datetime
) -> Forecast:
    """Count by the rules of the freeze, topics too; `allowed` is what the operator's limits let through."""
    blocks = [block.topics for block in editions.edition(session, issue, base_url).blocks]
    since = left_since(session, issue, now)
    found = reach.count(session, issue.publication_id, now, since, blocks)
    measured = _last_rate(session, issue.publication_id)
    midnight = datetime.combine(now.astimezone(UTC).date(), time(), UTC)
    went = sent_count.went_since(session, midnight) if allowed.warm_up else 0
    return Forecast(issue, found.reachable, found.excluded, allowed, measured, now, went)


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
    """Mails a second of the last issue that was sent to its end, as far as it says anything.

    One that took longer than half a day was waiting for something: a person, the relay, a new day's warm-up.
    """
    last = issues.latest_sent(session, publication_id)
    if last is None or last.started_at is None or last.finished_at is None:
        return None
    accepted, seconds = (
        counts(session, last.id).accepted,
        (last.finished_at - last.started_at).total_seconds(),
    )
    return accepted / seconds if accepted >= LEAST_MEASURED and 0 < seconds < LONGEST_MEASURED else None
