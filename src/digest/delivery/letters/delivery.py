"""Letters: single mails to one person, out of the outbox. The same rules of claiming, with a row for a batch.

A letter was asked for by the person it goes to, so one that was under way when the process died is sent once more
(with the same Message-ID, so that a mailbox can tell), and only after that it is unknown.
"""

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, Select, Update, or_, select, update
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from digest.db import WITHOUT_SYNC, Database, utcnow
from digest.delivery.ledger.models import Letter, Outcome
from digest.delivery.letters.letter_builder import LetterNotWanted, build_mail
from digest.delivery.letters.outbox import enqueue_letter
from digest.delivery.relays import replies, retry_policy
from digest.delivery.relays.accounts import SendLimits, SmtpAccounts
from digest.delivery.relays.replies import ReplyMeaning
from digest.signing import Signer
from digest.smtp.client import SmtpConnection
from digest.smtp.connect import RelayRefused, connect
from digest.smtp.mail import ConnectionLost, Mail
from digest.smtp.replies import Reply, Stage
from digest.smtp.url import Relay

LOG = logging.getLogger(__name__)
LEASE = timedelta(seconds=60)
IN_FLIGHT_LEASE = timedelta(minutes=12)  # longer than the longest wait for a reply (RFC 5321: ten minutes)
MAX_CRASHES = 2  # a letter that two processes died with is not tried a third time


def has_due_letter(session: Session, now: datetime) -> bool:
    """Whether a letter waits to be sent."""
    return session.scalar(_due_statement(now).limit(1)) is not None


def send_due_letters(
    db: Database,
    *,
    signer: Signer,
    relay: Relay,
    base_url: str,
    retry_delay: timedelta = retry_policy.LETTER_FIRST_WAIT,
    limit: int = 50,
    limits: SendLimits | None = None,
    stopping: Callable[[], bool] = lambda: False,
    clock: Callable[[], datetime] = utcnow,
) -> int:
    """Send up to `limit` letters that are due over one connection; gives how many the relay took.

    Opens its own transactions: each letter is marked before it is handed over. Its line is beside those of issues,
    waits for no rate and is counted by it: issues give way. A relay of which no account lets us in leaves every
    letter where it is, for a later try.
    """
    run = LetterRun(db, signer, base_url, min(retry_delay, retry_policy.LETTER_FIRST_WAIT), clock, [])
    run.claim(limit)
    again: list[Mail] = []
    accounts = SmtpAccounts(relay, limits or SendLimits())
    while run.waiting or again:
        try:
            line = _connect(accounts, run, stopping)
        except (RelayRefused, ConnectionLost) as error:
            run.requeue(str(error))
            return run.taken
        before = run.answers
        try:
            line.send_all_blocking(run.mails(again, stopping), run)
            line.quit()
            break
        except ConnectionLost as lost:
            again = list(lost.unsent)
            if run.answers == before:
                run.requeue(str(lost))
                return run.taken
        finally:
            line.close()
    run.requeue("the process was asked to stop")
    return run.taken


def _connect(accounts: SmtpAccounts, run: "LetterRun", stopping: Callable[[], bool]) -> SmtpConnection:
    """A line over any account that works. Raises what the last of them said when none does."""
    trouble: RelayRefused | ConnectionLost | None = None
    for account in accounts.by_availability():
        try:
            line = connect(account.relay, stopping=stopping)
        except (RelayRefused, ConnectionLost) as error:
            if stopping():
                raise
            accounts.back_off(account)
            trouble = error
        else:
            accounts.debit(account, len(run.waiting))
            return line
    assert trouble is not None
    raise trouble


