"""Runs beside a process's work: reports that it lives, and raises alerts, so that whichever process is left speaks.

Every web server, worker and scheduler has one. The database makes sure that an alert is raised once.
"""

import atexit
import functools
import logging
import os
import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as NoConnection

from digest.db import Database, database_now, utcnow
from digest.errors import OtherVersion, Unavailable
from digest.installation import upgrading
from digest.monitoring import alerts, heartbeats, problems
from digest.monitoring.clock import find_clock_problem
from digest.monitoring.disk import disk_prefix, find_disk_problems
from digest.monitoring.heartbeats import Kind
from digest.monitoring.outage import DatabaseOutage
from digest.services import Services

LOG = logging.getLogger(__name__)
PATIENCE: Final = timedelta(minutes=2)  # until an alert: a deploy takes less
LOCK_SECONDS: Final = 10.0  # a worker that sends holds SQLite's lock for moments
STOP_SECONDS: Final = 1.0  # a process that ends waits no longer for the database
_OUTAGES: Final = (DBAPIError, NoConnection)
HOST: Final = socket.gethostname()[:60]


class ProcessMonitor:
    """Reports one process, and looks for problems, every 15 seconds on a thread of its own."""

    def __init__(
        self,
        services: Callable[[], Services],
        kind: Kind,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`kind`: what this process is; `clock` counts how long it has run."""
        self._services, self._kind, self._clock = services, kind, clock
        self._began = clock()
        self._started_at: datetime | None = None
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self._pid = 0
        self._outage = DatabaseOutage(HOST)

    def start(self) -> None:
        """Begin, unless this process has begun already; a forked child begins anew."""
        if self._pid != os.getpid():
            self._pid, self._began, self._started_at = os.getpid(), self._clock(), None
            self._thread = threading.Thread(target=self._run, name="monitor", daemon=True)
            self._thread.start()
            atexit.register(self.stop)

    def stop(self) -> None:
        """End, and say that the process ended as asked."""
        self._stopping.set()
        if self._started_at is not None:
            with suppress(*_OUTAGES, OtherVersion), self._services().db.begin(STOP_SECONDS) as session:
                heartbeats.record_stop(session, self._kind, self.name, database_now(session))

    @property
    def name(self) -> str:
        """Which process of its kind this is."""
        return f"{HOST}:{os.getpid()}"

    def run_once(self) -> None:
        """Report, open and resolve alerts, and deliver what the webhook has not been told."""
        services = self._services()
        try:
            _require_version(services.db)
            self._report(services.db)
            self._update_alerts(services)
            _deliver(services)
        except OtherVersion as error:
            LOG.warning("nothing reported", extra={"reason": str(error)})
        except (*_OUTAGES, OSError) as error:
            if _is_upgrading(services.db):  # on SQLite nobody else can write meanwhile
                return
            self._outage.record_failure(error, self._clock(), services.alert_webhook, services.base_url)
        else:
            self._outage.record_success(services.alert_webhook, services.base_url)

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                self.run_once()
            except Exception:  # whatever it is, the next round may go well, and the process has other work
                LOG.exception("monitoring failed")
            self._stopping.wait(heartbeats.INTERVAL.total_seconds())

    def _report(self, db: Database) -> None:
        if self._stopping.is_set():
            return
        with db.begin(LOCK_SECONDS) as session:
            now = database_now(session)
            self._started_at = self._started_at or now
            heartbeats.record(session, self._kind, self.name, now, self._started_at)

    def _update_alerts(self, services: Services) -> None:
        """Compare what is wrong with what was said. A process that has just started cannot tell yet who is silent."""
        if self._clock() - self._began < PATIENCE.total_seconds():
            return
        with services.db.read() as session:
            now, known = database_now(session), alerts.list_open_keys(session, disk_prefix(HOST))
            found = problems.find_problems(session, now, patience=PATIENCE)
            found += find_disk_problems(services.home, HOST, known)
            clock = find_clock_problem(utcnow(), now, HOST)
            found += [clock] if clock else []
            if not alerts.has_changed(session, found, HOST):
                return
        with services.db.begin(LOCK_SECONDS) as session:
            has_webhook = services.alert_webhook is not None
            alerts.update_alerts(session, found, HOST, database_now(session), has_webhook=has_webhook)


class QueueReporter:
    """Reports that a worker takes tasks from the queues, for each queue at most every 15 seconds."""

    def __init__(self, db: Callable[[], Database], clock: Callable[[], float] = time.monotonic) -> None:
        self._db, self._clock = db, clock
        self._next: dict[str, float] = {}  # queue -> when it is reported again

    def wrap(self, queue: str, task: Callable[[], None]) -> Callable[[], None]:
        """Wrap a task so that it reports its queue when it is run."""

        @functools.wraps(task)
        def run() -> None:
            self.report(queue)
            task()

        return run

    def report(self, queue: str) -> None:
        """A task came from this queue. Never raises: the task itself will meet the same trouble, and say so."""
        if self._clock() < self._next.get(queue, 0.0):
            return
        self._next[queue] = self._clock() + heartbeats.INTERVAL.total_seconds()
        with suppress(*_OUTAGES), self._db().begin(LOCK_SECONDS) as session:
            heartbeats.record(session, Kind.QUEUE, queue, database_now(session))


def monitor_celery(services: Callable[[], Services]) -> None:
    """Have a Celery worker and scheduler of this process report from their start, even while the broker is away."""
    from celery.signals import beat_init, worker_init

    for signal, kind in ((worker_init, Kind.WORKER), (beat_init, Kind.BEAT)):
        signal.connect(
            functools.partial(_start_monitor, services, kind), weak=False, dispatch_uid=f"digest {kind}"
        )


def _start_monitor(services: Callable[[], Services], kind: Kind, **_: object) -> None:
    ProcessMonitor(services, kind).start()


def _require_version(db: Database) -> None:
    if obstacle := upgrading.find_write_obstacle_in(db):
        raise OtherVersion(obstacle)


def _is_upgrading(db: Database) -> bool:
    with suppress(*_OUTAGES):
        return upgrading.find_obstacle_in(db) is not None
    return False


def _deliver(services: Services) -> None:
    webhook = services.alert_webhook
    if webhook is None:
        return
    with services.db.read() as session:
        if not alerts.is_any_due(session, database_now(session)):
            return
    with services.db.begin(LOCK_SECONDS) as session:
        messages = alerts.claim_due(session, database_now(session))
    for message in messages:  # outside the transaction: the receiver may be slow
        try:
            webhook.post(message.id, message.as_json(services.base_url))
        except Unavailable as error:
            _record(services.db, alerts.record_failed, message, str(error))
        else:
            _record(services.db, alerts.record_delivered, message)


def _record(db: Database, write: Callable[..., None], *arguments: object) -> None:
    with db.begin(LOCK_SECONDS) as session:
        write(session, *arguments)
