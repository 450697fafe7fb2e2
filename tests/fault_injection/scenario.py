"""What a drill runs: a database, a relay that remembers every mail, homes, and worker processes that are killed."""

import random
import re
import shutil
import signal
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from sqlalchemy import select, update
from tests.delivery.factories import address, adds_up, issue, tally
from tests.fault_injection.worker_process import LATE, PAUSED, SENT, STOPPED, Order
from tests.fork_server import Child, fork_server
from tests.relay import Relay, Script

from digest.db import Database, utcnow
from digest.delivery.ledger.counts import OutcomeCounts
from digest.delivery.ledger.models import Delivery, FrozenIssue
from digest.delivery.release import control
from digest.editorial.models import Issue

PATIENCE = 60.0  # seconds in which it has to go on by itself
CONNECTIONS = 2


@dataclass(frozen=True)
class Generation:
    """Processes started together, and what happens to the first of them.

    `die` is one of the marks in worker_process.py, `at` a number of mails that the relay has taken; `then` happens to what it leaves.
    """

    die: tuple[str, str, int] | None = None
    at: int = 0
    by: signal.Signals = signal.SIGKILL
    then: "Callable[[Scenario], None] | None" = None
    workers: int = 1
    homes: int = 1
    minutes: float = 0.0  # how far the second process's clock is off
    swings: float = 0.0  # and by how much all their clocks are set forward and back while they send


@dataclass
class Scenario:
    """A drill: its parts, its settings and what happened so far."""

    db: Database
    folder: Path
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
    checks: int = 0
    running: list[Child] = field(default_factory=list)

    def home(self, number: int = 0) -> Path:
        path = self.folder / f"home{number}"
        path.mkdir(exist_ok=True)
        return path

    def start(
        self, generation: Generation | None = None, *, home: int = 0, minutes: float = 0.0, **more: object
    ) -> Child:
        login = "me:secret@" if self.relay.script.login else ""
        swings = generation.swings if generation else 0.0
        given = {"batch": self.batch, "rate": self.rate, "swings": swings, **more}
        order = Order(
            database=self.db.engine.url.render_as_string(hide_password=False),
            home=str(self.home(home)),
            relay=f"smtp://{login}127.0.0.1:{self.relay.port}?connections={self.connections}",
            issue=self.number,
            minutes=minutes,
            patience=self.patience,
            die=generation.die if generation else None,
            **given,  # type: ignore[arg-type]
        )
        child = fork_server().start("tests.fault_injection.worker_process", asdict(order))
        self.running.append(child)
        return child

    def check_counts(self) -> OutcomeCounts:
        """The counts add up, at any moment."""
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
        self.checks += 1
        return found

    def ended(self, child: Child, seconds: float = PATIENCE) -> int:
        """Wait for a process, looking at the counts all the while."""
        until = time.monotonic() + seconds
        while (code := child.ended(0.04)) is None:
            self.check_counts()
            assert time.monotonic() < until, (
                f"it did not go on by itself: {self.check_counts()}\n{self.log_tail()}"
            )
        self.running.remove(child)
        return code

    def until(self, true: Callable[[], object], seconds: float = PATIENCE) -> None:
        """Look now and then until it comes true."""
        end = time.monotonic() + seconds
        while not true():
            self.check_counts()
            assert time.monotonic() < end, self.log_tail()
            time.sleep(0.04)  # the relay runs in this process, too

    def log_tail(self) -> str:
        return fork_server().log.read_text()[-4000:]

    def resume(self) -> None:
        """Resume the issue, as a person does after the notice."""
        self.resumes += 1
        with self.db.begin() as session:
            control.resume(session, session.get_one(Issue, self.number), now=utcnow(), by="a person")


def create_due_issue(db: Database, readers: int) -> int:
    """An issue whose hour has just come; gives its row."""
    with db.begin() as session:
        made = issue(session, readers=readers)
        made.send_at = utcnow()
        session.flush()
        return made.id


def run_generations(scenario: Scenario, generations: Sequence[Generation], *, resumes: int = 0) -> None:
    """Run the generations one after the other, and then one that nothing happens to."""
    for generation in generations:
        _run_generation(scenario, generation)
    for _ in range(resumes + 1):
        code = scenario.ended(scenario.start())
        if code != PAUSED or scenario.resumes >= resumes:
            break
        _stop_all(scenario)
        scenario.relay.script.login = scenario.relay.script.login and "235 welcome"
        scenario.resume()
    assert code == SENT, {LATE: "late", PAUSED: "paused", STOPPED: "stopped"}.get(code, code)
    for child in list(scenario.running):  # the others see by themselves that it is over
        code = scenario.ended(child)
        assert code == SENT, f"another process ended with {code}\n{scenario.log_tail()}"


