"""The sending worker: a short run of as many connections as the relay allows, over whatever batches are due."""

import asyncio
import logging
import os
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from sqlalchemy.exc import OperationalError

from digest.db import Database, utcnow
from digest.delivery.ledger.sent_count import count_sent_since
from digest.delivery.relays.accounts import SendLimits, SmtpAccount, SmtpAccounts
from digest.delivery.relays.domains import DomainThrottle
from digest.delivery.release import canary
from digest.delivery.sending import claim as claims
from digest.delivery.sending import progress_journal, recovery, worker_registry
from digest.delivery.sending.connection import Connection
from digest.delivery.sending.send_context import SendContext
from digest.installation.identity import find_identity
from digest.installation.progress_memory import ProgressMemory
from digest.signing import Signer
from digest.smtp import event_loop
from digest.smtp.url import Relay

LOG = logging.getLogger(__name__)
RENEW_SECONDS = 6.0  # between two renewals of every lease; a reply may take ten minutes
HANG_CHECK_SECONDS = (
    1.0  # after a run's deadline until a connection counts as hanging, and between two checks
)


@dataclass(frozen=True)
class SendResult:
    """What a run did: a count per outcome ("later" among them), and whether more is due right now."""

    ended: Mapping[str, int] = field(default_factory=dict)
    more: bool = False


def send_due_batches(
    db: Database,
    *,
    signer: Signer,
    relay: Relay,
    home: Path,
    retry_delay: timedelta,
    limits: SendLimits | None = None,
    seconds: float = 20.0,
    stopping: Callable[[], bool] = lambda: False,
    clock: Callable[[], datetime] = utcnow,
) -> SendResult:
    """Recover batches of dead holders, then send for at most `seconds`, or until nothing is due.

    Opens its own transactions, unlike other rooms, because mail cannot be rolled back. `limits` apply to all workers
    that share their store. `stopping` is asked between mails; the mail in flight is finished and recorded.
    Takes longer while a connection waits for the relay's reply; the others go on meanwhile.
    Raises what the database raises; whatever was sent by then is settled by the next run.
    """
    now = clock()
    with db.begin() as session:
        recovery.recover_batches(session, home, now)
        spent = recovery.settle_spent_journals(session, home, now)
    for batch_id, fence in spent:
        progress_journal.delete(home, batch_id, fence)
    with db.read() as session:
        if not claims.has_due_batch(session, now):
            return SendResult()
        identity = find_identity(session)
    name = f"{progress_journal.home_id(home)}:{os.getpid()}"
    with db.begin() as session:
        worker_registry.heartbeat(session, name, now, claims.boot_time())
    limits = limits or SendLimits()
    accounts = SmtpAccounts(relay, limits, lambda since: _sent_since(db, since))
    context = SendContext(
        db=db,
        signer=signer,
        accounts=accounts,
        domains=DomainThrottle(limits.rate_limiter, limits.domains),
        home=home,
        memory=ProgressMemory(home, identity),
        retry_delay=retry_delay,
        clock=clock,
        stopping=stopping,
        deadline=time.monotonic() + seconds,
    )
    accounts.open()
    try:
        with context.memory:
            _run_connections(context, name)
            while not context.is_over() and (_canary_passed(context) or accounts.needs_takeover()):
                _run_connections(context, name)
    finally:
        accounts.close()
        context.close()
    if stopping():
        # If this takes too long, the others notice it by themselves.
        with suppress(OperationalError), db.begin(HANG_CHECK_SECONDS) as session:
            worker_registry.deregister(session, name, clock())
    with db.read() as session:
        # A process without a free slot has no reason to come back at once: the others go on.
        return SendResult(
            dict(context.outcome_counts),
            more=bool(context.outcome_counts) and claims.has_due_batch(session, clock()),
        )


def _canary_passed(context: SendContext) -> bool:
    """Whether a canary that just finished releases the rest; the clock would notice five seconds later."""
    with context.db.begin() as session:
        return bool(canary.judge_canaries(session, context.clock()))


def _run_connections(context: SendContext, name: str) -> None:
    """Run the connections, and renew their leases until the last has ended.

    A connection whose relay is silent may wait ten minutes; the slots of the others go on meanwhile.
    """
    connections = sum(account.relay.connections for account in context.accounts.all)
    with _lease_renewal(context, name):
        event_loop.run(_run_all(context, name), threads=connections)


async def _run_all(context: SendContext, name: str) -> None:
    errors: list[BaseException] = []
    running: dict[asyncio.Task[None], SmtpAccount] = {}
    _fill_slots(context, name, running)
    while running:
        ended, _ = await asyncio.wait(
            running, timeout=HANG_CHECK_SECONDS, return_when=asyncio.FIRST_COMPLETED
        )
        for task in ended:
            del running[task]
            if error := task.exception():
                errors.append(error)
                context.relay_saturated = True
        if running and not errors and _is_hanging(context):
            context.extend()
            _fill_slots(context, name, running)
    if errors:
        raise errors[0]


def _fill_slots(context: SendContext, name: str, running: dict[asyncio.Task[None], SmtpAccount]) -> None:
    """Start a connection for each free slot."""
    in_use = Counter(account.relay.key for account in running.values())
    for account in context.accounts.free_slots():
        if in_use[account.relay.key] > 0:
            in_use[account.relay.key] -= 1
        else:
            running[asyncio.create_task(Connection(context, account, name).run())] = account


@contextmanager
def _lease_renewal(context: SendContext, name: str) -> Iterator[None]:
    done = threading.Event()
    renewer = threading.Thread(target=_renew_leases, args=(context, name, done), name="leases", daemon=True)
    renewer.start()
    try:
        yield
    finally:
        done.set()
        renewer.join()


def _is_hanging(context: SendContext) -> bool:
    """Whether the run is over except for connections that wait for their relay, while more work is due."""
    if context.stopping() or time.monotonic() < context.deadline + HANG_CHECK_SECONDS:
        return False
    with context.db.read() as session:
        return claims.has_due_batch(session, context.clock())


def _sent_since(db: Database, since: float) -> int:
    with db.read() as session:
        return count_sent_since(session, datetime.fromtimestamp(since, UTC))


def _renew_leases(context: SendContext, name: str, done: threading.Event) -> None:
    while not done.wait(RENEW_SECONDS):
        try:
            with context.db.begin(RENEW_SECONDS) as session:
                worker_registry.heartbeat(session, name, context.clock(), claims.boot_time())
            for claim in list(context.claims.values()):
                if claims.renewed_within(claim, RENEW_SECONDS / 2):
                    continue  # with its last group
                with context.db.begin(RENEW_SECONDS) as session:
                    claims.renew(session, claim, context.clock())
        except Exception:  # a lease that is not renewed runs out, and its holder stops by itself
            LOG.exception("lease renewal failed")
