"""For operators: liveness, readiness and metrics."""

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
from digest.delivery.ledger.counts import count_outcomes
from digest.delivery.ledger.models import Batch, FrozenIssue, Letter, Outcome
from digest.editorial.models import Issue, State
from digest.publications.models import Publication
from digest.schema import is_outdated
from digest.web import host_names, request_limits
from digest.web.publication_context import services

LOG = logging.getLogger(__name__)
REPORTED_FOR = timedelta(days=7)  # counting the deliveries of every issue would take longer with each

blueprint = Blueprint("health", __name__)


@blueprint.get("/healthz")
def healthz() -> Response:
    """Alive: the process answers. Nothing else is checked."""
    return Response("ok\n", mimetype="text/plain", headers={"Cache-Control": "no-store"})


@blueprint.get("/readyz")
def readyz() -> tuple[Response, int]:
    """Whether everything that we depend on answers: 200, or 503 with the names of what does not."""
    checks = {
        "database": _check_database,
        "migrations": _check_migrations,
        **current_app.extensions["digest.ready"],
    }
    results = {}
    for name, check in checks.items():
        try:
            check()
            results[name] = "ok"
        except Exception as error:  # noqa: BLE001  whatever it raises, it is not ready
            LOG.warning("not ready", extra={"check": name, "error": type(error).__name__})
            results[name] = "not ready"
    ready = all(result == "ok" for result in results.values())
    return jsonify(ready=ready, **results), 200 if ready else 503


@blueprint.get("/metrics")
def metrics() -> Response:
    """Metrics for Prometheus, on private networks only: the number of readers is not public."""
    if not (request_limits.is_private_client() and host_names.is_private_host(services().base_url)):
        abort(404)
    with services().db.read() as session:
        return Response(render_metrics(session, utcnow()), content_type=CONTENT_TYPE_LATEST)


def render_metrics(session: Session, now: datetime) -> bytes:
    """The body of `/metrics`, in Prometheus' text format."""
    registry = CollectorRegistry()
    registry.register(_LedgerCollector(session, now))
    return generate_latest(registry)


class _LedgerCollector(Collector):
    """Reads the database on every scrape, so that every process reports the same."""

    def __init__(self, session: Session, now: datetime) -> None:
        self._session, self._now = session, now

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """The metric families of one scrape."""
        yield self._deliveries()
        yield from self._letters()
        yield from self._batches()

    def _deliveries(self) -> GaugeMetricFamily:
        name, words = "digest_deliveries", "Deliveries of the issues of the last 7 days, by outcome"
        family = GaugeMetricFamily(name, words, labels=("publication", "issue", "outcome"))
        recent = (FrozenIssue.frozen_at > self._now - REPORTED_FOR) | Issue.state.in_(
            (State.SENDING, State.PAUSED)
        )
        rows = self._session.execute(
            select(Issue.id, Issue.number, Publication.slug)
            .join(FrozenIssue, FrozenIssue.issue_id == Issue.id)
            .join(Publication, Publication.id == Issue.publication_id)
            .where(recent)
        )
        for issue_id, number, slug in rows:
            found = count_outcomes(self._session, issue_id)
            for word in (*Outcome, "remaining"):
                family.add_metric((slug, str(number), word), getattr(found, word))
        return family

    def _letters(self) -> Iterator[GaugeMetricFamily]:
        waiting = select(func.count(), func.min(Letter.due_at)).where(Letter.outcome.is_(None))
        return self._waiting("letters", self._session.execute(waiting).one())

    def _batches(self) -> Iterator[GaugeMetricFamily]:
        """Of issues that are being sent: a paused one waits on purpose."""
        waiting = (
            select(func.count(), func.min(Batch.due_at))
            .join(Issue, Issue.id == Batch.issue_id)
            .where(Batch.done_at.is_(None), Issue.state == State.SENDING)
        )
        return self._waiting("batches", self._session.execute(waiting).one())

    def _waiting(self, noun: str, row: Row[int, datetime | None]) -> Iterator[GaugeMetricFamily]:
        count, oldest = row
        age = max(0.0, (self._now - oldest).total_seconds()) if oldest else 0.0
        yield GaugeMetricFamily(f"digest_{noun}_waiting", f"Number of {noun} not done yet", count)
        yield GaugeMetricFamily(
            f"digest_{noun}_oldest_due_seconds",
            f"Seconds since the oldest of the waiting {noun} was due",
            age,
        )


def _check_database() -> None:
    with services().db.read() as session:
        session.execute(text("SELECT 1"))


def _check_migrations() -> None:
    with services().db.read() as session:
        if is_outdated(session.connection()):
            raise RuntimeError("the database is not at the latest migration")
