"""Metrics of what is being sent: deliveries, batches and letters."""

from collections.abc import Iterator
from datetime import datetime, timedelta

from prometheus_client.core import GaugeMetricFamily
from sqlalchemy import Row, func, select
from sqlalchemy.orm import Session

from digest.delivery.ledger.counts import count_outcomes
from digest.delivery.ledger.models import Batch, Delivery, Letter, Outcome
from digest.delivery.release import hold
from digest.editorial.models import Issue, State
from digest.publications.models import Publication

REPORTED_FOR = timedelta(days=7)  # counting the deliveries of every issue would take longer with each


def collect(session: Session, now: datetime) -> Iterator[GaugeMetricFamily]:
    """The metric families of one scrape."""
    yield _deliveries(session, now)
    yield _oldest_due(session, now)
    yield from _letters(session, now)
    yield from _batches(session, now)


def _deliveries(session: Session, now: datetime) -> GaugeMetricFamily:
    words = "Deliveries of the issues of the last 7 days, by outcome"
    family = GaugeMetricFamily("digest_deliveries", words, labels=("publication", "issue", "outcome"))
    # Not by a column of FrozenIssue: its content, which may be megabytes, would be read on the way to it.
    recent = (Issue.release_at > now - REPORTED_FOR) | Issue.state.in_((State.SENDING, State.PAUSED))
    rows = (
        select(Issue.id, Issue.number, Publication.slug)
        .join(Publication, Publication.id == Issue.publication_id)
        .where(Issue.release_at.is_not(None), recent)
    )
    for issue_id, number, slug in session.execute(rows):
        found = count_outcomes(session, issue_id)
        for word in (*Outcome, "remaining"):
            family.add_metric((slug, str(number), word), getattr(found, word))
    return family


def _oldest_due(session: Session, now: datetime) -> GaugeMetricFamily:
    """How late sending is: over the batches and the retries of issues that are being sent."""
    sending = list(session.scalars(select(Issue.id).where(Issue.state == State.SENDING, hold.is_over(now))))
    batches = select(func.min(Batch.due_at)).where(Batch.issue_id.in_(sending), Batch.done_at.is_(None))
    retries = select(func.min(Delivery.due_at)).where(
        Delivery.issue_id.in_(sending), Delivery.due_at.is_not(None)
    )
    times = [found for found in (session.scalar(batches), session.scalar(retries)) if found is not None]
    return GaugeMetricFamily(
        "digest_deliveries_oldest_due_seconds",
        "Seconds since the oldest email of an issue in progress was due",
        _age(min(times, default=None), now),
    )


def _letters(session: Session, now: datetime) -> Iterator[GaugeMetricFamily]:
    waiting = select(func.count(), func.min(Letter.due_at)).where(Letter.outcome.is_(None))
    yield from _waiting("letters", session.execute(waiting).one(), now)
    # A letter that failed is due later again and again: how long it has waited is told by its creation alone.
    oldest = session.scalar(select(func.min(Letter.created_at)).where(Letter.outcome.is_(None)))
    words = "Seconds since the oldest of the waiting letters was written"
    yield GaugeMetricFamily("digest_letters_oldest_age_seconds", words, _age(oldest, now))


def _batches(session: Session, now: datetime) -> Iterator[GaugeMetricFamily]:
    """Of issues that are being sent: a paused one waits on purpose."""
    waiting = (
        select(func.count(), func.min(Batch.due_at))
        .join(Issue, Issue.id == Batch.issue_id)
        .where(Batch.done_at.is_(None), Issue.state == State.SENDING)
    )
    return _waiting("batches", session.execute(waiting).one(), now)


def _waiting(noun: str, row: Row[int, datetime | None], now: datetime) -> Iterator[GaugeMetricFamily]:
    count, oldest = row
    yield GaugeMetricFamily(f"digest_{noun}_waiting", f"Number of {noun} not done yet", count)
    words = f"Seconds since the oldest of the waiting {noun} was due"
    yield GaugeMetricFamily(f"digest_{noun}_oldest_due_seconds", words, _age(oldest, now))


def _age(moment: datetime | None, now: datetime) -> float:
    return max(0.0, (now - moment).total_seconds()) if moment else 0.0
