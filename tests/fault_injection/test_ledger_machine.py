"""The ledger against a simple model: whatever happens, and in whatever order, the sums hold and nobody gets two.

A line that is no line takes the relay's place, so that a process can die at any word of the conversation.
"""

import shutil
import tempfile
from collections import Counter
from collections.abc import AsyncIterable, Callable, Iterator
from contextlib import suppress
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from sqlalchemy import select
from tests.compiled_statements import share_compiled_statements
from tests.database_pool import DatabasePool
from tests.delivery.factories import BASE, KEYS, address, adds_up, issue, reconcile
from tests.snapshots import create_once

from digest.audience import erase, suppression, unsubscribe
from digest.db import Database, connect
from digest.delivery.ledger.counts import OutcomeCounts, count_outcomes
from digest.delivery.ledger.models import Delivery, FrozenIssue
from digest.delivery.release import batches, canary, control, freeze, unknown_deliveries
from digest.delivery.release.unknown_deliveries import Choice
from digest.delivery.sending import claim, connection, recovery, worker
from digest.editorial.models import Issue, State
from digest.errors import NotAllowed
from digest.signing import Signer
from digest.smtp.mail import ConnectionLost, DeliveryObserver, Mail
from digest.smtp.replies import Reply, Stage
from digest.smtp.url import relay_from_url

READERS = 14
BEGIN = datetime.fromisoformat("2026-11-02T09:00:00+00:00")
# What becomes of a mail, at its envelope or at its body.
TAKEN, LATER, NEVER, BROKEN = "taken", "later", "never", "the line breaks"
LATER_AT_END, LOST_TAKEN, LOST_NOT_TAKEN = "later at the end", "taken and lost", "not taken and lost"
DEATHS = DIES_BEFORE, DIES_MARKED, DIES_TAKEN, DIES_ANSWERED = (
    "dies before",
    "dies marked",
    "dies taken",
    "dies answered",
)
STALLS = "stalls"
FATES = (
    TAKEN,
    TAKEN,
    TAKEN,
    TAKEN,
    LATER,
    NEVER,
    BROKEN,
    LATER_AT_END,
    LOST_TAKEN,
    LOST_NOT_TAKEN,
    STALLS,
    *DEATHS,
)
readers = st.integers(1, READERS)
pytestmark = pytest.mark.no_cover


class Death(BaseException):
    """The process ends here; nothing of it is asked any more."""


class Fake:
    """A line in name only: it keeps to the order of the real one, and does what the plan says."""

    def __init__(self, machine: "Ledger") -> None:
        self.machine = machine

    async def send_all(self, mails: AsyncIterable[Mail | None], observer: DeliveryObserver) -> None:
        ready: Mail | None = None
        async for mail in mails:
            ready = self._step(ready, mail, observer)
        if ready is not None:
            self._step(ready, None, observer)

    def quit(self) -> None: ...

    def close(self) -> None: ...

    def _step(self, ready: Mail | None, following: Mail | None, watch: DeliveryObserver) -> Mail | None:
        coming = (following,) if following is not None else ()
        if ready is not None:
            self._body(ready, self._fate, coming, watch)
        if following is None:
            return None
        self._fate = self.machine.next_fate()
        if self._fate == BROKEN:
            raise ConnectionLost("it broke", unsent=coming)
        if self._fate in {LATER, NEVER}:
            reply = Reply(451, "4.7.1 later") if self._fate == LATER else Reply(550, "5.1.1 nobody")
            watch.answered(following, Stage.RCPT, reply)
            return None
        return following

    def _body(self, mail: Mail, fate: str, coming: tuple[Mail, ...], watch: DeliveryObserver) -> None:
        if fate == DIES_BEFORE:
            raise Death
        watch.before_body(mail)
        if fate == DIES_MARKED:
            raise Death
        if fate == LATER_AT_END:
            watch.answered(mail, Stage.BODY, Reply(452, "4.3.1 full"))
            return
        if fate != LOST_NOT_TAKEN:
            self.machine.take(mail)
        if fate == DIES_TAKEN:
            raise Death
        if fate in {LOST_TAKEN, LOST_NOT_TAKEN}:
            watch.lost(mail, "it broke")
            raise ConnectionLost("it broke", unsent=coming)
        watch.while_waiting_for_reply()
        if fate == STALLS:
            self.machine.while_waiting_for_reply()
        watch.answered(mail, Stage.BODY, Reply(250, "2.0.0 taken"))
        if fate == DIES_ANSWERED:
            raise Death


