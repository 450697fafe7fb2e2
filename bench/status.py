"""What reading the status of a large issue costs while it is sent: its counts, its rate and /metrics."""

import time
from collections.abc import Callable
from pathlib import Path

from sqlalchemy import text

from bench import dataset
from bench.audience import write_audience
from digest.db import Database, utcnow
from digest.delivery.ledger.counts import count_outcomes
from digest.delivery.release.report import build_report
from digest.editorial.models import Issue
from digest.monitoring.metrics import render_metrics
from digest.web.desk.issues.progress import measure_progress

HALF = """
UPDATE delivery SET outcome = 'accepted', reply = '250 2.0.0 taken', attempts = 1, ended_at = :now
WHERE issue_id = :issue AND subscriber_id <= :upto
"""
DONE = """
UPDATE batch SET started_upto = size, done_at = :now WHERE issue_id = :issue
AND NOT EXISTS (SELECT 1 FROM delivery WHERE delivery.batch_id = batch.id AND outcome IS NULL)
"""
TIMES = 3


def measure(readers: int) -> list[tuple[str, float]]:
    """(what, seconds of the fastest of some reads), with a row per reader, half of them sent."""
    with dataset.database("sqlite") as url, dataset.opened(url) as db:
        number = dataset.fill(db, readers)
        dataset.freeze_issue(db, number)
        write_audience(db, number)
        accept_half(db, number, readers)
        reads: dict[str, Callable[[Database], object]] = {
            "the counts (report, --wait)": lambda db: _read(db, lambda s: build_report(s, number, utcnow())),
            "the rate (progress page)": lambda db: _read(db, lambda s: _rate(s, number)),
            "/metrics": lambda db: _read(db, lambda s: render_metrics(s, Path.cwd(), utcnow())),
        }
        return [(f"{what}, {readers:,} deliveries", _best(db, read)) for what, read in reads.items()]


def accept_half(db: Database, number: int, readers: int) -> None:
    """Mark half of an issue's deliveries as accepted."""
    with db.begin() as session:
        at = utcnow().strftime("%Y-%m-%d %H:%M:%S.%f")
        session.execute(text(HALF), {"issue": number, "now": at, "upto": readers // 2})
        session.execute(
            text("UPDATE issue SET started_at = :now WHERE id = :issue"), {"issue": number, "now": at}
        )


def _rate(session: object, number: int) -> object:
    issue = session.get_one(Issue, number)  # type: ignore[attr-defined]
    return measure_progress(session, issue, count_outcomes(session, number), utcnow())  # type: ignore[arg-type]


def _read(db: Database, ask: Callable[..., object]) -> object:
    with db.read() as session:
        return ask(session)


def _best(db: Database, read: Callable[[Database], object]) -> float:
    found = []
    for _ in range(TIMES):
        begun = time.monotonic()
        read(db)
        found.append(time.monotonic() - begun)
    return min(found)
