"""What the connections of one run share: the tools, the end of the run, and the batches in hand."""

import functools
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import TypeVar

from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from digest.db import LOCK_SECONDS, Database, is_locked
from digest.delivery.ledger.message_factory import Maker
from digest.delivery.relays.accounts import Accounts
from digest.delivery.relays.domains import Domains
from digest.delivery.sending.claim import Claim
from digest.signing import Signer
from digest.smtp.client import STOP_SECONDS
from digest.turns import Nap, Rest, apart

T = TypeVar("T")

FIRST_NAP, LONGEST_NAP = 0.001, 0.02  # seconds between two tries to get the lock of a file
EXTRA_SECONDS = 30.0  # that the other lines go on while one hangs


@dataclass
class Shift:
    """One run of `send.work`."""

    db: Database
    signer: Signer
    accounts: Accounts
    domains: Domains
    home: Path
    retry_delay: timedelta
    clock: Callable[[], datetime]
    stopping: Callable[[], bool]
    until: float  # on time.monotonic: no batch is begun and no mail taken up after it
    enough: bool = False  # the relay wants no more for now
    claims: dict[int, Claim] = field(default_factory=dict)  # by batch
    ended: dict[str, int] = field(default_factory=dict)  # outcome -> how many in this run
    _makers: dict[int, Maker] = field(default_factory=dict)

    def over(self) -> bool:
        """Whether nothing new shall be begun."""
        return self.enough or time.monotonic() > self.until or self.stopping()

    def go_on(self) -> None:
        """As a new shift would, while a line of this one still waits."""
        self.until = time.monotonic() + EXTRA_SECONDS
        self.enough = False
        for account in self.accounts.all:
            account.enough = False

    def served(self, act: Callable[[Session], T]) -> Rest[T]:
        """Do a piece of work in one transaction, while the other lines go on; gives what it returns.

        What is waited for is a server's work, or another process's lock on a file; not for long once this shall end.
        """
        if self.db.is_served:
            return (yield from apart(functools.partial(self._in_one, act)))
        until, nap = time.monotonic() + LOCK_SECONDS, FIRST_NAP
        while True:
            try:
                return self._in_one(act, patience=0)
            except OperationalError as error:
                moment = time.monotonic()
                until = min(until, moment + STOP_SECONDS) if self.stopping() else until
                if not is_locked(error) or moment > until:
                    raise
            yield Nap(moment + nap)
            nap = min(2 * nap, LONGEST_NAP)

    def _in_one(self, act: Callable[[Session], T], patience: float | None = None) -> T:
        with self.db.begin(patience) as session:
            return act(session)

    def maker(self, issue_id: int) -> Maker:
        """The maker of an issue's mails; a few are kept, for a run seldom sends more."""
        if issue_id not in self._makers:
            if len(self._makers) > 3:  # noqa: PLR2004 each holds a whole issue
                self._makers.clear()
            with self.db.read() as session:
                self._makers[issue_id] = Maker.of(session, issue_id, self.signer)
        return self._makers[issue_id]

    def tally(self, ended: dict[str, int]) -> None:
        """Add what a connection did."""
        for outcome, number in ended.items():
            self.ended[outcome] = self.ended.get(outcome, 0) + number
