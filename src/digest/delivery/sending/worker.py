"""Sending: a short run of as many connections as the relay may have, over whatever batches are due."""

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
from digest.delivery.ledger.sent_count import went_since
from digest.delivery.relays.accounts import Account, Accounts, Limits
from digest.delivery.relays.domains import Domains
from digest.delivery.release import canary
from digest.delivery.sending import claim as claims
from digest.delivery.sending import progress_journal, recovery, worker_registry
from digest.delivery.sending.connection import Connection
from digest.delivery.sending.send_context import Shift
from digest.signing import Signer
from digest.smtp.connect import Relay
from digest.turns import Talk, Turns

LOG = logging.getLogger(__name__)
KEEP_SECONDS = 6.0  # between two renewals of every lease, while a reply may take its ten minutes
LOOK_SECONDS = 1.0  # how much later than a run's end a line is said to hang; and how often that is looked for


@dataclass(frozen=True)
class Worked:
    """What a run did: outcomes and how many of each ("later" among them), and whether more is due right now."""

    ended: Mapping[str, int] = field(default_factory=dict)
    more: bool = False


def work(
    db: Database,
    *,
    signer: Signer,
    relay: Relay,
    home: Path,
    retry_delay: timedelta,
    limits: Limits | None = None,
    seconds: float = 20.0,
    stopping: Callable[[], bool] = lambda: False,
    clock: Callable[[], datetime] = utcnow,
) -> Worked:
    """Settle what dead holders left, then send for `seconds` at most, or until nothing is due.

    Opens its own transactions, unlike the rest of the house: mail cannot be rolled back. `limits` hold over
    all workers that share their store.
    `stopping` is asked between mails: the mail in flight is finished and written down.
    It takes longer while a line waits for the relay's reply to a mail; the others go on meanwhile.
    Raises what the database raises; whatever was sent by then is settled by the next run.
    """
    now = clock()
    with db.begin() as session:
        recovery.recover(session, home, now)
        spent = recovery.settle_spent(session, home, now)
    for batch_id, fence in spent:
        progress_journal.forget(home, batch_id, fence)
    with db.read() as session:
        if not claims.anything_due(session, now):
            return Worked()
    name = f"{progress_journal.home_id(home)}:{os.getpid()}"
    with db.begin() as session:
        worker_registry.here(session, name, now, claims.moment())
    limits = limits or Limits()
    accounts = Accounts(relay, limits, lambda since: _went(db, since))
    shift = Shift(
        db=db,
        signer=signer,
        accounts=accounts,
        domains=Domains(limits.pace, limits.domains),
        home=home,
        retry_delay=retry_delay,
        clock=clock,
        stopping=stopping,
        until=time.monotonic() + seconds,
    )
    accounts.open()
    try:
        _run(shift, name)
        while not shift.over() and (_canary_passed(shift) or accounts.take_over()):
            _run(shift, name)
    finally:
        accounts.close()
    if stopping():
        # Where that takes too long the others see it in a while.
        with suppress(OperationalError), db.begin(LOOK_SECONDS) as session:
            worker_registry.leave(session, name, clock())
    with db.read() as session:
        # Who found every seat taken has nothing to come back for at once: the others go on.
        return Worked(dict(shift.ended), more=bool(shift.ended) and claims.anything_due(session, clock()))


def _canary_passed(shift: Shift) -> bool:
    """Whether a canary that just ended lets the rest go: the clock would say so, five seconds later."""
    with shift.db.begin() as session:
        return bool(canary.look(session, shift.clock()))


def _run(shift: Shift, name: str) -> None:
    """Let the connections work, and keep their leases until the last has ended.

    One whose relay is silent may wait ten minutes: the seats of the others go on meanwhile.
    """
    troubles: list[BaseException] = []

    def failed(error: BaseException) -> None:
        troubles.append(error)
        shift.enough = True

    turns = Turns(failed)
    working: list[tuple[Account, Talk[None]]] = []

    def fill_seats() -> None:
        """A connection for each seat that is free."""
        taken = Counter(account.relay.key for account, _ in working)
        for account in shift.accounts.seats():
            if taken[account.relay.key] > 0:
                taken[account.relay.key] -= 1
            else:
                working.append((account, turns.add(Connection(shift, account, name).work())))

    with _leases_kept(shift, name):
        fill_seats()
        while turns.run(LOOK_SECONDS):
            if not troubles and _hangs(shift):
                alive = turns.alive()
                working = [one for one in working if one[1] in alive]
                shift.go_on()
                fill_seats()
    if troubles:
        raise troubles[0]


@contextmanager
def _leases_kept(shift: Shift, name: str) -> Iterator[None]:
    done = threading.Event()
    keeper = threading.Thread(target=_keep, args=(shift, name, done), name="leases", daemon=True)
    keeper.start()
    try:
        yield
    finally:
        done.set()
        keeper.join()


def _hangs(shift: Shift) -> bool:
    """Whether the run is over, but for lines that wait for the relay, and there is work for others meanwhile."""
    if shift.stopping() or time.monotonic() < shift.until + LOOK_SECONDS:
        return False
    with shift.db.read() as session:
        return claims.anything_due(session, shift.clock())


def _went(db: Database, since: float) -> int:
    with db.read() as session:
        return went_since(session, datetime.fromtimestamp(since, UTC))


def _keep(shift: Shift, name: str, done: threading.Event) -> None:
    while not done.wait(KEEP_SECONDS):
        try:
            with shift.db.begin(KEEP_SECONDS) as session:
                worker_registry.here(session, name, shift.clock(), claims.moment())
            for held in list(shift.claims.values()):
                with shift.db.begin(KEEP_SECONDS) as session:
                    claims.renew(session, held, shift.clock())
        except Exception:  # a lease that cannot be kept runs out, and its holder stops by itself
            LOG.exception("leases were not renewed")
