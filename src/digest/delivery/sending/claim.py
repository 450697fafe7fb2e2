"""Claiming a batch: one conditional update gives it to one connection, for as long as that renews its lease.

No two clocks are compared: the holder measures its lease on its own `boot_time`, and the others see that it renews.
"""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from typing import Any, cast

from sqlalchemy import (
    ColumnElement,
    Select,
    String,
    Table,
    Update,
    bindparam,
    func,
    or_,
    select,
    text,
    update,
)
from sqlalchemy.orm import Session

from digest.db import Database, UtcDateTime, database_now, is_postgresql
from digest.delivery.ledger.models import Batch, FrozenIssue, WorkerRegistration
from digest.delivery.release import canary, hold
from digest.delivery.release.batches import OPEN_STATES
from digest.delivery.sending import worker_registry
from digest.editorial.models import Issue
from digest.installation import upgrading
from digest.installation.identity import is_held

LEASE = timedelta(seconds=30)
# The holder begins no mail this close to the end of its lease, so that the mail in flight can finish within it.
MARGIN_SECONDS = 8.0
SMALLEST_STEP = timedelta(microseconds=1)
_CLOCK = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
_ADVISORY_LOCK = 7_341_002  # PostgreSQL: claims run one at a time, so that the limit on connections holds

_MAY_CLAIM = "may claim"  # in a session's info


@dataclass
class Claim:
    """A claimed batch. `deadline` is on this machine's `boot_time` clock: no mail is begun after it."""

    batch_id: int
    issue_id: int
    fence: int
    size: int
    started_upto: int
    deadline: float
    lease_until: datetime  # as last written


def boot_time() -> float:
    """Seconds on a clock that nobody sets and that runs on while the machine sleeps."""
    return time.clock_gettime(_CLOCK)


def database_clock(db: Database) -> Callable[[], datetime]:
    """The database's clock, asked once and counted on from there: what is claimed by it ends everywhere at once."""
    with db.read() as session:
        asked_at, now = boot_time(), database_now(session)
    return lambda: now + timedelta(seconds=boot_time() - asked_at)


def claim(
    session: Session, *, holder: str, now: datetime, connections: int, account: str = ""
) -> Claim | None:
    """Claim the next due batch, unless `connections` batches are being sent already by all processes together.

    A process claims no more than its share while others are alive. `holder` begins with "home:process:". With an
    `account`, another part of the holder's name, only batches sent over that account count.

    Only batches of issues that are released, counted, not paused and not in backoff are due, and none during an
    upgrade of the database or on one of another version.
    """
    claimed_at, connection = boot_time(), session.connection()
    if not _begin_claims(session):
        return None
    process = worker_registry.worker_name(holder)
    in_use, own, others = connection.execute(
        _holder_counts_statement(of_account=bool(account)),
        {
            "account": f":{account}:",
            "process": process,
            "prefix": f"{process}:",
            "seen_after": now - worker_registry.STALE_AFTER,
        },
    ).one()
    if in_use >= connections or own >= math.ceil(connections / (1 + others)):
        return None
    lease = now + LEASE
    values = {"now": now, "by": holder, "lease": lease, "sent_over": worker_registry.account_key(holder)}
    claimed = connection.execute(_claim_statement(), values).one_or_none()
    if claimed is None:
        return None
    if claimed.started_at is None:
        connection.execute(_issue_start_statement(), {"issue": claimed.issue_id, "now": now})
    deadline = _claim_deadline(claimed_at)
    return Claim(
        claimed.id, claimed.issue_id, claimed.fence, claimed.size, claimed.started_upto, deadline, lease
    )


def _begin_claims(session: Session) -> bool:
    """Keep the claims of other processes out until the transaction ends, and upgrades; False during an upgrade.

    Once in a transaction, of which each session has one and which may hold several claims.
    """
    if _MAY_CLAIM not in session.info:
        if is_postgresql(session):
            session.connection().execute(
                text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _ADVISORY_LOCK}
            )
        session.info[_MAY_CLAIM] = upgrading.find_obstacle(session) is None
    return bool(session.info[_MAY_CLAIM])


def has_due_batch(session: Session, now: datetime) -> bool:
    """Whether `claim` would find a batch."""
    if upgrading.find_obstacle(session):
        return False
    return session.connection().execute(_due_issues_statement().limit(1), {"now": now}).scalar() is not None


def renew(session: Session, claim: Claim, now: datetime, *, started_upto: int | None = None) -> bool:
    """Renew the lease; with `started_upto`, also record up to which delivery mails may be handed over from now on.

    False when the batch is no longer ours or, with `started_upto`, its issue was stopped: nothing new may be begun.
    """
    renewed_at = boot_time()
    # Always a new value, even if the clock is set back: a change is how the others see that we are alive.
    claim.lease_until = max(now + LEASE, claim.lease_until + SMALLEST_STEP)
    parameters: dict[str, object] = {
        "batch": claim.batch_id,
        "held_fence": claim.fence,
        "lease": claim.lease_until,
    }
    if started_upto is not None:
        parameters |= {"from": started_upto, "issue": claim.issue_id}
    renewed = (
        session.connection().execute(_renewal_statement(begins=started_upto is not None), parameters).scalar()
    )
    if renewed is None:
        return False
    claim.deadline = _claim_deadline(renewed_at)
    claim.started_upto = claim.started_upto if started_upto is None else started_upto
    return True


