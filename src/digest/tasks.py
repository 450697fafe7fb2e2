"""The periodic tasks. Each of them asks the database what is due.

A task may run twice or not at all: work is claimed in the database, and the schedule repeats.
"""

import functools
import logging
import threading
import time
from collections.abc import Callable
from typing import Any

from celery.signals import worker_shutting_down
from sqlalchemy.orm import Session

from digest.beat_schedule import queue_of
from digest.committed_log import log_when_committed
from digest.db import database_now, utcnow
from digest.delivery.letters import delivery, notices, reminders, subscriber_imports
from digest.delivery.relays.accounts import count_connections
from digest.delivery.release import freeze, partitioning, restored, retention_steps, stalled
from digest.delivery.release.pausing import pausing_on_failure
from digest.delivery.sending import recovery
from digest.delivery.sending.claim import database_clock
from digest.delivery.sending.reconciliation import reconcile_issues
from digest.delivery.sending.worker import send_due_batches
from digest.editorial import issues
from digest.editorial.calendar import schedule
from digest.editorial.checks import external_check_worker
from digest.editorial.checks.external_check_queue import MailSetup
from digest.editorial.drafts import drafting
from digest.editorial.models import State
from digest.embedded.log_throttle import LogThrottle
from digest.errors import OtherVersion
from digest.installation import upgrading
from digest.monitoring.scheduled_backups import make_due_backup
from digest.process_monitor import QueueReporter
from digest.services import current_services

LOG = logging.getLogger(__name__)
RUN_SECONDS = 8.0  # a task stops after this long and another continues, so that a deploy waits no longer
GAP_SECONDS = 0.02  # between two steps of a long task


def drafts() -> None:
    """Create the drafts that are due, and send editors notices and reminders."""
    with current_services().db.read() as session:
        due = drafting.list_publications_due(session, utcnow())
    for publication_id in due:
        with upgrading.begin(current_services().db) as session:
            if drafted := drafting.draft_due_issue(session, publication_id, utcnow()):
                notices.notify_drafted(session, publication_id, drafted, utcnow())
    with upgrading.begin(current_services().db) as session:
        reminders.send_reminders(session, utcnow())


def calendar() -> None:
    """Freeze the issues that are due, and pause those that missed their send time."""
    if _may_send():
        for issue_id in _list_due():
            _freeze(issue_id)
        audience()


def audience() -> None:
    """Write the audience of frozen issues, one transaction per step; sending starts when it is complete."""
    with current_services().db.read() as session:
        unfinished = freeze.list_unfinished(session)
    if any([_write_audience(issue_id) for issue_id in unfinished]):  # noqa: C419  a list: every issue must be written
        current_services().enqueue_soon("send")


def reconcile() -> None:
    """Recover batches of dead workers, check refusals, queue due retries and complete finished issues."""
    with upgrading.begin(current_services().db) as session:
        recovery.recover_batches(session, current_services().home, database_now(session))
    connections, clock = count_connections(current_services().relay), database_clock(current_services().db)
    for issue_id in reconcile_issues(current_services().db, clock(), _run_in_steps, connections=connections):
        LOG.info("issue sent", extra={"issue": issue_id})
    with upgrading.begin(current_services().db) as session:
        stalled.notify_stalled(session, database_now(session))


def send() -> None:
    """Send due batches over the relay's connections; one run at a time per process."""
    if _may_send() and _sending.acquire(blocking=False):
        try:
            next_task = _send_batches()
        finally:
            _sending.release()
        if next_task:
            current_services().enqueue_soon(next_task)


def letters_() -> None:
    """Send due letters; when the relay accepted some, look for more at once."""
    if _may_send() and _send_letters():
        current_services().enqueue_soon("letters")


def checks() -> None:
    """Check links, sender and spam score of upcoming issues; one run at a time per process."""
    if _checking.acquire(blocking=False):
        try:
            has_more = _run_checks()
        finally:
            _checking.release()
        if has_more:
            current_services().enqueue_soon("checks")


def partitions() -> None:
    """On PostgreSQL, create the partitions of coming issues, so that no freeze has to wait for a lock."""
    _run_in_steps(partitioning.prepare_next)


def imports() -> None:
    """Import uploaded files of subscribers, and undo imports, one transaction per step."""
    services = current_services()
    subscriber_imports.run_due_imports(services.db, services.signer, _run_in_steps)


def retention_people() -> None:
    """Delete unconfirmed sign-ups, remains of erased subscribers, and consent traces older than a year."""
    with upgrading.begin(current_services().db) as session:
        # The database's clock: what one worker's deletes that is years ahead is lost.
        deleted, traces = retention_steps.delete_expired(session, database_now(session))
    if deleted or traces:
        LOG.info("expired data deleted", extra={"subscribers": deleted, "traces": traces})


def retention_rows() -> None:
    """Delete rows and mails that are older than their retention periods; continue at once when time runs out."""
    services = current_services()
    now = database_clock(services.db)()
    retention_steps.clear_mailbox(services.home / "mailbox", services.retention, now)
    if not all(map(_run_in_steps, retention_steps.list_steps(services.retention, now))):
        services.enqueue_soon("retention_rows")


