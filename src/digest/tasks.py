"""The door for the clock: the schedule on top, tasks of a few lines below. Each asks the database what is due.

A task may run twice or not at all: what it works on is claimed in the database, and the clock comes again.
"""

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from celery.signals import worker_shutting_down
from sqlalchemy.exc import InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as NoConnection
from sqlalchemy.orm import Session

from digest.audience import consent, erase
from digest.db import utcnow
from digest.delivery.ledger import retention
from digest.delivery.letters import delivery, notices, reminders
from digest.delivery.release import batches, completion, freeze, stalled
from digest.delivery.release.refusals import pause_unsendable
from digest.delivery.sending import recovery
from digest.delivery.sending.due import caution
from digest.delivery.sending.worker import send_due_batches
from digest.editorial import issues
from digest.editorial.calendar import schedule
from digest.editorial.checks import external_check_queue, external_check_worker
from digest.editorial.checks.external_check_queue import MailSetup
from digest.editorial.drafts import drafting
from digest.editorial.models import State
from digest.embedded.log_throttle import LogThrottle
from digest.errors import DigestError
from digest.services import current_services
from digest.tracking import forget as visits

LOG = logging.getLogger(__name__)
RUN_SECONDS = 8.0  # after so long a task ends and another goes on: a deploy waits no longer
GAP_SECONDS = 0.02  # between two steps of a long work
EVERY = {
    "calendar": 5,
    "audience": 5,
    "settle": 5,
    "send": 5,
    "letters": 5,
    "checks": 10,
    "drafts": 60,
    "purge": 3600,
    "expire": 3600,
}

# A nudge that nobody took until the next one came is worth nothing.
SCHEDULE = {
    name: {"task": f"digest.{name}", "schedule": float(seconds), "options": {"expires": seconds}}
    for name, seconds in EVERY.items()
}
# A confirmation never waits behind an issue.
ROUTES = {"digest.letters": {"queue": "letters"}, "digest.send": {"queue": "send"}}


def drafts() -> None:
    """Make the drafts that are due, and tell the editors, also of what waits for them."""
    with current_services().db.read() as session:
        due = drafting.list_publications_due(session, utcnow())
    for publication_id in due:
        with current_services().db.begin() as session:
            if drafted := drafting.draft_due_issue(session, publication_id, utcnow()):
                notices.notify_drafted(session, publication_id, drafted, utcnow())
    with current_services().db.begin() as session:
        reminders.send_reminders(session, utcnow())


def calendar() -> None:
    """Freeze the issues whose hour has come, and pause those whose hour was missed."""
    with current_services().db.begin() as session:
        for issue in schedule.pause_missed(session, utcnow()):
            notices.notify_not_sent(session, issue, utcnow())
            LOG.warning("issue missed its hour", extra={"issue": issue.id})
        due = schedule.list_due(session, utcnow())
    for issue_id in due:
        _freeze(issue_id)
    audience()


def audience() -> None:
    """Write down who is to get what, a transaction per step; when all are, sending may begin."""
    with current_services().db.read() as session:
        unfinished = freeze.list_unfinished(session)
    if any([_written_down(issue_id) for issue_id in unfinished]):  # noqa: C419  each of them, whatever the first one says
        current_services().enqueue_soon("send")


def reconcile() -> None:
    """Take over from dead workers, look at refusals, let those go on whose wait is over, end what is done."""
    with current_services().db.begin() as session:
        recovery.recover_batches(session, current_services().home, utcnow())
        delivery.mark_abandoned_unknown(session, utcnow())
        caution(session, utcnow())
    _in_steps(lambda session: not batches.batch_retries(session, utcnow()))
    with current_services().db.begin() as session:
        for issue_id in completion.finish_issues(session, utcnow()):
            LOG.info("issue sent", extra={"issue": issue_id})
        stalled.notify_stalled(session, utcnow())


def send() -> None:
    """Send what is due over the relay's connections; one run at a time in each process."""
    if _sending.acquire(blocking=False):
        try:
            then = _work()
        finally:
            _sending.release()
        if then:
            current_services().enqueue_soon(then)


def letters_() -> None:
    """Send letters that are due; when the relay took some, look for more at once."""
    if _letters():
        current_services().enqueue_soon("letters")


def checks() -> None:
    """Look at the links, the sender and the spam score of what may go out next; one run at a time in each process."""
    if _looking.acquire(blocking=False):
        try:
            more = _look()
        finally:
            _looking.release()
        if more:
            current_services().enqueue_soon("checks")