def _run_generation(scenario: Scenario, generation: Generation) -> None:
    first = scenario.start(generation)
    if generation.at:
        _kill_at(scenario, generation, first)
    for number in range(1, generation.workers):
        other = replace(generation, die=None)
        scenario.start(other, home=number % generation.homes, minutes=generation.minutes)
    code = scenario.ended(first)
    expected = {-generation.by} if generation.by == signal.SIGKILL else {STOPPED, SENT}
    if (
        generation.at and generation.workers > 1
    ):  # on a slow machine the others may have sent everything before
        expected |= {SENT}
    assert code in expected, scenario.log_tail()
    scenario.kills += code == -signal.SIGKILL
    scenario.relay.script.on_accepted = None
    if generation.then is not None:
        # A machine is lost as a whole, with those of an earlier generation too: they would die by SIGBUS as their files change.
        for other in list(scenario.running):
            other.send(signal.SIGKILL)
            scenario.ended(other)
            scenario.kills += 1
        generation.then(scenario)


def _kill_at(scenario: Scenario, generation: Generation, child: Child) -> None:
    done = False

    def kill(count: int) -> None:
        nonlocal done
        if count >= generation.at and not done:
            done = True
            child.send(generation.by)

    scenario.relay.script.on_accepted = kill


def _stop_all(scenario: Scenario) -> None:
    for child in list(scenario.running):
        child.send(signal.SIGTERM)
        scenario.ended(child)


def machine_lost(scenario: Scenario) -> None:
    """The worker comes back on another machine: nothing of the first one's home is left, and it says nothing for long."""
    shutil.rmtree(scenario.home())
    scenario.lost = scenario.kills
    scenario.patience = 0.0


def power_cut(scenario: Scenario) -> None:
    """The files are there, but the machine was started anew: what they say was never certainly on the disk."""
    for path in (scenario.home() / "evidence").glob("[0-9]*-*"):
        path.write_bytes(b"another-boot".ljust(64) + path.read_bytes()[64:].replace(b"\2", b"\0"))
    scenario.lost = scenario.kills
    scenario.patience = 0.0


def lease_over(scenario: Scenario) -> None:
    """It died before its evidence was there: only time tells."""
    scenario.patience = 0.0


def check_outcomes(
    scenario: Scenario, *, unknown: int | None = None, again: frozenset[str] = frozenset()
) -> OutcomeCounts:
    """Nobody got two copies and nobody is missing; no more are unknown than a kill may cost."""
    found = scenario.check_counts()
    with scenario.db.read() as session:
        rows = session.execute(
            select(Delivery.subscriber_id, Delivery.outcome, Delivery.due_at).where(
                Delivery.issue_id == scenario.number
            )
        ).all()
        assert session.get_one(Issue, scenario.number).state == "sent"
    outcomes = {address(reader): outcome for reader, outcome, _ in rows}
    assert len(rows) == found.planned == scenario.readers
    assert found.remaining == 0
    assert not [due for _, _, due in rows if due is not None]
    mailed = [mail.recipient for mail in scenario.relay.mails]
    twice = (
        {one for one in mailed if mailed.count(one) > 1} - again if len(mailed) != len(set(mailed)) else set()
    )
    assert not twice, f"two copies: {sorted(twice)}"
    ids = [mail.message_id for mail in scenario.relay.mails if mail.recipient not in again]
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
        scenario.kills * CONNECTIONS + scenario.lost * CONNECTIONS * scenario.batch
        if unknown is None
        else unknown
    )
    assert found.unknown <= allowed, found
    return found


def seeded_random(seed: int) -> random.Random:
    return random.Random(f"drill {seed}")


def patient(scenario: Scenario) -> None:
    """Let the relay's "not now" be over."""
    with scenario.db.begin() as session:
        session.execute(
            update(FrozenIssue).where(FrozenIssue.backoff_until.is_not(None)).values(backoff_until=utcnow())
        )


def backoff_count(scenario: Scenario) -> int:
    with scenario.db.read() as session:
        return (
            session.scalar(select(FrozenIssue.backoff_count).where(FrozenIssue.issue_id == scenario.number))
            or 0
        )


__all__ = ["Child", "Generation", "Scenario", "Script"]
