"""Send letters (single mails to one person) from the outbox. They are claimed like batches, one row at a time.

The recipient is waiting for a letter, so one that was in flight when the process died is sent once more, with the same
Message-ID so that mailboxes can recognise the duplicate. If that fails too, its outcome is unknown.
"""

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from sqlalchemy import ColumnElement, Select, Update, or_, select, update
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from digest.db import WITHOUT_SYNC, Database, utcnow
from digest.delivery.ledger.models import Letter, Outcome
from digest.delivery.letters.letter_builder import LetterNotWanted, build_mail
from digest.delivery.relays import replies, retry_policy
from digest.delivery.relays.accounts import SendLimits, SmtpAccounts
from digest.delivery.relays.replies import ReplyMeaning
from digest.installation import upgrading
from digest.installation.identity import find_identity
from digest.installation.progress_memory import Kind, Progress, ProgressMemory
from digest.signing import Signer
from digest.smtp.client import SmtpConnection
from digest.smtp.connect import RelayRefused, connect
from digest.smtp.mail import ConnectionLost, Mail
from digest.smtp.replies import Reply, Stage
from digest.smtp.url import Relay

LOG = logging.getLogger(__name__)
LEASE = timedelta(seconds=60)
IN_FLIGHT_LEASE = timedelta(minutes=12)  # longer than the longest wait for a reply (RFC 5321: ten minutes)
MAX_CRASHES = 2  # a letter that crashed two processes is not tried again


def has_due_letter(session: Session, now: datetime) -> bool:
    """Whether a letter is due."""
    return session.scalar(_due_statement(now).limit(1)) is not None


def send_due_letters(
    db: Database,
    *,
    signer: Signer,
    relay: Relay,
    base_url: str,
    home: Path | None = None,
    retry_delay: timedelta = retry_policy.LETTER_FIRST_WAIT,
    limit: int = 50,
    limits: SendLimits | None = None,
    stopping: Callable[[], bool] = lambda: False,
    clock: Callable[[], datetime] = utcnow,
) -> int:
    """Send up to `limit` due letters over one connection; returns how many the relay accepted.

    Opens its own transactions, and marks each letter before handing it over. The connection is separate from those of
    issues. It does not wait for the rate limit but counts towards it, so issues give way. If no account of the relay
    lets us in, all letters stay in the outbox for a later attempt. `home` remembers which letters were claimed.
    """
    run = LetterRun(db, signer, base_url, min(retry_delay, retry_policy.LETTER_FIRST_WAIT), clock, [])
    run.claim(limit)
    if home is not None and run.waiting:
        run.remember(home)
    unsent: list[Mail] = []
    accounts = SmtpAccounts(relay, limits or SendLimits())
    while run.waiting or unsent:
        try:
            connection = _connect(accounts, run, stopping)
        except (RelayRefused, ConnectionLost) as error:
            run.requeue(str(error))
            return run.taken
        replies_before = run.answers
        try:
            finished = connection.send_all_blocking(run.mails(unsent, stopping), run)
            connection.quit()
            if finished:
                break
            # Otherwise the connection has reached its limit; the next one goes on.
        except ConnectionLost as lost:
            unsent[:0] = lost.unsent
            if run.answers == replies_before:
                run.requeue(str(lost))
                return run.taken
        finally:
            connection.close()
    run.requeue("the process is shutting down")
    return run.taken


def _connect(accounts: SmtpAccounts, run: "LetterRun", stopping: Callable[[], bool]) -> SmtpConnection:
    """A connection to any account that works. When none does, raises the error of the last one."""
    last_error: RelayRefused | ConnectionLost | None = None
    for account in accounts.by_availability():
        try:
            connection = connect(account.relay, stopping=stopping)
        except (RelayRefused, ConnectionLost) as error:
            if stopping():
                raise
            accounts.back_off(account)
            last_error = error
        else:
            accounts.debit(account, run.uncounted)
            run.uncounted = 0
            return connection
    assert last_error is not None
    raise last_error


