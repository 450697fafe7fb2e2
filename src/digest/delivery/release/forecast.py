"""Forecast an issue as if frozen now: how many readers get it, how many do not and why, and how long it takes."""

from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from digest.audience import eligibility
from digest.delivery.ledger import sent_count
from digest.delivery.ledger.counts import count_outcomes
from digest.delivery.ledger.models import FrozenIssue
from digest.delivery.relays.throughput import Throughput
from digest.editorial import editions, issues
from digest.editorial.calendar import local_time, send_sentence
from digest.editorial.models import Issue

UNLIMITED = Throughput()
MIN_MEASURED_MAILS = 100  # fewer mails say nothing about a rate
MAX_MEASURED_SECONDS = 12 * 3600


@dataclass(frozen=True)
class Forecast:
    """How many readers would get the issue, how many would not by reason, and how long sending takes."""

    issue: Issue
    reachable: int
    excluded: dict[str, int]
    throughput: Throughput
    measured_rate: float | None  # mails a second of the last issue; None: not measured
    now: datetime
    sent_today: int  # mails already counted towards today's warm-up

    def minutes(self, on: str | None = None, zone: str | None = None) -> float | None:
        """Minutes from the first to the last mail, at the issue's send time or a proposed one; None: unknown."""
        planned = local_time.to_utc(on, zone) if on and zone else self.issue.send_at
        start = max(planned or self.now, self.now) + timedelta(minutes=self.issue.hold_minutes)
        today = start.astimezone(UTC).date() == self.now.astimezone(UTC).date()
        already_sent = self.sent_today if today else 0
        end = self.throughput.estimate_end(
            self.reachable, start, measured_rate=self.measured_rate, already_sent=already_sent
        )
        return None if end is None else (end - start).total_seconds() / 60

    def sentence(self, on: str | None = None, zone: str | None = None) -> str:
        """The forecast in one sentence; `on` and `zone` are a proposed time."""
        when = local_time.describe_local_time(on, zone) if on and zone else None
        return self._sentence(when, self.minutes(on, zone))

    def sentence_now(self) -> str:
        """The forecast in one sentence, if the issue is sent at once."""
        when = local_time.describe_moment(self.now, self.issue.publication.zone)
        return self._sentence(when, self.minutes())

    def _sentence(self, when: str | None, minutes: float | None) -> str:
        excluded = sum(self.excluded.values())
        return send_sentence.describe_send(
            self.issue, readers=self.reachable, excluded=excluded, minutes=minutes, when=when
        )


def build_forecast(
    session: Session, issue: Issue, *, base_url: str, throughput: Throughput = UNLIMITED, now: datetime
) -> Forecast:
    """Count readers by the rules of the freeze, topics included; `throughput` is what the operator's limits allow."""
    blocks = [block.topics for block in editions.build_edition(session, issue, base_url).blocks]
    since = unsubscribed_since(session, issue, now)
    audience = eligibility.count(session, issue.publication_id, now, since, blocks)
    measured = _measured_rate(session, issue.publication_id)
    midnight = datetime.combine(now.astimezone(UTC).date(), time(), UTC)
    sent_today = sent_count.count_sent_since(session, midnight) if throughput.warm_up else 0
    return Forecast(issue, audience.reachable, audience.excluded, throughput, measured, now, sent_today)


def unsubscribed_since(session: Session, issue: Issue, before: datetime) -> datetime | None:
    """When the publication's last issue before `before` was frozen; earlier unsubscribes are not reported again."""
    earlier = (
        select(func.max(FrozenIssue.frozen_at))
        .join(Issue, Issue.id == FrozenIssue.issue_id)
        .where(Issue.publication_id == issue.publication_id, Issue.id != issue.id)
        .where(FrozenIssue.frozen_at < before)
    )
    return session.scalar(earlier)


def _measured_rate(session: Session, publication_id: int) -> float | None:
    """Mails a second of the last issue that was sent; None when that says nothing.

    An issue that took more than half a day was held up by something: a person, the relay, or the warm-up.
    """
    last = issues.find_latest_sent(session, publication_id)
    if last is None or last.started_at is None or last.finished_at is None:
        return None
    accepted, seconds = (
        count_outcomes(session, last.id).accepted,
        (last.finished_at - last.started_at).total_seconds(),
    )
    return (
        accepted / seconds if accepted >= MIN_MEASURED_MAILS and 0 < seconds < MAX_MEASURED_SECONDS else None
    )
