"""Where a drill takes place: a database, a relay that remembers, homes, and processes that live and die in it."""

import random
import re
import shutil
import signal
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from sqlalchemy import select, update
from tests.delivery.factories import address, adds_up, issue, tally
from tests.fault_injection.fork_server import Child, Nursery
from tests.fault_injection.worker_process import LATE, PAUSED, SENT, STOPPED, Order
from tests.relay import Relay, Script

from digest.db import Database, utcnow
from digest.delivery.ledger.counts import OutcomeCounts
from digest.delivery.ledger.models import Delivery, FrozenIssue
from digest.delivery.release import control
from digest.editorial.models import Issue

PATIENCE = 60.0  # seconds in which it has to go on by itself
CONNECTIONS = 2


@dataclass(frozen=True)
class Life:
    """One generation of processes, and what becomes of the first of them.

    `die` is a mark of hand.py, `at` a number of mails that the relay has taken; `then` happens to what it leaves.
    """

    die: tuple[str, str, int] | None = None
    at: int = 0
    by: signal.Signals = signal.SIGKILL
    then: "Callable[[Field], None] | None" = None
    hands: int = 1
    homes: int = 1
    minutes: float = 0.0  # how far the second process's clock is off
    swings: float = 0.0  # and by how much all their clocks are set forward and back while they send


@dataclass
class Field:
    """The state of a drill."""

    db: Database
    folder: Path
    nursery: Nursery
    relay: Relay
    readers: int
    number: int = 0
    patience: float | None = None  # of who watches; 0: all who were before are dead, and nobody need sleep
    batch: int = 100
    connections: int = CONNECTIONS
    rate: float | None = None
    resumes: int = 0
    kills: int = 0
    lost: int = 0  # kills whose evidence was lost too
    looks: int = 0
    living: list[Child] = field(default_factory=list)

    def home(self, number: int = 0) -> Path:
        path = self.folder / f"home{number}"
        path.mkdir(exist_ok=True)
        return path

    def start(
        self, life: Life | None = None, *, home: int = 0, minutes: float = 0.0, **more: object
    ) -> Child:
        login = "me:secret@" if self.relay.script.login else ""
        swings = life.swings if life else 0.0
        given = {"batch": self.batch, "rate": self.rate, "swings": swings, **more}
        order = Order(
            database=self.db.engine.url.render_as_string(hide_password=False),
            home=str(self.home(home)),
            relay=f"smtp://{login}127.0.0.1:{self.relay.port}?connections={self.connections}",
            issue=self.number,
            minutes=minutes,
            patience=self.patience,
            die=life.die if life else None,
            **given,  # type: ignore[arg-type]
        )
        child = self.nursery.start(order)
        self.living.append(child)
        return child

    def look(self) -> OutcomeCounts:
        """Nothing is ever out of balance, whoever looks and whenever."""
        found = tally(self.db, self.number)
        assert adds_up(found), found
        assert found.planned <= self.readers
        with self.db.read() as session:
            done = session.scalar(
                select(FrozenIssue.audience_done_at).where(FrozenIssue.issue_id == self.number)
            )
        # The second question is asked later than the first, so only this way round.
        if done is None:
            assert found.accepted == 0, "mailed before the audience was counted"
        self.looks += 1
        return found

    def ended(self, child: Child, seconds: float = PATIENCE) -> int:
        """Wait for a process, looking at the counts all the while."""
        until = time.monotonic() + seconds
        while (code := child.ended(0.02)) is None:
            self.look()
            assert time.monotonic() < until, f"it did not go on by itself: {self.look()}\n{self.words()}"
        self.living.remove(child)
        return code

    def until(self, true: Callable[[], object], seconds: float = PATIENCE) -> None:
        """Look now and then until it comes true."""
        end = time.monotonic() + seconds
        while not true():
            self.look()
            assert time.monotonic() < end, self.words()
            time.sleep(0.02)  # the relay lives in this process, too

    def words(self) -> str:
        return self.nursery.log.read_text()[-4000:]

    def resume(self) -> None:
        """The person who reads the notice, mends it and lets the issue go on."""
        self.resumes += 1
        with self.db.begin() as session:
            control.resume(session, session.get_one(Issue, self.number), now=utcnow(), by="a person")


def plant(db: Database, readers: int) -> int:
    """An issue whose hour has just come; gives its row."""
    with db.begin() as session:
        made = issue(session, readers=readers)
        made.send_at = utcnow()
        session.flush()
        return made.id


