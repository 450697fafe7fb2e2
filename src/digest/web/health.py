"""For operators: liveness, readiness and metrics."""

import logging
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any, Final

from flask import Blueprint, Response, abort, copy_current_request_context, current_app, jsonify
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from digest.db import database_now
from digest.errors import DigestError, Unavailable
from digest.monitoring import alerts, heartbeats, problems
from digest.web import host_names, request_limits
from digest.web.publication_context import services

LOG = logging.getLogger(__name__)

ANSWER_SECONDS: Final = 5.0  # for a probe: a database that hangs must not take one thread after the other

blueprint = Blueprint("health", __name__)
_asking = ThreadPoolExecutor(1, "readyz")


@blueprint.get("/healthz")
def healthz() -> Response:
    """Alive: the process answers. Nothing else is checked."""
    return Response("ok\n", mimetype="text/plain", headers={"Cache-Control": "no-store"})


@blueprint.get("/readyz")
def readyz() -> tuple[Response, int]:
    """Whether this web server can do its work: 200, or 503 with the names of what does not answer.

    Silent workers and schedulers do not make it 503: pages and sign-ups go on without them, and a load balancer that
    took every web server away would make it worse. They are in the body (`working`), with details for private networks.
    """
    asked = _asking.submit(copy_current_request_context(_run_checks))
    try:
        results = asked.result(ANSWER_SECONDS)
    except TimeoutError:
        asked.cancel()
        silence = Unavailable(f"no answer in {ANSWER_SECONDS:g} s")
        LOG.warning("not ready", extra={"check": "database", "error": str(silence)})
        results = {"ready": False, "database": _reason(silence), "working": "unknown"}
    return jsonify(results), 200 if results["ready"] else 503


@blueprint.get("/metrics")
def metrics() -> Response:
    """Metrics for Prometheus, on private networks only: the number of readers is not public."""
    from prometheus_client import CONTENT_TYPE_LATEST

    from digest.monitoring.metrics import render_metrics

    if not _is_private():
        abort(404)
    with services().db.read() as session:
        body = render_metrics(session, services().home, database_now(session))
        return Response(body, content_type=CONTENT_TYPE_LATEST)


def _run_checks() -> dict[str, Any]:
    """The body of /readyz."""
    checks = {"database": _check_database, **current_app.extensions["digest.ready"]}
    results: dict[str, Any] = {}
    for name, check in checks.items():
        try:
            check()
            results[name] = "ok"
        except Exception as error:  # noqa: BLE001  whatever it raises, it is not ready
            LOG.warning("not ready", extra={"check": name, "error": type(error).__name__})
            results[name] = _reason(error)
    details: dict[str, Any] = {"working": "unknown"}
    if all(result == "ok" for result in results.values()):
        try:
            details = _find_working()
        except SQLAlchemyError as error:  # as when every connection of the pool is in use just now
            results["database"] = _reason(error)
    return {"ready": all(result == "ok" for result in results.values()), **results, **details}


def _is_private() -> bool:
    return request_limits.is_private_client() and host_names.is_private_host(services().base_url)


def _reason(error: Exception) -> str:
    """Why not: for strangers without details, and never a driver's text, which may hold a password."""
    if not _is_private():
        return "not ready"
    return f"not ready: {error}" if isinstance(error, DigestError) else f"not ready: {type(error).__name__}"


def _find_working() -> dict[str, Any]:
    """Whether workers, scheduler and queues report; to private networks also how long ago, and the open alerts."""
    with services().db.read() as session:
        pulses = heartbeats.read(session, database_now(session))
        found: dict[str, Any] = {"working": "no" if problems.find_silences(pulses) else "yes"}
        if _is_private():
            found["heartbeats"] = [
                {
                    "kind": pulse.kind.value,
                    "name": pulse.name,
                    "age_seconds": None if pulse.age is None else round(pulse.age / timedelta(seconds=1), 1),
                    "silent": pulse.is_silent,
                }
                for pulse in pulses
                if not pulse.has_stopped
            ]
            found["problems"] = [problem.summary for problem in problems.find_silences(pulses)]
            found["alerts"] = [alert.summary for alert in alerts.list_open(session)]
        return found


def _check_database() -> None:
    with services().db.read() as session:
        session.execute(text("SELECT 1"))