def backup() -> None:
    """Make the backup that is due. A copy makes none: it could crowd out those of the original."""
    services = current_services()
    if (plan := services.backup_plan) is not None and _may_send():
        make_due_backup(
            services.db,
            services.home,
            plan,
            passphrase=services.backup_passphrase,
            now=utcnow(),
            stopping=_stopping.is_set,
        )


TASKS = (
    drafts,
    calendar,
    audience,
    reconcile,
    send,
    letters_,
    imports,
    checks,
    partitions,
    retention_people,
    retention_rows,
    backup,
)

_sending = threading.Lock()
_checking = threading.Lock()
_stopping = threading.Event()


def register(app: Any) -> None:
    """Register every task with a Celery app under its name."""
    worker_shutting_down.connect(_stop, weak=False)
    throttle, queues = LogThrottle(), QueueReporter(lambda: current_services().db)
    for task in TASKS:
        name = task.__name__.rstrip("_")
        # A worker that may do nothing reports no queue: it would look as if work were done.
        app.task(throttle.wrap(name, _if_ready(queues.wrap(queue_of(name), task))), name=f"digest.{name}")


def _if_ready(task: Callable[[], None]) -> Callable[[], None]:
    """Wrap a task so that it is not run on a database that is being upgraded, or of another version."""

    @functools.wraps(task)
    def run() -> None:
        if obstacle := upgrading.find_obstacle_in(current_services().db):
            raise OtherVersion(obstacle)
        task()

    return run


def _stop(**_: Any) -> None:
    """Finish and record the message in progress on each connection; start nothing new."""
    _stopping.set()


def _list_due() -> list[int]:
    """The issues that are due; those that missed their send time are paused instead."""
    with upgrading.begin(current_services().db) as session:
        now = database_now(session)  # one clock for all workers: that of one could be an hour off
        for issue in schedule.pause_missed(session, now):
            notices.notify_not_sent(session, issue, now)
            log_when_committed(session, LOG, logging.WARNING, "issue missed its send time", issue=issue.id)
        return schedule.list_due(session, now)


def _may_send() -> bool:
    """Whether this database is neither a copy nor restored, or a person has said what went out since."""
    return restored.may_send(current_services().db, current_services().home, utcnow())


def _send_batches() -> str:
    """Send for a while; return the task that should follow at once, or an empty string."""
    services = current_services()
    result = send_due_batches(
        services.db,
        signer=services.signer,
        relay=services.relay,
        home=services.home,
        retry_delay=services.retry_delay,
        limits=services.limits,
        seconds=RUN_SECONDS,
        stopping=_stopping.is_set,
        clock=database_clock(services.db),  # as for the freeze, or a hold ends early where a clock is ahead
    )
    if result.ended:
        LOG.info("messages sent", extra=dict(result.ended))
    return "send" if result.more else "reconcile" if result.ended else ""


def _send_letters() -> int:
    services = current_services()
    return delivery.send_due_letters(
        services.db,
        signer=services.signer,
        relay=services.relay,
        base_url=services.base_url,
        home=services.home,
        retry_delay=services.retry_delay,
        limits=services.limits,
        stopping=_stopping.is_set,
        clock=database_clock(services.db),
    )


def _run_checks() -> bool:
    services = current_services()
    mail_setup = MailSetup(services.relay.host, services.dkim_selectors)
    return external_check_worker.run_due_checks(
        services.db, base_url=services.base_url, mail_setup=mail_setup, is_stopping=_stopping.is_set
    )


def _freeze(issue_id: int) -> None:
    services = current_services()
    with pausing_on_failure(services.db, issue_id, State.SCHEDULED):
        with upgrading.begin(services.db) as session:
            issue = issues.get_by_id(session, issue_id)
            now = database_now(session)
            freeze.freeze(session, issue, signer=services.signer, base_url=services.base_url, now=now)
        LOG.info("issue frozen", extra={"issue": issue_id})


def _write_audience(issue_id: int) -> bool:
    """Continue writing one issue's audience; True when it is complete."""
    services = current_services()
    connections, clock = count_connections(services.relay), database_clock(services.db)
    with pausing_on_failure(services.db, issue_id, State.SENDING):
        return _run_in_steps(
            lambda session: freeze.write_next_audience(session, issue_id, clock(), connections=connections)
        )
    return False


def _run_in_steps(step: Callable[[Session], bool]) -> bool:
    """Call `step` in one transaction after another until it returns True; False when time runs out first.

    False, too, when an upgrade of the database begins: another run goes on after it.
    """
    deadline = time.monotonic() + RUN_SECONDS
    while not _stopping.is_set() and time.monotonic() < deadline:
        try:
            with upgrading.begin(current_services().db) as session:
                done = step(session)
        except OtherVersion:
            return False
        if done:
            return True
        # Other writers poll for SQLite's lock; without a gap one of them could wait for all steps.
        _stopping.wait(GAP_SECONDS)
    return False
