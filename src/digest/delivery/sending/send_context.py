"""What the connections of one run share: dependencies, the run's deadline, and the claimed batches."""

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import TypeVar

from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from digest.db import LOCK_TIMEOUT_SECONDS, Database, is_locked
from digest.delivery.ledger.message_factory import MessageFactory
from digest.delivery.relays.accounts import SmtpAccounts
from digest.delivery.relays.domains import DomainThrottle
from digest.delivery.sending.claim import Claim
from digest.delivery.sending.group_commit import GroupCommit
from digest.installation.progress_memory import ProgressMemory
from digest.signing import Signer
from digest.smtp.stream import STOP_SECONDS

T = TypeVar("T")

FIRST_LOCK_WAIT, LONGEST_LOCK_WAIT = 0.001, 0.02  # seconds between two attempts to lock SQLite's file
MAX_FACTORIES = 4  # each holds a whole issue
# On PostgreSQL: few, so that each connection is used again at once, with the statements that it has prepared.
TRANSACTION_THREADS = 4
EXTRA_SECONDS = 30.0  # for which the other connections go on while one hangs


@dataclass
class SendContext:
    """One run of `worker.send_due_batches`."""

    db: Database
    signer: Signer
    accounts: SmtpAccounts
    domains: DomainThrottle
    home: Path
    memory: ProgressMemory  # of what is committed
    retry_delay: timedelta
    clock: Callable[[], datetime]
    stopping: Callable[[], bool]
    deadline: float  # on time.monotonic: no batch and no mail is begun after it
    relay_saturated: bool = False  # the relay accepts no more for now
    claims: dict[int, Claim] = field(default_factory=dict)  # by batch
    outcome_counts: dict[str, int] = field(default_factory=dict)  # outcome -> count in this run
    claiming: GroupCommit = field(init=False)
    recording: GroupCommit = field(init=False)  # outcomes; apart from claims, which wait for other processes
    _factories: dict[int, MessageFactory] = field(default_factory=dict)
    _transaction_threads: ThreadPoolExecutor = field(
        default_factory=lambda: ThreadPoolExecutor(TRANSACTION_THREADS, "transaction")
    )

    def __post_init__(self) -> None:
        self.claiming, self.recording = GroupCommit(self.run_transaction), GroupCommit(self.run_transaction)

    def close(self) -> None:
        """End the run's threads; no transaction may be running."""
        self._transaction_threads.shutdown()

    def is_over(self) -> bool:
        """Whether nothing new should be begun."""
        return self.relay_saturated or time.monotonic() > self.deadline or self.stopping()

    def extend(self) -> None:
        """Go on as a new run would, while a connection of this one still waits for its relay."""
        self.deadline = time.monotonic() + EXTRA_SECONDS
        self.relay_saturated = False
        for account in self.accounts.all:
            account.is_saturated = False

    async def run_transaction(self, work: Callable[[Session], T]) -> T:
        """Run `work` in one transaction while the other connections go on, and return its result.

        Waits for the database server, or for another process's lock on SQLite's file; briefly once we are stopping.
        """
        if self.db.is_client_server:
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(self._transaction_threads, self._run_once, work)
        deadline, pause = time.monotonic() + LOCK_TIMEOUT_SECONDS, FIRST_LOCK_WAIT
        while True:
            try:
                return self._run_once(work, lock_timeout=0)
            except OperationalError as error:
                moment = time.monotonic()
                deadline = min(deadline, moment + STOP_SECONDS) if self.stopping() else deadline
                if not is_locked(error) or moment > deadline:
                    raise
            await asyncio.sleep(pause)
            pause = min(2 * pause, LONGEST_LOCK_WAIT)

    def _run_once(self, work: Callable[[Session], T], lock_timeout: float | None = None) -> T:
        with self.db.begin(lock_timeout) as session:
            return work(session)

    def message_factory(self, issue_id: int) -> MessageFactory:
        """The message factory of an issue. A few are kept: a run rarely sends more issues."""
        if issue_id not in self._factories:
            if len(self._factories) >= MAX_FACTORIES:
                self._factories.clear()
            with self.db.read() as session:
                self._factories[issue_id] = MessageFactory.load(session, issue_id, self.signer)
        return self._factories[issue_id]

    def add_outcomes(self, ended: dict[str, int]) -> None:
        """Add a connection's outcomes to the run's."""
        for outcome, number in ended.items():
            self.outcome_counts[outcome] = self.outcome_counts.get(outcome, 0) + number
