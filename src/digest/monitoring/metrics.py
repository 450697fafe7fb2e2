"""What Prometheus reads: counts from the database, cheap however large its tables are."""

import shutil
from collections.abc import Callable, Iterator
from datetime import datetime
from importlib.metadata import version
from pathlib import Path

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from digest.editorial.calendar import schedule
from digest.editorial.models import Issue, State
from digest.monitoring import alerts, delivery_metrics, heartbeats
from digest.monitoring.heartbeats import Kind

_PROCESSES = (Kind.WEB, Kind.WORKER, Kind.BEAT)


def render_metrics(session: Session, home: Path, now: datetime) -> bytes:
    """The body of `/metrics`, in Prometheus' text format; `now`: by the database's clock."""
    registry = CollectorRegistry()
    registry.register(_DatabaseCollector(session, home, now))
    return generate_latest(registry)


class _DatabaseCollector(Collector):
    """Reads the database on every scrape, so that every process reports the same."""

    def __init__(self, session: Session, home: Path, now: datetime) -> None:
        self._session, self._home, self._now = session, home, now

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """The metric families of one scrape."""
        parts: tuple[Callable[[Session, datetime], Iterator[GaugeMetricFamily]], ...] = (
            _issues,
            delivery_metrics.collect,
            _heartbeats,
            _backup,
            _alerts,
        )
        for part in parts:
            yield from part(self._session, self._now)
        yield from _machine(self._home)


def _issues(session: Session, now: datetime) -> Iterator[GaugeMetricFamily]:
    family = GaugeMetricFamily("digest_issues", "Issues by state", labels=("state",))
    rows = select(Issue.state, func.count()).group_by(Issue.state)
    found: dict[str, int] = {state: count for state, count in session.execute(rows)}  # noqa: C416  a row is no plain tuple for mypy
    for state in State:
        family.add_metric((state.value,), found.get(state.value, 0))
    yield family
    late = len(schedule.list_due(session, now))
    yield GaugeMetricFamily("digest_issues_due", "Issues whose time has come and that have not started", late)


def _heartbeats(session: Session, now: datetime) -> Iterator[GaugeMetricFamily]:
    pulses = heartbeats.read(session, now)
    words = "Seconds since a process, or a queue by the tasks taken from it, last showed that it works"
    ages = GaugeMetricFamily("digest_heartbeat_age_seconds", words, labels=("kind", "name"))
    for pulse in pulses:
        if not pulse.has_stopped:
            age = float("inf") if pulse.age is None else pulse.age.total_seconds()
            ages.add_metric((pulse.kind.value, pulse.name), age)
    yield ages
    running = GaugeMetricFamily("digest_processes", "Processes that report", labels=("kind",))
    for kind in _PROCESSES:
        running.add_metric((kind.value,), sum(pulse.kind is kind and not pulse.is_silent for pulse in pulses))
    yield running


def _backup(session: Session, now: datetime) -> Iterator[GaugeMetricFamily]:
    age = heartbeats.find_backup_age(session, now)
    if age is not None:  # otherwise the metric is absent, which a rule can tell from one that is old
        words = "Seconds since the last backup was finished"
        yield GaugeMetricFamily("digest_backup_age_seconds", words, age.total_seconds())


def _alerts(session: Session, _now: datetime) -> Iterator[GaugeMetricFamily]:
    family = GaugeMetricFamily("digest_alerts", "Open alerts of digest itself", labels=("alert",))
    for alert in alerts.list_open(session):
        family.add_metric((alert.key,), 1)
    yield family


def _machine(home: Path) -> Iterator[GaugeMetricFamily]:
    words = "Free space at the data directory of the web server that answers"
    yield GaugeMetricFamily("digest_home_free_bytes", words, shutil.disk_usage(home).free)
    build = GaugeMetricFamily("digest_build_info", "The running version", labels=("version",))
    build.add_metric((version("digest"),), 1)
    yield build
