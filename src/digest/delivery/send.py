"""Sending: a short run of as many connections as the relay may have, over whatever batches are due."""

import logging
import os
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from digest.db import Database, utcnow
from digest.delivery import canary, evidence, recover
from digest.delivery import claim as claims
from digest.delivery.accounts import Account, Accounts, Limits
from digest.delivery.connection import Connection
from digest.delivery.domains import Domains
from digest.delivery.shift import Shift
from digest.delivery.volume import went_since
from digest.mail import Relay
from digest.signing import Signer

LOG = logging.getLogger(__name__)
KEEP_SECONDS = 6.0  # between two renewals of every lease, while a reply may take its ten minutes
LOOK_SECONDS = 1.0  # how much later than a run's end a line is said to hang; and how often that is looked for

Line = tuple[Account, threading.Thread]


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
        recover.recover(session, home, now)
        spent = recover.settle_spent(session, home, now)
    for batch_id, fence in spent:
        evidence.forget(home, batch_id, fence)
    with db.read() as session:
        if not claims.anything_due(session, now):
            return Worked()
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
    _run(shift)
    while not shift.over() and _canary_passed(shift):
        _run(shift)
    accounts.close()
    with db.read() as session:
        return Worked(dict(shift.ended), more=claims.anything_due(session, clock()))


def _canary_passed(shift: Shift) -> bool:
    """Whether a canary that just ended lets the rest go: the clock would say so, five seconds later."""
    with shift.db.begin() as session:
        return bool(canary.look(session, shift.clock()))


def _run(shift: Shift) -> None:
    """Let the connections work, and keep their leases until the last has ended.

    One whose relay is silent may wait ten minutes: the seats of the others go on meanwhile.
    """
    name, done = f"{evidence.home_id(shift.home)}:{os.getpid()}", threading.Event()
    troubles: list[BaseException] = []

    def one(account: Account) -> None:
        try:
            Connection(shift, account, name).work()
        except BaseException as error:  # noqa: BLE001 it is raised again below, in the thread that asked
            troubles.append(error)
            shift.enough.set()

    def lines(hanging: Sequence[Line]) -> list[Line]:
        """A line for each seat that is free, at work."""
        taken = Counter(account.relay.key for account, _ in hanging)
        made = []
        for account in shift.accounts.seats():
            if taken[account.relay.key] > 0:
                taken[account.relay.key] -= 1
                continue
            thread = threading.Thread(target=one, args=(account,), name="relay", daemon=True)
            thread.start()
            made.append((account, thread))
        return made

    keeper = threading.Thread(target=_keep, args=(shift, done), name="leases", daemon=True)
    keeper.start()
    try:
        working = lines([])
        while working := [line for line in working if line[1].is_alive()]:
            working[0][1].join(LOOK_SECONDS)
            if not troubles and _hangs(shift):
                shift.go_on()
                working += lines([line for line in working if line[1].is_alive()])
    finally:
        done.set()
        keeper.join()
    if troubles:
        raise troubles[0]


def _hangs(shift: Shift) -> bool:
    """Whether the run is over, but for lines that wait for the relay, and there is work for others meanwhile."""
    if shift.stopping() or time.monotonic() < shift.until + LOOK_SECONDS:
        return False
    with shift.db.read() as session:
        return claims.anything_due(session, shift.clock())


def _went(db: Database, since: float) -> int:
    with db.read() as session:
        return went_since(session, datetime.fromtimestamp(since, UTC))


def _keep(shift: Shift, done: threading.Event) -> None:
    while not done.wait(KEEP_SECONDS):
        try:
            for held in list(shift.claims.values()):
                with shift.db.begin() as session:
                    claims.renew(session, held, shift.clock())
        except Exception:  # a lease that cannot be kept runs out, and its holder stops by itself
            LOG.exception("leases were not renewed")
