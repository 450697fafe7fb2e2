"""Tells operators of each problem once when it appears and once when it is over, whichever process notices.

A row per problem makes sure of "once": the process that inserts or resolves it logs it, and leaves the webhook's
message in the same row. Delivering the message is a claim on the row, retried with growing waits.
"""

import logging
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import Select, delete, exists, or_, select, text, update
from sqlalchemy.orm import Session

from digest.committed_log import log_when_committed
from digest.db import WITHOUT_SYNC, is_postgresql, upsert
from digest.monitoring.ages import describe_age
from digest.monitoring.models import Alert, Heartbeat
from digest.monitoring.problems import Problem

LOG = logging.getLogger(__name__)
RETRY_DELAYS: Final = tuple(
    timedelta(seconds=seconds) for seconds in (15, 60, 300, 900, 3600, 3 * 3600)
)  # then it is given up: the log has it
CLAIMED_AT_ONCE: Final = 2  # a receiver that hangs must not delay the next heartbeat until we count as silent
_ADVISORY_LOCK: Final = 7_341_004
KEPT_FOR: Final = timedelta(days=30)  # after it was resolved


@dataclass(frozen=True)
class AlertMessage:
    """What the webhook is told of one alert. The id is the same each time it is tried."""

    id: str
    key: str
    attempt: int
    is_resolved: bool
    summary: str
    fix: str
    host: str
    opened_at: datetime
    resolved_at: datetime | None

    def as_json(self, base_url: str) -> Mapping[str, object]:
        """The body. `text` is what chat programs show (Slack, Mattermost); the rest is for machines."""
        lasted = describe_age((self.resolved_at or self.opened_at) - self.opened_at)
        mark = f"Resolved after {lasted}: " if self.is_resolved else ""
        remedy = "" if self.is_resolved else f" To fix it, {self.fix}."
        where = f" [{self.host}]" if self.host else ""
        return {
            "type": "alert.resolved" if self.is_resolved else "alert.opened",
            "timestamp": (self.resolved_at or self.opened_at).isoformat(),
            "text": f"digest at {base_url}{where}: {mark}{self.summary}{remedy}",
            "data": {
                "key": self.key,
                "summary": self.summary,
                "fix": self.fix,
                "host": self.host,
                "site": base_url,
                "opened_at": self.opened_at.isoformat(),
                "resolved_at": self.resolved_at.isoformat() if self.resolved_at else None,
            },
        }


def has_changed(session: Session, problems: Sequence[Problem], host: str) -> bool:
    """Whether `update_alerts` would change anything; it takes no lock."""
    return set(session.scalars(_open_alerts(host))) != {problem.key for problem in problems}


def list_open_keys(session: Session, prefix: str) -> list[str]:
    """The keys that begin like this, of problems of which operators were told, and not of their end."""
    rows = select(Alert.key).where(Alert.key.startswith(prefix, autoescape=True), Alert.resolved_at.is_(None))
    return list(session.scalars(rows))


def is_any_due(session: Session, now: datetime) -> bool:
    """Whether the webhook should be told something now; it takes no lock."""
    return session.scalar(select(Alert.key).where(Alert.webhook_due_at <= now).limit(1)) is not None


def update_alerts(
    session: Session, problems: Sequence[Problem], host: str, now: datetime, *, has_webhook: bool
) -> None:
    """Open an alert for each new problem, and resolve those that are over.

    Of the whole service, of this host, and of hosts that are gone: a container that is replaced gets a new name.
    """
    if is_postgresql(session):  # one process at a time: each touches several rows, in an order of its own
        session.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _ADVISORY_LOCK})
    due = now if has_webhook else None
    for problem in problems:
        if _open_alert(session, problem, now, due):
            fields = {"alert": problem.key, "summary": problem.summary, "fix": problem.fix}
            log_when_committed(session, LOG, logging.ERROR, "alert opened", **fields)
    over = set(session.scalars(_open_alerts(host))) - {problem.key for problem in problems}
    for key, summary in _resolve(session, over, now, due):
        log_when_committed(session, LOG, logging.WARNING, "alert resolved", alert=key, summary=summary)
    session.execute(delete(Alert).where(Alert.resolved_at < now - KEPT_FOR), execution_options=WITHOUT_SYNC)


