"""Claiming a batch: one conditional update gives it to one connection, for as long as it renews its lease.

No two clocks are compared for that: the holder counts its lease on its own `moment`, the others see that it renews.
"""

import math
import time
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from typing import Any, cast

from sqlalchemy import Select, String, Table, Update, bindparam, func, or_, select, text, update
from sqlalchemy.orm import Session

from digest.db import UtcDateTime, on_postgres
from digest.delivery.ledger.models import Batch, FrozenIssue, Sender
from digest.delivery.release import canary
from digest.delivery.release.batches import OPEN
from digest.delivery.sending import worker_registry
from digest.editorial.models import Issue

LEASE = timedelta(seconds=30)
# The holder stops this much before its lease ends: the mail that it has begun by then must be over, too.
MARGIN = 8.0
TICK = timedelta(microseconds=1)
_CLOCK = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
_LOCK = 7_341_002  # PostgreSQL: claims wait for each other, so that the limit on connections holds


@dataclass
class Claim:
    """A batch in hand. `until` is on this machine's `moment` clock: no mail is begun after it."""

    batch_id: int
    issue_id: int
    fence: int
    size: int
    started: int
    until: float
    lease: datetime  # as it was written last


def moment() -> float:
    """Seconds on a clock that nobody sets and that goes on while the machine sleeps."""
    return time.clock_gettime(_CLOCK)


def claim(
    session: Session, *, holder: str, now: datetime, connections: int, account: str = ""
) -> Claim | None:
    """Take the next batch that is due, unless `connections` of them are being sent already by anybody.

    A process takes no more than its part of them, while others are there. `holder` begins with "home:process:". With an
    `account`, another part of the holder's name, only those that are sent over it count.

    Only batches of issues that are released, counted and neither paused nor told by the relay to wait.
    """
    taken_at, connection = moment(), session.connection()
    if on_postgres(session):
        connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
    process = worker_registry.of(holder)
    held, own, others = connection.execute(
        _live(of_account=bool(account)),
        {
            "account": f":{account}:",
            "process": process,
            "ours": f"{process}:",
            "heard": now - worker_registry.PAST,
        },
    ).one()
    if held >= connections or own >= math.ceil(connections / (1 + others)):
        return None
    lease = now + LEASE
    taken = connection.execute(_taken(), {"now": now, "by": holder, "lease": lease}).one_or_none()
    if taken is None:
        return None
    connection.execute(_begun(), {"issue": taken.issue_id, "now": now})
    until = _until(taken_at)
    return Claim(taken.id, taken.issue_id, taken.fence, taken.size, taken.started, until, lease)


def anything_due(session: Session, now: datetime) -> bool:
    """Whether there is a batch that `claim` would give."""
    return session.connection().execute(_due().limit(1), {"now": now}).scalar() is not None


def renew(session: Session, held: Claim, now: datetime, *, started: int | None = None) -> bool:
    """Keep the lease; with `started`, write down up to where mails may be handed over from now on.

    False when the batch is not ours any more or, with `started`, its issue was stopped: nothing new may be begun.
    """
    taken_at = moment()
    # Never one that was there before, also when the clock is set back: by that the others see that we live.
    held.lease = max(now + LEASE, held.lease + TICK)
    given: dict[str, object] = {"batch": held.batch_id, "held": held.fence, "lease": held.lease}
    if started is not None:
        given |= {"from": started, "issue": held.issue_id}
    won = session.connection().execute(_kept(begins=started is not None), given).scalar()
    if won is None:
        return False
    held.until = _until(taken_at)
    held.started = held.started if started is None else started
    return True


def let_go(session: Session, held: Claim, now: datetime, *, reached: int) -> None:
    """Give the batch back: ended when all of it was `reached`, else for the next one to go on at that place."""
    done = reached >= held.size
    values = {"holder": None, "lease_until": None, "started": reached, "done_at": now if done else None}
    ours = update(_BATCH).where(Batch.id == held.batch_id, Batch.fence == held.fence).values(values)
    session.connection().execute(ours)


_BATCH, _ISSUE = cast("Table", Batch.__table__), cast("Table", Issue.__table__)
_NOW: Any = bindparam("now", type_=UtcDateTime())


# What runs with every batch or group of mails is built once: putting it together costs more than running it.
@cache
def _kept(*, begins: bool) -> Update:
    batch = _BATCH.c
    kept = update(_BATCH).where(batch.id == bindparam("batch"), batch.fence == bindparam("held"))
    kept = kept.values(lease_until=bindparam("lease", type_=UtcDateTime()))
    if begins:
        going = select(Issue.id).where(Issue.id == bindparam("issue"), Issue.state.in_(OPEN)).exists()
        kept = kept.where(going).values(started=bindparam("from"))
    return kept.returning(batch.id)


@cache
def _live(*, of_account: bool) -> Select[int, int, int]:
    """How many batches are in hand, how many of these of this process, and how many other processes there are.

    One whose holder died is in hand until it is taken over: its line to the relay may be open as long.
    """
    process, heard = bindparam("process", type_=String()), bindparam("heard", type_=UtcDateTime())
    others = select(func.count()).where(Sender.name != process, Sender.seen_at > heard).scalar_subquery()
    own = func.count().filter(Batch.holder.startswith(bindparam("ours", type_=String())))
    live = select(func.count(), own, others).where(Batch.holder.is_not(None), Batch.done_at.is_(None))
    return live.where(Batch.holder.contains(bindparam("account"))) if of_account else live


@cache
def _taken() -> Update:
    due = _due().limit(1).with_for_update(skip_locked=True, of=Batch).scalar_subquery()
    taken = update(_BATCH).where(Batch.id == due, Batch.holder.is_(None))
    lease = bindparam("lease", type_=UtcDateTime())
    taken = taken.values(holder=bindparam("by"), fence=Batch.fence + 1, lease_until=lease)
    return taken.returning(Batch.id, Batch.issue_id, Batch.fence, Batch.size, Batch.started)


@cache
def _begun() -> Update:
    return (
        update(_ISSUE)
        .where(Issue.id == bindparam("issue"), Issue.started_at.is_(None))
        .values(started_at=_NOW)
    )


@cache
def _due() -> Select[int]:
    return (
        select(Batch.id)
        .join(Issue, Issue.id == Batch.issue_id)
        .join(FrozenIssue, FrozenIssue.issue_id == Batch.issue_id)
        .where(Batch.done_at.is_(None), Batch.holder.is_(None), Batch.due_at <= _NOW)
        .where(Issue.state.in_(OPEN), Issue.release_at <= _NOW, FrozenIssue.audience_done_at.is_not(None))
        .where(canary.released())
        .where(or_(FrozenIssue.quiet_until.is_(None), FrozenIssue.quiet_until <= _NOW))
        .order_by(Issue.release_at, Batch.id)
    )


def _until(taken_at: float) -> float:
    return taken_at + LEASE.total_seconds() - MARGIN
