"""What operators look at: alive, ready, and how much is waiting."""

import logging
from collections.abc import Iterator
from datetime import datetime, timedelta

from flask import Blueprint, Response, abort, current_app, jsonify
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector
from sqlalchemy import Row, func, select, text
from sqlalchemy.orm import Session

from digest.db import utcnow
from digest.delivery.ledger.counts import counts
from digest.delivery.ledger.models import Batch, FrozenIssue, Letter, Outcome
from digest.editorial.models import Issue, State
from digest.publications.models import Publication
from digest.schema import missing
from digest.web import request_limits
from digest.web.publication_context import services

LOG = logging.getLogger(__name__)
SHOWN_FOR = timedelta(days=7)  # counting the deliveries of every issue ever sent would take ever longer

blueprint = Blueprint("health", __name__)


@blueprint.get("/healthz")
def healthz() -> Response:
    """The process answers; nothing else is asked."""
    return Response("ok\n", mimetype="text/plain", headers={"Cache-Control": "no-store"})


@blueprint.get("/readyz")
def readyz() -> tuple[Response, int]:
    """Whether everything needed answers: 200, or 503 with the names of what does not."""
    asked = {"database": _database, "migrations": _migrations, **current_app.extensions["digest.ready"]}
    found = {}
    for name, ask in asked.items():
        try:
            ask()
            found[name] = "ok"
        except Exception as error:  # noqa: BLE001  whatever it raises, it is not ready
            LOG.warning("not ready", extra={"what": name, "error": type(error).__name__})
            found[name] = "not ready"
    ready = all(word == "ok" for word in found.values())
    return jsonify(ready=ready, **found), 200 if ready else 503


@blueprint.get("/metrics")
def metrics() -> Response:
    """Figures for Prometheus, in a network of our own only: how many readers there are is nobody's business."""
    if not request_limits.at_home():
        abort(404)
    with services().db.read() as session:
        return Response(ledger_figures(session, utcnow()), content_type=CONTENT_TYPE_LATEST)


def ledger_figures(session: Session, now: datetime) -> bytes:
    """What `/metrics` says, in Prometheus' text format."""
    registry = CollectorRegistry()
    registry.register(_Ledger(session, now))
    return generate_latest(registry)


class _Ledger(Collector):
    """The figures, asked of the database each time: every process tells the same."""

    def __init__(self, session: Session, now: datetime) -> None:
        self._session, self._now = session, now

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """One family per question."""
        yield self._deliveries()
        yield from self._letters()
        yield from self._batches()

    def _deliveries(self) -> GaugeMetricFamily:
        name, words = "digest_deliveries", "Deliveries of the issues of the last 7 days, by outcome"
        family = GaugeMetricFamily(name, words, labels=("publication", "issue", "outcome"))
        recent = (FrozenIssue.frozen_at > self._now - SHOWN_FOR) | Issue.state.in_(
            (State.SENDING, State.PAUSED)
        )
        rows = self._session.execute(
            select(Issue.id, Issue.number, Publication.slug)
            .join(FrozenIssue, FrozenIssue.issue_id == Issue.id)
            .join(Publication, Publication.id == Issue.publication_id)
            .where(recent)
        )
        for issue_id, number, slug in rows:
            found = counts(self._session, issue_id)
            for word in (*Outcome, "remaining"):
                family.add_metric((slug, str(number), word), getattr(found, word))
        return family

    def _letters(self) -> Iterator[GaugeMetricFamily]:
        waiting = select(func.count(), func.min(Letter.due_at)).where(Letter.outcome.is_(None))
        return self._waiting("letters", self._session.execute(waiting).one())

    def _batches(self) -> Iterator[GaugeMetricFamily]:
        """Only issues that are being sent: a paused one waits on purpose."""
        waiting = (
            select(func.count(), func.min(Batch.due_at))
            .join(Issue, Issue.id == Batch.issue_id)
            .where(Batch.done_at.is_(None), Issue.state == State.SENDING)
        )
        return self._waiting("batches", self._session.execute(waiting).one())

    def _waiting(self, what: str, row: Row[int, datetime | None]) -> Iterator[GaugeMetricFamily]:
        count, oldest = row
        age = max(0.0, (self._now - oldest).total_seconds()) if oldest else 0.0
        yield GaugeMetricFamily(f"digest_{what}_waiting", f"How many {what} are not done", count)
        yield GaugeMetricFamily(
            f"digest_{what}_oldest_due_seconds", f"How long the oldest of the {what} is due", age
        )


def _database() -> None:
    with services().db.read() as session:
        session.execute(text("SELECT 1"))


def _migrations() -> None:
    with services().db.read() as session:
        if missing(session.connection()):
            raise RuntimeError("the database is not at the newest revision")