class Ledger(RuleBasedStateMachine):
    """Everything that anybody may do to an issue, in any order."""

    new_database: Callable[[], tuple[Database, Callable[[], None]]]

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="digest-drill-"))
        self.db, self._drop = type(self).new_database()
        self.now = BEGIN
        self.asleep = 0.0  # seconds that have passed on the machines' own clocks, too
        self.signer = Signer(KEYS)
        self.taken: Counter[int] = Counter()
        self.asked: Counter[int] = Counter()  # how often a person said "send again" of an unknown one
        self.counted: set[int] = set()
        self.gone: set[int] = set()
        self.ids: dict[int, bytes] = {}
        self.plan: list[str] = []
        self.stops = False
        self.stalled = False

    @initialize(bold=st.booleans())
    def create_due_issue(self, bold: bool) -> None:
        canary.MAX_WITHOUT_CANARY = 200 if bold else 8
        self.number, self.publication = create_once(self.db, "a scheduled issue", self.schedule)

    def schedule(self) -> tuple[int, int]:
        with self.db.begin() as session:
            made = issue(session, readers=READERS)
            made.send_at = BEGIN
            session.flush()
            return made.id, made.publication_id

    # What the clock does

    @precondition(lambda self: self.state == State.SCHEDULED)
    @rule()
    def freeze(self) -> None:
        with self.db.begin() as session:
            made = session.get_one(Issue, self.number)
            freeze.freeze(session, made, signer=self.signer, base_url=BASE, now=self.now)

    @precondition(lambda self: self.frozen is not None and self.frozen.audience_done_at is None)
    @rule(limit=st.integers(2, 9), dies=st.booleans())
    def freeze_step(self, limit: int, dies: bool) -> None:
        with suppress(Death), self.db.begin() as session:
            freeze.write_next_audience(session, self.number, self.now, connections=1, limit=limit)
            if dies:
                raise Death

    @rule()
    def tidy(self) -> None:
        if reconcile(self.db, self.now):
            assert self.counts.remaining == 0

    @rule(home=st.integers(0, 1), dies=st.booleans())
    def recover(self, home: int, dies: bool) -> None:
        with suppress(Death), self.db.begin() as session:
            recovery.recover_batches(session, self.home(home), self.now)
            if dies:
                raise Death

    @rule(minutes=st.sampled_from([1, 20, 600]))
    def wait(self, minutes: int) -> None:
        self.pass_by(minutes * 60)

    @rule(plan=st.lists(st.sampled_from(FATES), max_size=10), stops=st.booleans(), home=st.integers(0, 1))
    def send(self, plan: list[str], stops: bool, home: int) -> None:
        self.plan, self.stops = list(plan), stops
        with suppress(Death):
            self.work(home)
        self.plan, self.stops = [], False

    @precondition(lambda self: self.marks)
    @rule()
    def lose_the_evidence(self) -> None:
        for path in self.marks:
            path.unlink()

    @precondition(lambda self: self.marks)
    @rule()
    def start_the_machine_anew(self) -> None:
        for path in self.marks:
            path.write_bytes(b"another-boot".ljust(64) + path.read_bytes()[64:])

    # What people do

    @precondition(lambda self: self.frozen is not None)
    @rule(
        act=st.sampled_from([control.pause, control.resume, control.resume, control.cancel]),
        much=st.integers(0, 4),
    )
    def steer(self, act: Callable[..., None], much: int) -> None:
        if act is control.cancel and much:  # seldom, for it is the end
            return
        with suppress(NotAllowed), self.db.begin() as session:
            act(session, session.get_one(Issue, self.number), now=self.now, by="a person")

    @rule(reader=readers, how=st.sampled_from(["leaves", "complains", "is forgotten"]))
    def go(self, reader: int, how: str) -> None:
        with self.db.begin() as session:
            if how == "leaves":
                unsubscribe.unsubscribe(session, self.publication, reader, source="page", now=self.now)
            elif how == "complains":
                suppression.suppress_subscriber(session, self.signer, reader, "complaint", self.now)
            else:
                erase.erase(session, self.signer, address(reader), self.now)
        self.gone.add(reader)

    @rule(reader=readers)
    def send_again(self, reader: int) -> None:
        before = self.outcomes().get(reader)
        if before not in {"unknown", "failed"} or self.state == State.CANCELLED:
            return
        with self.db.begin() as session:
            control.send_again(session, session.get_one(Issue, self.number), reader, now=self.now)
        self.asked[reader] += before == "unknown"

    @rule(reader=readers)
    def count_as_sent(self, reader: int) -> None:
        if self.outcomes().get(reader) != "unknown":
            return
        with self.db.begin() as session:
            control.count_as_sent(session, session.get_one(Issue, self.number), reader, now=self.now)
        self.counted.add(reader)

    @rule(act=st.sampled_from([unknown_deliveries.send_again, unknown_deliveries.count_as_sent]))
    def decide_about_all(self, act: Callable[..., int]) -> None:
        unknown = {reader for reader, outcome in self.outcomes().items() if outcome == "unknown"}
        if not unknown or self.state == State.CANCELLED:
            return
        with self.db.begin() as session:
            found = unknown_deliveries.count_unknown(session, self.number)
            assert found.upto is not None
            issue, choice = session.get_one(Issue, self.number), Choice(found.upto)
            assert act(session, issue, choice, now=self.now) == len(unknown)
        if act is unknown_deliveries.count_as_sent:
            self.counted |= unknown
        else:
            self.asked.update(unknown)

    # What always holds

    @invariant()
    def the_sums_hold(self) -> None:
        found = self.counts
        assert adds_up(found)
        if self.frozen is not None:
            assert found.planned == self.frozen.planned
            if self.frozen.audience_done_at is not None:
                assert found.planned == READERS

    @invariant()
    def nobody_has_two(self) -> None:
        for reader, copies in self.taken.items():
            assert copies <= 1 + self.asked[reader], f"reader {reader} has {copies}"

    @invariant()
    def accepted_means_taken(self) -> None:
        outcomes = self.outcomes()
        accepted = {reader for reader, outcome in outcomes.items() if outcome == "accepted"}
        assert accepted <= set(self.taken) | self.counted
        hidden = {
            reader
            for reader in self.taken
            if outcomes[reader] in {"excluded", "failed"} and not self.asked[reader]
        }
        assert not hidden, f"they have a mail, and the ledger says that they have none: {hidden}"

    def teardown(self) -> None:
        try:
            self.come_to_an_end()
        finally:
            self.db.close()
            self._drop()
            shutil.rmtree(self.folder)

    def come_to_an_end(self) -> None:
        """Left alone, with a person who resumes what paused, it ends; and then everybody has an outcome."""
        for _ in range(25):
            self.pass_by(5 * 3600)
            if self.state == State.SCHEDULED:
                self.now = BEGIN
                self.freeze()
            while self.frozen is not None and self.frozen.audience_done_at is None and self.alive:
                self.freeze_step(9, dies=False)
            self.steer(control.resume, 0)
            self.tidy()
            self.work(0)
            if self.counts.remaining == 0 and self.state in {State.SENT, State.CANCELLED}:
                break
        found = self.counts
        assert found.remaining == 0, (self.state, found)
        assert self.state in {State.SENT, State.CANCELLED}
        self.the_sums_hold()
        self.nobody_has_two()
        self.accepted_means_taken()
        for reader, outcome in self.outcomes().items():
            if not self.taken[reader] and reader not in self.counted:
                assert outcome in {"excluded", "failed", "unknown"}, reader

    # What the rules stand on

    def work(self, home: int, later: timedelta = timedelta()) -> None:
        worker.send_due_batches(
            self.db,
            signer=self.signer,
            relay=relay_from_url("smtp://127.0.0.1:1?connections=1"),
            home=self.home(home),
            retry_delay=timedelta(minutes=1),
            clock=lambda: self.now + later,
            stopping=lambda: self.stops and not self.plan,
        )

    def next_fate(self) -> str:
        return self.plan.pop(0) if self.plan else TAKEN

    def take(self, mail: Mail) -> None:
        reader = int(mail.recipient.partition(b"@")[0].removeprefix(b"reader"))
        self.taken[reader] += 1
        assert reader not in self.gone, f"reader {reader} left before"
        name = next(line for line in mail.data.split(b"\r\n") if line.startswith(b"Message-ID"))
        assert self.ids.setdefault(reader, name) == name

    def while_waiting_for_reply(self) -> None:
        """This process stands still for ten minutes, in which another machine watches, takes over and sends on."""
        if self.stalled:
            return
        self.stalled = True
        plan, stops = self.plan, self.stops
        self.plan, self.stops = [TAKEN, TAKEN], bool(len(plan) % 2)
        for _ in range(3):
            self.recover(9, dies=False)
            self.pass_by(200)
        try:
            self.work(9)
        finally:
            if len(plan) % 3 == 0:
                self.asleep -= 600.0  # the clock of this machine stood still, too: it believes in its lease
            self.plan, self.stops, self.stalled = plan, stops, False

    def pass_by(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)
        self.asleep += seconds

    def home(self, number: int) -> Path:
        return self.folder / f"home{number}"

    @property
    def marks(self) -> list[Path]:
        return sorted(self.folder.glob("home*/evidence/[0-9]*-*"))

    @property
    def counts(self) -> OutcomeCounts:
        with self.db.read() as session:
            return count_outcomes(session, self.number)

    @property
    def state(self) -> State:
        with self.db.read() as session:
            return State(session.scalars(select(Issue.state).where(Issue.id == self.number)).one())

    @property
    def alive(self) -> bool:
        return self.state in {State.SENDING, State.PAUSED}

    @property
    def frozen(self) -> FrozenIssue | None:
        with self.db.read() as session:
            found = session.get(FrozenIssue, self.number)
            session.expunge_all()
            return found

    def outcomes(self) -> dict[int, str | None]:
        with self.db.read() as session:
            rows = session.execute(
                select(Delivery.subscriber_id, Delivery.outcome).where(Delivery.issue_id == self.number)
            )
            return dict(rows.all())


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Batches of five and a line that is none; one clock for the machine's own time."""
    machines: list[Ledger] = []
    began = claim.boot_time
    monkeypatch.setattr(batches, "MAX_BATCH_SIZE", 5)
    monkeypatch.setattr(canary, "MAX_WITHOUT_CANARY", 200)
    monkeypatch.setattr(canary, "MIN_CANARY", 3)
    monkeypatch.setattr(freeze, "compile_issue", cache(freeze.compile_issue))  # always the same issue
    plain = Ledger.__init__

    def remembered(machine: Ledger) -> None:
        plain(machine)
        machines[:] = [machine]

    monkeypatch.setattr(Ledger, "__init__", remembered)
    monkeypatch.setattr(connection, "connect", lambda *_given, **_named: Fake(machines[0]))
    monkeypatch.setattr(claim, "boot_time", lambda: began() + machines[0].asleep)
    yield
    machines.clear()


