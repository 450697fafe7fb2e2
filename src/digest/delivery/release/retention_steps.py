"""Which rows are deleted when, as steps that a task repeats until they return True, each time in a transaction."""

from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path

from sqlalchemy.orm import Session

from digest.access import audit_log
from digest.audience import consent, erase
from digest.audience.importing import uploads
from digest.delivery.ledger import stored_logs
from digest.delivery.ledger.retention import delete_letters, purge_erased, purge_replies
from digest.delivery.ledger.retention_periods import Retention
from digest.delivery.release import retention
from digest.editorial.checks import external_check_queue
from digest.embedded.maildir import Maildir
from digest.tracking.retention import delete_clicks, delete_user_agents

Step = Callable[[Session], bool]


def list_steps(kept: Retention, now: datetime) -> Iterator[Step]:
    """A step for each kind of row that is not kept forever. Totals come before what they count is deleted."""
    if kept.replies is not None:
        replies_before = now - kept.replies
        yield lambda session: purge_replies(session, replies_before, now)
        yield lambda session: delete_user_agents(session, replies_before)
    if kept.deliveries is not None:
        deliveries_before = now - kept.deliveries
        yield lambda session: retention.total_next(session, deliveries_before, now)
        yield lambda session: retention.drop_next_partition(session, now)
        yield lambda session: retention.delete_deliveries(session, now)
    if kept.emails is not None:
        emails_before = now - kept.emails
        yield lambda session: retention.delete_emails(session, emails_before, now)
    if kept.clicks is not None:
        clicks_before = now - kept.clicks
        yield lambda session: delete_clicks(session, clicks_before, now)
    if kept.letters is not None:
        letters_before = now - kept.letters
        yield lambda session: delete_letters(session, letters_before)
    if kept.log is not None:
        log_before = now - kept.log
        yield lambda session: audit_log.delete_old(session, log_before)


def delete_expired(session: Session, now: datetime) -> tuple[int, int]:
    """Delete what is kept for the same time everywhere; returns how many subscribers and consent traces."""
    subscribers, traces = erase.purge(session, now), consent.delete_traces(session, now)
    for delete_old in (
        purge_erased,
        external_check_queue.delete_old,
        uploads.delete_old,
        stored_logs.delete_old,
    ):
        delete_old(session, now)
    return subscribers, traces


def clear_mailbox(path: Path, kept: Retention, now: datetime) -> None:
    """Delete old emails from the embedded mailbox, if there is one."""
    if kept.mailbox is not None and path.is_dir():
        Maildir(path).delete_before((now - kept.mailbox).timestamp())