def retention_people() -> None:
    """Forget sign-ups that nobody confirmed, what is left of the erased, and traces that are a year old."""
    with current_services().db.begin() as session:
        forgotten = erase.purge(session, utcnow())
        retention.purge_erased(session, utcnow())
        traces = consent.forget_traces(session, utcnow())
        external_check_queue.delete_old(session, utcnow())
    if forgotten or traces:
        LOG.info("forgotten", extra={"subscribers": forgotten, "traces": traces})


def retention_replies() -> None:
    """Forget the relay's words and the browsers' names of what is older than they are kept."""
    here = current_services()
    if here.reply_retention is not None:
        before = utcnow() - here.reply_retention
        _in_steps(lambda session: retention.purge_replies(session, before, utcnow()))
        _in_steps(lambda session: visits.agents(session, before))


TASKS = (drafts, calendar, audience, reconcile, send, letters_, checks, retention_people, retention_replies)

_sending = threading.Lock()
_looking = threading.Lock()
_stopping = threading.Event()


def register(app: Any) -> None:
    """Make every task known to a Celery app, by its name."""
    worker_shutting_down.connect(_stop, weak=False)
    complaints = LogThrottle()
    for task in TASKS:
        name = task.__name__.rstrip("_")
        app.task(complaints.wrap(name, task), name=f"digest.{name}")


def _stop(**_: Any) -> None:
    """The mail in flight on each connection is finished and written down; nothing new is begun."""
    _stopping.set()


def _work() -> str:
    """Send for a while; gives the task that should follow at once, if any."""
    here = current_services()
    worked = send_due_batches(
        here.db,
        signer=here.signer,
        relay=here.relay,
        home=here.home,
        retry_delay=here.retry_delay,
        limits=here.limits,
        seconds=RUN_SECONDS,
        stopping=_stopping.is_set,
    )
    if worked.ended:
        LOG.info("sent", extra=dict(worked.ended))
    return "send" if worked.more else "settle" if worked.ended else ""


def _letters() -> int:
    here = current_services()
    return delivery.send_due_letters(
        here.db,
        signer=here.signer,
        relay=here.relay,
        base_url=here.base_url,
        retry_delay=here.retry_delay,
        limits=here.limits,
        stopping=_stopping.is_set,
    )


def _look() -> bool:
    here = current_services()
    outside = MailSetup(here.relay.host, here.dkim_selectors)
    return external_check_worker.run_due_checks(
        here.db, base_url=here.base_url, mail_setup=outside, is_stopping=_stopping.is_set
    )


def _freeze(issue_id: int) -> None:
    here = current_services()
    with _pausing_what_is_unfit(issue_id, State.SCHEDULED):
        with here.db.begin() as session:
            issue = issues.get_by_id(session, issue_id)
            freeze.freeze(session, issue, signer=here.signer, base_url=here.base_url, now=utcnow())
        LOG.info("issue frozen", extra={"issue": issue_id})


def _written_down(issue_id: int) -> bool:
    """Go on with one issue's audience; True when it is counted."""
    with _pausing_what_is_unfit(issue_id, State.SENDING):
        return _in_steps(lambda session: freeze.write_next_audience(session, issue_id, utcnow()))
    return False


@contextmanager
def _pausing_what_is_unfit(issue_id: int, was: State) -> Iterator[None]:
    """An issue that cannot go on is paused and told: else it would be tried every five seconds. No other one waits."""
    try:
        yield
    except (OperationalError, InterfaceError, NoConnection):  # the database's trouble is no issue's fault
        raise
    except Exception as error:  # whatever it is, it is about this one issue
        known = isinstance(error, (DigestError, ValueError, LookupError))
        fault = f"an unforeseen fault ({type(error).__name__}) keeps it back; the log says more"
        why = str(error) if known else fault
        LOG.warning("issue is unfit", extra={"issue": issue_id, "error": why}, exc_info=not known)
        with current_services().db.begin() as session:
            pause_unsendable(session, issue_id, was, why, utcnow())


def _in_steps(step: Callable[[Session], bool]) -> bool:
    """Call `step`, each time in a transaction, until it says that all is done; False when time is up before."""
    until = time.monotonic() + RUN_SECONDS
    while not _stopping.is_set() and time.monotonic() < until:
        with current_services().db.begin() as session:
            done = step(session)
        if done:
            return True
        # Others wait for SQLite's lock by looking now and then; without a gap one of them waits for all the steps.
        _stopping.wait(GAP_SECONDS)
    return False