@dataclass
class LetterRun:
    """The claimed letters as (id, attempts); the number of attempts is the fence of the claim."""

    db: Database
    signer: Signer
    base_url: str
    first_wait: timedelta
    clock: Callable[[], datetime]
    waiting: list[tuple[int, int]]
    taken: int = 0
    answers: int = 0
    uncounted: int = 0  # towards the rate limit

    def claim(self, limit: int) -> None:
        now = self.clock()
        with self.db.begin() as session:
            if upgrading.find_obstacle(session):
                return
            ids = session.scalars(_due_statement(now).limit(limit).with_for_update(skip_locked=True)).all()
            claimed = update(Letter).where(Letter.id.in_(ids), _is_unclaimed(now))
            claimed = claimed.values(claimed_until=now + LEASE, attempts=Letter.attempts + 1)
            rows = session.execute(
                claimed.returning(Letter.id, Letter.attempts), execution_options=WITHOUT_SYNC
            )
            self.waiting = sorted((letter_id, attempts) for letter_id, attempts in rows)
            self.uncounted = len(self.waiting)

    def remember(self, home: Path) -> None:
        """Let the home remember the claims, which are committed."""
        with self.db.read() as session:
            identity = find_identity(session)
        with ProgressMemory(home, identity) as memory:
            for letter_id, attempts in self.waiting:
                memory.note(Progress(Kind.LETTER, letter_id, attempts))

    def mails(self, unsent: list[Mail], stopping: Callable[[], bool]) -> Iterator[Mail | None]:
        while unsent and not stopping():
            yield unsent.pop(0)
        while self.waiting and not stopping():
            letter_id, fence = self.waiting.pop(0)
            mail = self._write(letter_id, fence)
            if mail is not None:
                self._fences[letter_id] = fence
                yield mail

    def __post_init__(self) -> None:
        self._fences: dict[int, int] = {}

    def before_body(self, mail: Mail) -> None:
        """Commit that the letter may have been sent before sending it."""
        now = self.clock()
        with self.db.begin() as session:
            ours = self._ours(mail.token).where(Letter.claimed_until > now)
            mark = ours.values(handed_over=True, claimed_until=now + IN_FLIGHT_LEASE).returning(Letter.id)
            if session.scalar(mark, execution_options=WITHOUT_SYNC) is None:
                raise ConnectionLost("the claim on a letter expired")

    def while_waiting_for_reply(self) -> None:
        """Nothing to do: each letter is built when its turn comes."""

    def answered(self, mail: Mail, stage: Stage, reply: Reply) -> None:
        verdict = replies.classify_reply(stage, reply)
        self.answers += 1
        self.taken += verdict.meaning is ReplyMeaning.ACCEPTED
        if verdict.meaning is ReplyMeaning.ACCEPTED:
            self._end(mail.token, Outcome.ACCEPTED, str(reply))
        elif verdict.meaning is ReplyMeaning.FAILED:
            self._end(mail.token, Outcome.FAILED, str(reply))
        else:
            self._later(mail.token, str(reply))

    def lost(self, mail: Mail, why: str) -> None:
        self._end(mail.token, Outcome.UNKNOWN, why)

    def requeue(self, why: str) -> None:
        """Release the letters that were claimed but not handed over."""
        for letter_id, fence in [*self.waiting, *self._fences.items()]:
            self._fences[letter_id] = fence
            self._later(letter_id, why)
        self.waiting.clear()

    def _write(self, letter_id: int, fence: int) -> Mail | None:
        self._fences[letter_id] = fence
        with self.db.read() as session:
            letter = session.get_one(Letter, letter_id)
            try:
                return build_mail(
                    session, letter, signer=self.signer, base_url=self.base_url, now=self.clock()
                )
            except LetterNotWanted as error:
                outcome, reply = Outcome.EXCLUDED, str(error)
            except OperationalError:
                raise
            except Exception as error:  # one bad letter must not stop the others
                LOG.exception("letter cannot be built", extra={"letter": letter_id})
                outcome, reply = Outcome.FAILED, str(error)
        self._end(letter_id, outcome, reply)
        return None

    def _end(self, letter_id: int, outcome: Outcome, reply: str) -> None:
        now = self.clock()
        ended = {"outcome": outcome.value, "reply": reply[:500], "ended_at": now, "claimed_until": None}
        with self.db.begin() as session:
            session.execute(self._ours(letter_id).values(ended), execution_options=WITHOUT_SYNC)
        self._fences.pop(letter_id, None)

    def _later(self, letter_id: int, reply: str) -> None:
        """Schedule a retry; after 48 hours of retries the letter has failed."""
        wait = retry_policy.next_wait(self._fences[letter_id], self.first_wait)
        if wait is None:
            self._end(letter_id, Outcome.FAILED, f"gave up: {reply}")
            return
        requeued = {
            "due_at": self.clock() + wait,
            "claimed_until": None,
            "handed_over": False,
            "reply": reply[:500],
        }
        with self.db.begin() as session:
            session.execute(self._ours(letter_id).values(requeued), execution_options=WITHOUT_SYNC)
        self._fences.pop(letter_id, None)

    def _ours(self, letter_id: int) -> Update:
        fence = self._fences.get(letter_id, 0)
        return update(Letter).where(
            Letter.id == letter_id, Letter.attempts == fence, Letter.outcome.is_(None)
        )


def mark_abandoned_unknown(session: Session, now: datetime) -> int:
    """End letters that crashed two processes as unknown; returns how many."""
    abandoned = update(Letter).where(Letter.outcome.is_(None), Letter.handed_over, Letter.claimed_until < now)
    abandoned = abandoned.where(Letter.attempts >= MAX_CRASHES)
    ended = {
        "outcome": Outcome.UNKNOWN.value,
        "reply": "the process ended while the email was being sent",
        "ended_at": now,
    }
    rows = session.scalars(abandoned.values(ended).returning(Letter.id), execution_options=WITHOUT_SYNC).all()
    return len(rows)


def _is_unclaimed(now: datetime) -> ColumnElement[bool]:
    return or_(Letter.claimed_until.is_(None), Letter.claimed_until < now)


def _due_statement(now: datetime) -> Select[int]:
    abandoned = Letter.handed_over & (Letter.attempts >= MAX_CRASHES)
    due = select(Letter.id).where(
        Letter.outcome.is_(None), Letter.due_at <= now, _is_unclaimed(now), ~abandoned
    )
    return due.order_by(Letter.due_at, Letter.id)


__all__ = ["has_due_letter", "mark_abandoned_unknown", "send_due_letters"]
