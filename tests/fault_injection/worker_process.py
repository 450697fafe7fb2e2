"""A worker without a broker: it runs the scheduled tasks until the issue is sent, or dies where it is told to.

`die` says where: a mark below, before or after it, and at which call. Times would make drills differ from run to run.
"""

import functools
import os
import signal
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import idna  # noqa: F401  loaded late, as the next ones
import psycopg  # noqa: F401
from mjml import mjml2html  # noqa: F401
from sqlalchemy import event, select
from tests.delivery.factories import BASE, KEYS

from digest import db as databases
from digest import services, tasks
from digest.delivery.ledger import outcomes
from digest.delivery.release import batches, completion, freeze
from digest.delivery.sending import claim, connection, progress_journal, recovery, worker
from digest.editorial.models import Issue, State
from digest.render.compile import compile_issue  # noqa: F401
from digest.services import RateLimiter, Services
from digest.signing import Signer
from digest.smtp.stream import SocketStream
from digest.smtp.url import relay_from_url

SENT, STOPPED, PAUSED, LATE = 0, 10, 11, 12
MAX_SECONDS = 60.0  # by then it is sent, or the drill has failed

MARKS: dict[str, tuple[Any, str]] = {
    "freeze": (freeze, "freeze"),
    "step": (freeze, "write_next_audience"),
    "settle": (batches, "finalize_batches"),
    "claim": (claim, "claim"),
    "evidence": (progress_journal.ProgressJournal, "__init__"),
    "read": (outcomes, "fetch_pending"),
    "renew": (claim, "renew"),
    "hand over": (connection.Connection, "before_body"),
    "answer": (connection.Connection, "answered"),
    "write": (outcomes, "record_outcomes"),
    "put down": (claim, "release"),
    "close": (progress_journal.ProgressJournal, "close"),
    "recover": (recovery, "recover_batches"),
    "retries": (batches, "batch_retries"),
    "end": (completion, "_finish_issue"),
}


@dataclass(frozen=True)
class Order:
    """What one process is to do."""

    database: str
    home: str
    relay: str
    issue: int
    minutes: float = 0.0  # how far its clock is off
    swings: float = 0.0  # minutes by which its clock is set forward and back while it sends
    patience: float | None = None  # seconds; 0: all that were before are known to be dead
    die: tuple[str, str, int] | None = None  # mark, "before" or "after", number of the call
    batch: int = 100  # mails in a batch: several connections need several
    chunk: int = 170  # readers in a step of the freeze
    run: float = 8.0  # seconds of one run of sending
    rate: float | None = None
    lease: float | None = None  # seconds; the last eight of them nothing is begun


def work(order: Order) -> int:
    """Run the tasks over and over, as a worker would; returns why it ended."""
    db = databases.connect(order.database)
    _furnish(order, db)
    if order.die is not None:
        _arm(db, *order.die)
    signal.signal(signal.SIGTERM, lambda *_: tasks._stop())
    until = time.monotonic() + MAX_SECONDS
    while time.monotonic() < until:
        for task in (tasks.calendar, tasks.reconcile, tasks.send, tasks.letters_, tasks.reconcile):
            try:
                task()
            except Exception:  # as in a worker: it is logged, and the next tick tries again
                traceback.print_exc()
                time.sleep(0.05)
        if tasks._stopping.is_set():
            return STOPPED
        try:
            with db.read() as session:
                state = session.scalar(select(Issue.state).where(Issue.id == order.issue))
        except Exception:
            traceback.print_exc()
            continue
        if state in {State.SENT, State.CANCELLED}:
            return SENT
        if state == State.PAUSED:
            return PAUSED
        time.sleep(0.03)
    return LATE


def _furnish(order: Order, db: databases.Database) -> None:
    """The services of a worker, whose clock is off by some minutes and whose waits are short."""
    ahead = timedelta(minutes=order.minutes)

    def clock() -> datetime:
        return databases.utcnow() + ahead

    made = Services(
        db=db,
        signer=Signer(KEYS),
        relay=relay_from_url(order.relay),
        limiter=RateLimiter(),
        base_url=BASE,
        home=Path(order.home),
        send_rate=order.rate,
        retry_delay=timedelta(milliseconds=1),
        enqueue_soon=lambda _task: None,
    )
    services.set_services_factory(lambda: made)

    def swinging() -> datetime:
        return clock() + (int(time.monotonic() * 4) % 3 - 1) * timedelta(minutes=order.swings)

    tasks.utcnow = clock
    tasks.send_due_batches = functools.partial(worker.send_due_batches, clock=swinging)
    if order.patience is not None:
        recovery.LIVENESS.patience = order.patience
    tasks.RUN_SECONDS = order.run
    batches.MAX_BATCH_SIZE = order.batch
    if order.lease is not None:
        claim.LEASE = timedelta(seconds=order.lease)
        worker.RENEW_SECONDS = 0.2
    freeze.write_next_audience = functools.partial(freeze.write_next_audience, limit=order.chunk)


def _arm(db: databases.Database, mark: str, when: str, number: int) -> None:
    if mark == "commit":
        _arm_commit(db, when, number)
    elif mark == "half a mail":
        _arm_half(number)
    else:
        owner, name = MARKS[mark]
        setattr(owner, name, _dying(getattr(owner, name), when, number))


def _dying(act: Callable[..., Any], when: str, number: int) -> Callable[..., Any]:
    calls = 0

    @functools.wraps(act, updated=())
    def dies(*given: Any, **named: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls >= number and when == "before":
            die()
        result = act(*given, **named)
        if calls >= number:
            die()
        return result

    return dies


def _arm_commit(db: databases.Database, when: str, number: int) -> None:
    """Before a commit the database has not heard of it; after it, only the database has."""
    if when == "before":
        event.listen(db.engine, "commit", _dying(lambda _connection: None, "before", number))
        return
    plain = db.engine.dialect.do_commit

    def committed(connection: Any) -> None:
        plain(connection)

    db.engine.dialect.do_commit = _dying(committed, "after", number)


def _arm_half(number: int) -> None:
    """The body of a mail is written up to its middle."""
    send_now, calls = SocketStream.send_now, 0

    def send_half(stream: SocketStream, *parts: bytes, before: int = 0) -> int:
        nonlocal calls
        data = b"".join(parts)
        calls += len(data) > 1000
        if calls >= number:
            stream._sock.send(data[: len(data) // 2])
            die()
        return send_now(stream, data, before=before)

    SocketStream.send_now = send_half


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)
    time.sleep(60)


def main(order: dict[str, Any]) -> int:
    order["die"] = tuple(order["die"]) if order["die"] else None
    return work(Order(**order))