def list_open(session: Session) -> list[Alert]:
    """The alerts that are not resolved, the oldest first."""
    return list(session.scalars(select(Alert).where(Alert.resolved_at.is_(None)).order_by(Alert.opened_at)))


def claim_due(session: Session, now: datetime) -> list[AlertMessage]:
    """Claim the messages that the webhook should get now; each is due again after a wait unless it is delivered."""
    rows = session.scalars(
        select(Alert)
        .where(Alert.webhook_due_at <= now)
        .order_by(Alert.webhook_due_at)
        .limit(CLAIMED_AT_ONCE)
        .with_for_update(skip_locked=True)
    ).all()
    for row in rows:
        row.webhook_attempts += 1
        row.webhook_due_at = now + RETRY_DELAYS[min(row.webhook_attempts, len(RETRY_DELAYS)) - 1]
    return [_message(row) for row in rows]


def record_delivered(session: Session, message: AlertMessage) -> None:
    """The webhook took a message. What happened since then is still to be told."""
    _end_delivery(session, message)


def record_failed(session: Session, message: AlertMessage, why: str) -> None:
    """The webhook did not take a message; after the last attempt it is given up."""
    is_last = message.attempt > len(RETRY_DELAYS)
    log_when_committed(
        session,
        LOG,
        logging.ERROR,
        "alert webhook failed",
        alert=message.key,
        attempt=message.attempt,
        error=why,
        gave_up=is_last,
    )
    if is_last:
        _end_delivery(session, message)


def _end_delivery(session: Session, message: AlertMessage) -> None:
    same = Alert.resolved_at.is_not(None) if message.is_resolved else Alert.resolved_at.is_(None)
    row = update(Alert).where(Alert.key == message.key, Alert.opened_at == message.opened_at, same)
    session.execute(row.values(webhook_due_at=None), execution_options=WITHOUT_SYNC)


def _open_alert(session: Session, problem: Problem, now: datetime, due: datetime | None) -> bool:
    """Whether this call opened it: the row did not exist, or was resolved."""
    opened = {
        "host": problem.host,
        "summary": problem.summary,
        "fix": problem.fix,
        "opened_at": now,
        "resolved_at": None,
        "webhook_due_at": due,
        "webhook_attempts": 0,
    }
    row = upsert(session, Alert).values(key=problem.key, **opened)
    row = row.on_conflict_do_update(index_elements=["key"], set_=opened, where=Alert.resolved_at.is_not(None))
    return session.scalar(row.returning(Alert.key)) is not None


def _resolve(
    session: Session, keys: Collection[str], now: datetime, due: datetime | None
) -> list[tuple[str, str]]:
    rows = update(Alert).where(Alert.key.in_(keys), Alert.resolved_at.is_(None))
    rows = rows.values(resolved_at=now, webhook_due_at=due, webhook_attempts=0)
    done = session.execute(rows.returning(Alert.key, Alert.summary), execution_options=WITHOUT_SYNC)
    return [(key, summary) for key, summary in done]


def _open_alerts(host: str) -> Select[str]:
    """Those that this host can tell to be over."""
    reports = exists().where(Heartbeat.name.like(Alert.host.concat(":%")))
    is_ours = or_(Alert.host == "", Alert.host == host, ~reports)
    return select(Alert.key).where(Alert.resolved_at.is_(None), is_ours)


def _message(row: Alert) -> AlertMessage:
    is_resolved = row.resolved_at is not None
    change = "resolved" if is_resolved else "opened"
    return AlertMessage(
        id=f"alert_{row.key.replace(':', '_')}_{row.opened_at:%Y%m%dT%H%M%S%f}_{change}",
        key=row.key,
        attempt=row.webhook_attempts,
        is_resolved=is_resolved,
        summary=row.summary,
        fix=row.fix,
        host=row.host,
        opened_at=row.opened_at,
        resolved_at=row.resolved_at,
    )