def play(examples: int, steps: int, new_database: Callable[[], tuple[Database, Callable[[], None]]]) -> None:
    Ledger.new_database = staticmethod(new_database)
    run_state_machine_as_test(
        Ledger,
        settings=settings(
            max_examples=examples,
            stateful_step_count=steps,
            derandomize=True,
            database=None,
            deadline=None,
            phases=[Phase.generate],  # to look for a smaller example would take minutes
            suppress_health_check=list(HealthCheck),
        ),
    )


@pytest.mark.timeout(300)
def test_the_ledger_keeps_its_promises_on_sqlite(sqlite_template: Path, tmp_path: Path, small: None) -> None:
    def new() -> tuple[Database, Callable[[], None]]:
        path = Path(tempfile.mkdtemp(dir=tmp_path)) / "digest.sqlite3"
        shutil.copy(sqlite_template, path)
        return share_compiled_statements(connect(f"sqlite:///{path}")), lambda: None

    play(20, 30, new)


@pytest.mark.timeout(300)
def test_the_ledger_keeps_its_promises_on_postgres(database_pool: DatabasePool, small: None) -> None:
    def new() -> tuple[Database, Callable[[], None]]:
        url = database_pool.acquire()
        return share_compiled_statements(connect(url)), lambda: database_pool.release(url)

    play(6, 30, new)
