"""How long sending to the present audience takes, as far as anything was measured."""

from sqlalchemy.orm import Session

from digest.delivery.counts import counts
from digest.editorial import issues
from digest.publications.models import Publication

LEAST_MEASURED = 100  # mails: fewer say nothing of a rate


def minutes(db: Session, publication: Publication, readers: int, most: float | None) -> float | None:
    """Minutes for so many `readers`: by the last issue's rate and `most` mails a second; None when neither is known."""
    rates = [rate for rate in (most, _last_rate(db, publication)) if rate]
    return readers / min(rates) / 60 if rates else None


def _last_rate(db: Session, publication: Publication) -> float | None:
    last = issues.latest_sent(db, publication.id)
    if last is None or last.started_at is None or last.finished_at is None:
        return None
    accepted, seconds = counts(db, last.id).accepted, (last.finished_at - last.started_at).total_seconds()
    return accepted / seconds if accepted >= LEAST_MEASURED and seconds > 0 else None
