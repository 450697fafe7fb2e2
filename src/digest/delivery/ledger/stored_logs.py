"""What uploaded logs of the mail provider say, kept for the day in which somebody decides by them."""

from collections import Counter
from datetime import datetime, timedelta

from sqlalchemy import delete
from sqlalchemy.orm import Session

from digest.db import WITHOUT_SYNC
from digest.delivery.ledger.log_times import TimeSpan
from digest.delivery.ledger.logged_readers import LoggedReaders, SubscriberSet
from digest.delivery.ledger.models import Outcome, ProviderLog
from digest.errors import NotFound

KEPT_FOR = timedelta(days=1)
MAX_NAME_CHARS = 120


def store(
    session: Session, issue_id: int, log: LoggedReaders, *, name: str, user_id: int, now: datetime
) -> ProviderLog:
    """Keep whom a log called `name` names among the readers of an issue."""
    stored = ProviderLog(
        issue_id=issue_id,
        user_id=user_id,
        file_name=name[-MAX_NAME_CHARS:],
        by_message_id=log.by_message_id.to_bytes(),
        by_address=log.by_address.to_bytes(),
        has_message_ids=log.has_message_ids,
        accepted=log.outcomes[Outcome.ACCEPTED.value],
        refused=log.refused.to_bytes(),
        first_at=log.span.first,
        last_at=log.span.last,
        created_at=now,
    )
    session.add(stored)
    session.flush()
    return stored


def get(session: Session, issue_id: int, number: int) -> tuple[str, LoggedReaders]:
    """Return a log's name and whom it names. Raises NotFound for another issue's log, and after a day."""
    stored = session.get(ProviderLog, number)
    if stored is None or stored.issue_id != issue_id:
        raise NotFound("this log is no longer stored; upload it again")
    return stored.file_name, LoggedReaders(
        SubscriberSet.from_bytes(stored.by_message_id),
        SubscriberSet.from_bytes(stored.by_address),
        stored.has_message_ids,
        Counter({Outcome.ACCEPTED.value: stored.accepted}),
        SubscriberSet.from_bytes(stored.refused),
        TimeSpan(stored.first_at, stored.last_at),
    )


def delete_old(session: Session, now: datetime) -> None:
    """Delete what is older than a day. Run daily."""
    is_old = ProviderLog.created_at < now - KEPT_FOR
    session.execute(delete(ProviderLog).where(is_old), execution_options=WITHOUT_SYNC)