def drive(ground: Field, lives: Sequence[Life], *, resumes: int = 0) -> None:
    """Let the lives pass, one after the other, and then one more in which nothing happens."""
    for life in lives:
        _live(ground, life)
    for _ in range(resumes + 1):
        code = ground.ended(ground.start())
        if code != PAUSED or ground.resumes >= resumes:
            break
        _stop_all(ground)
        ground.relay.script.login = ground.relay.script.login and "235 welcome"
        ground.resume()
    assert code == SENT, {LATE: "late", PAUSED: "paused", STOPPED: "stopped"}.get(code, code)
    for child in list(ground.living):  # the others see by themselves that it is over
        code = ground.ended(child)
        assert code == SENT, f"another process ended with {code}\n{ground.words()}"


def _live(ground: Field, life: Life) -> None:
    first = ground.start(life)
    if life.at:
        _at(ground, life, first)
    for number in range(1, life.hands):
        other = replace(life, die=None)
        ground.start(other, home=number % life.homes, minutes=life.minutes)
    code = ground.ended(first)
    assert code in ({-life.by} if life.by == signal.SIGKILL else {STOPPED, SENT}), ground.words()
    ground.kills += life.by == signal.SIGKILL
    ground.relay.script.on_accepted = None
    if life.then is not None:
        # A machine is lost as a whole, with those of an earlier life too: files that change under them end them by SIGBUS.
        for other in list(ground.living):
            other.send(signal.SIGKILL)
            ground.ended(other)
            ground.kills += 1
        life.then(ground)


def _at(ground: Field, life: Life, child: Child) -> None:
    done = False

    def strike(count: int) -> None:
        nonlocal done
        if count >= life.at and not done:
            done = True
            child.send(life.by)

    ground.relay.script.on_accepted = strike


def _stop_all(ground: Field) -> None:
    for child in list(ground.living):
        child.send(signal.SIGTERM)
        ground.ended(child)


def machine_lost(ground: Field) -> None:
    """The worker comes back on another machine: nothing of the first one's home is left, and it says nothing for long."""
    shutil.rmtree(ground.home())
    ground.lost = ground.kills
    ground.patience = 0.0


def power_cut(ground: Field) -> None:
    """The files are there, but the machine was started anew: what they say was never certainly on the disk."""
    for path in (ground.home() / "evidence").glob("[0-9]*-*"):
        path.write_bytes(b"another-boot".ljust(64) + path.read_bytes()[64:].replace(b"\2", b"\0"))
    ground.lost = ground.kills
    ground.patience = 0.0


def lease_over(ground: Field) -> None:
    """It died before its evidence was there: only time tells."""
    ground.patience = 0.0


def verdict(
    ground: Field, *, unknown: int | None = None, again: frozenset[str] = frozenset()
) -> OutcomeCounts:
    """Nobody twice and nobody lost; who is unknown is so by name, and not more of them than may be."""
    found = ground.look()
    with ground.db.read() as session:
        rows = session.execute(
            select(Delivery.subscriber_id, Delivery.outcome, Delivery.due_at).where(
                Delivery.issue_id == ground.number
            )
        ).all()
        assert session.get_one(Issue, ground.number).state == "sent"
    outcomes = {address(reader): outcome for reader, outcome, _ in rows}
    assert len(rows) == found.planned == ground.readers
    assert found.remaining == 0
    assert not [due for _, _, due in rows if due is not None]
    mailed = [mail.recipient for mail in ground.relay.mails]
    twice = (
        {one for one in mailed if mailed.count(one) > 1} - again if len(mailed) != len(set(mailed)) else set()
    )
    assert not twice, f"two copies: {sorted(twice)}"
    ids = [mail.message_id for mail in ground.relay.mails if mail.recipient not in again]
    assert len(ids) == len(set(ids))
    assert all(re.fullmatch(r"<[\w-]+@verdicts\.example\.org>", one) for one in ids)
    got = set(mailed)
    assert {reader for reader, outcome in outcomes.items() if outcome == "accepted"} <= got
    assert {outcomes[reader] for reader in got} <= {"accepted", "unknown"}
    assert {outcome for reader, outcome in outcomes.items() if reader not in got} <= {
        "unknown",
        "failed",
        "excluded",
    }
    allowed = (
        ground.kills * CONNECTIONS + ground.lost * CONNECTIONS * ground.batch if unknown is None else unknown
    )
    assert found.unknown <= allowed, found
    return found


def dice(seed: int) -> random.Random:
    return random.Random(f"drill {seed}")


def patient(ground: Field) -> None:
    """Let the relay's "not now" be over."""
    with ground.db.begin() as session:
        session.execute(
            update(FrozenIssue).where(FrozenIssue.backoff_until.is_not(None)).values(backoff_until=utcnow())
        )


def backoff_count(ground: Field) -> int:
    with ground.db.read() as session:
        return (
            session.scalar(select(FrozenIssue.backoff_count).where(FrozenIssue.issue_id == ground.number))
            or 0
        )


__all__ = ["Child", "Field", "Life", "Script"]