@dataclass
class LetterRun:
    """The letters in hand: (id, attempts), where the number of attempts is the fence of the claim."""

    db: Database
    signer: Signer
    base_url: str
    first_wait: timedelta
    clock: Callable[[], datetime]
    waiting: list[tuple[int, int]]
    taken: int = 0
    answers: int = 0

    def claim(self, limit: int) -> None:
        now = self.clock()
        with self.db.begin() as session:
            ids = session.scalars(_due_statement(now).limit(limit).with_for_update(skip_locked=True)).all()
            claimed = update(Letter).where(Letter.id.in_(ids), _is_unclaimed(now))
            claimed = claimed.values(claimed_until=now + LEASE, attempts=Letter.attempts + 1)
            rows = session.execute(
                claimed.returning(Letter.id, Letter.attempts), execution_options=WITHOUT_SYNC
            )
            self.waiting = sorted((letter_id, attempts) for letter_id, attempts in rows)

    def mails(self, again: list[Mail], stopping: Callable[[], bool]) -> Iterator[Mail | None]:
        yield from again
        while self.waiting and not stopping():
            letter_id, fence = self.waiting.pop(0)
            mail = self._write(letter_id, fence)
            if mail is not None:
                self._fences[letter_id] = fence
                yield mail

    def __post_init__(self) -> None:
        self._fences: dict[int, int] = {}

    def before_body(self, mail: Mail) -> None:
        """Commit that it may be out before it is."""
        now = self.clock()
        with self.db.begin() as session:
            ours = self._ours(mail.token).where(Letter.claimed_until > now)
            mark = ours.values(handed_over=True, claimed_until=now + IN_FLIGHT_LEASE).returning(Letter.id)
            if session.scalar(mark, execution_options=WITHOUT_SYNC) is None:
                raise ConnectionLost("the claim on a letter ran out")

    def while_waiting_for_reply(self) -> None:
        """A letter is made in its turn."""

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
        """Free what was claimed and not handed over."""
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
            except LetterNotWanted as why:
                outcome, words = Outcome.EXCLUDED, str(why)
            except OperationalError:
                raise
            except Exception as error:  # whatever it is: the letters behind this one go on
                LOG.exception("letter cannot be written", extra={"letter": letter_id})
                outcome, words = Outcome.FAILED, str(error)
        self._end(letter_id, outcome, words)
        return None

    def _end(self, letter_id: int, outcome: Outcome, words: str) -> None:
        now = self.clock()
        ended = {"outcome": outcome.value, "reply": words[:500], "ended_at": now, "claimed_until": None}
        with self.db.begin() as session:
            session.execute(self._ours(letter_id).values(ended), execution_options=WITHOUT_SYNC)
        self._fences.pop(letter_id, None)

    def _later(self, letter_id: int, words: str) -> None:
        """Give it back; after 48 hours of that it has failed."""
        wait = retry_policy.next_wait(self._fences[letter_id], self.first_wait)
        if wait is None:
            self._end(letter_id, Outcome.FAILED, f"gave up: {words}")
            return
        back = {
            "due_at": self.clock() + wait,
            "claimed_until": None,
            "handed_over": False,
            "reply": words[:500],
        }
        with self.db.begin() as session:
            session.execute(self._ours(letter_id).values(back), execution_options=WITHOUT_SYNC)
        self._fences.pop(letter_id, None)

    def _ours(self, letter_id: int) -> Update:
        fence = self._fences.get(letter_id, 0)
        return update(Letter).where(
            Letter.id == letter_id, Letter.attempts == fence, Letter.outcome.is_(None)
        )


def mark_abandoned_unknown(session: Session, now: datetime) -> int:
    """Letters that two processes died with end as unknown; gives how many."""
    gone = update(Letter).where(Letter.outcome.is_(None), Letter.handed_over, Letter.claimed_until < now)
    gone = gone.where(Letter.attempts >= MAX_CRASHES)
    ended = {
        "outcome": Outcome.UNKNOWN.value,
        "reply": "the process ended while it was under way",
        "ended_at": now,
    }
    rows = session.scalars(gone.values(ended).returning(Letter.id), execution_options=WITHOUT_SYNC).all()
    return len(rows)


def _is_unclaimed(now: datetime) -> ColumnElement[bool]:
    return or_(Letter.claimed_until.is_(None), Letter.claimed_until < now)


def _due_statement(now: datetime) -> Select[int]:
    spent = Letter.handed_over & (Letter.attempts >= MAX_CRASHES)
    waiting = select(Letter.id).where(
        Letter.outcome.is_(None), Letter.due_at <= now, _is_unclaimed(now), ~spent
    )
    return waiting.order_by(Letter.due_at, Letter.id)


__all__ = ["enqueue_letter", "has_due_letter", "mark_abandoned_unknown", "send_due_letters"]