def renewed_within(claim: Claim, seconds: float) -> bool:
    """Whether the lease was renewed no longer than this ago."""
    return _claim_deadline(boot_time() - seconds) < claim.deadline


def release(session: Session, claim: Claim, now: datetime, *, started_upto: int) -> None:
    """Give the batch back: done if `started_upto` covers all of it, else for the next holder to go on from there."""
    done = started_upto >= claim.size
    values = {
        "holder": None,
        "lease_until": None,
        "started_upto": started_upto,
        "done_at": now if done else None,
    }
    released = update(_BATCH).where(Batch.id == claim.batch_id, Batch.fence == claim.fence).values(values)
    session.connection().execute(released)


_BATCH, _ISSUE = cast("Table", Batch.__table__), cast("Table", Issue.__table__)
_NOW: Any = bindparam("now", type_=UtcDateTime())


# Statements that run with every batch or group are built once: building one costs more than running it.


@cache
def _renewal_statement(*, begins: bool) -> Update:
    batch = _BATCH.c
    renewal = update(_BATCH).where(batch.id == bindparam("batch"), batch.fence == bindparam("held_fence"))
    renewal = renewal.values(lease_until=bindparam("lease", type_=UtcDateTime()))
    if begins:
        may_go_on = (
            select(Issue.id).where(Issue.id == bindparam("issue"), Issue.state.in_(OPEN_STATES)).exists()
        )
        renewal = renewal.where(may_go_on).values(started_upto=bindparam("from"))
    return renewal.returning(batch.id)


@cache
def _holder_counts_statement(*, of_account: bool) -> Select[int, int, int]:
    """How many batches are held, how many of them by this process, and how many other processes there are.

    A batch whose holder died counts until it is taken over: its connection to the relay may be open as long.
    """
    process, seen_after = bindparam("process", type_=String()), bindparam("seen_after", type_=UtcDateTime())
    others = (
        select(func.count())
        .where(WorkerRegistration.name != process, WorkerRegistration.seen_at > seen_after)
        .scalar_subquery()
    )
    own = func.count().filter(Batch.holder.startswith(bindparam("prefix", type_=String())))
    claimed_batches = select(func.count(), own, others).where(
        Batch.holder.is_not(None), Batch.done_at.is_(None)
    )
    return (
        claimed_batches.where(Batch.holder.contains(bindparam("account"))) if of_account else claimed_batches
    )


@cache
def _claim_statement() -> Update:
    issue = _due_issues_statement().order_by(Issue.release_at, Issue.id).limit(1).scalar_subquery()
    # The batches of one issue stand in an index in this order; those of several would be sorted by each claim.
    due = _due_batches_statement(issue).order_by(Batch.id).limit(1)
    due_id = due.with_for_update(skip_locked=True, of=Batch).scalar_subquery()
    claiming = update(_BATCH).where(Batch.id == due_id, Batch.holder.is_(None))
    lease = bindparam("lease", type_=UtcDateTime())
    claiming = claiming.values(
        holder=bindparam("by"), account=bindparam("sent_over"), fence=Batch.fence + 1, lease_until=lease
    )
    started_at = select(Issue.started_at).where(Issue.id == Batch.issue_id).scalar_subquery()
    return claiming.returning(
        Batch.id, Batch.issue_id, Batch.fence, Batch.size, Batch.started_upto, started_at.label("started_at")
    )


@cache
def _issue_start_statement() -> Update:
    return (
        update(_ISSUE)
        .where(Issue.id == bindparam("issue"), Issue.started_at.is_(None))
        .values(started_at=_NOW)
    )


@cache
def _due_issues_statement() -> Select[int]:
    """Issues with a batch that is due."""
    return (
        select(Issue.id)
        .where(Issue.state.in_(OPEN_STATES), hold.is_over(_NOW))
        .where(_due_batches_statement(_ISSUE.c.id).correlate(Issue).exists())
    )


def _due_batches_statement(issue_id: ColumnElement[int]) -> Select[int]:
    """Batches of an issue that are due, if the issue is released.

    Every batch is due when it is created, also one of retries. Its `due_at` says since when, and is not compared with
    the time: a clock that is set back would hold it up.
    """
    return (
        select(Batch.id)
        .join(FrozenIssue, FrozenIssue.issue_id == Batch.issue_id)
        .where(Batch.issue_id == issue_id, FrozenIssue.audience_done_at.is_not(None))
        .where(Batch.done_at.is_(None), Batch.holder.is_(None))
        .where(canary.is_released(), ~is_held())
        .where(or_(FrozenIssue.backoff_until.is_(None), FrozenIssue.backoff_until <= _NOW))
    )


def _claim_deadline(claimed_at: float) -> float:
    return claimed_at + LEASE.total_seconds() - MARGIN_SECONDS
