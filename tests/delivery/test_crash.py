"""Real processes, really killed: nobody twice, nobody lost, and it goes on by itself."""

import random
import shutil
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import select
from tests.delivery.factories import address, adds_up, frozen, state, tally, until_done
from tests.fork_server import Child, fork_server
from tests.relay import Relay, Script

from digest.db import Database, utcnow
from digest.delivery.ledger.models import Batch, Delivery
from digest.delivery.sending import claim, group_size, progress_journal, recovery

ROOT = Path(__file__).parent.parent.parent
READERS = 3000
pytestmark = pytest.mark.crash


class Sender:
    """A sending process. `at` numbers of mails taken are the moments at which it is killed and started anew."""

    def __init__(self, db: Database, home: Path, connections: int = 2) -> None:
        self.url = db.engine.url.render_as_string(hide_password=False)
        self.home, self.connections = home, connections
        self.process: Child | None = None

    def start(self, relay: Relay, *, alone: bool = False) -> None:
        """`alone`: all that were before are known to be dead, and nobody need be watched."""
        url = f"{relay.url}?connections={self.connections}"
        self.process = fork_server().start(
            "tests.delivery.killable_sender", self.url, str(self.home), url, alone
        )

    def send(self, number: signal.Signals) -> None:
        assert self.process is not None
        self.process.send(number)

    def ended(self, seconds: float = 60) -> int | None:
        assert self.process is not None
        return self.process.ended(seconds)


@contextmanager
def nobody_watched() -> Iterator[None]:
    """As after a minute in which the dead said nothing."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(recovery.LIVENESS, "patience", 0.0)
        yield


def drill(
    db: Database, home: Path, points: list[int], between: Callable[[], object], connections: int = 2
) -> tuple[int, Relay]:
    """Send an issue with a process that is killed when the relay has taken so many mails."""
    number = frozen(db, readers=READERS)
    sender = Sender(db, home, connections)
    waiting = sorted(points)

    def kill_at(count: int) -> None:
        if waiting and count >= waiting[0]:
            waiting.pop(0)
            sender.send(signal.SIGKILL)

    with Relay(Script(on_accepted=kill_at)) as relay:
        for life in range(len(points)):
            sender.start(relay, alone=life > 0)
            assert sender.ended() == -signal.SIGKILL
            found = tally(db, number)
            assert adds_up(found)
            between()
        with nobody_watched():
            found = until_done(db, home, relay.url, number)
    assert found.remaining == 0
    assert state(db, number).state == "sent"
    return number, relay


@pytest.mark.parametrize("seed", [1, 2])
def test_a_killed_sender_leaves_one_unknown_per_connection_at_most(
    db: Database, tmp_path: Path, seed: int
) -> None:
    chance = random.Random(seed)
    points = sorted(chance.sample(range(1, READERS - 600), 4))
    number, relay = drill(db, tmp_path, points, lambda: None)
    found = tally(db, number)
    assert found.accepted + found.unknown == READERS
    assert found.unknown <= len(points) * 2
    _nobody_twice_nobody_lost(db, number, relay)


def test_without_its_journal_what_may_have_been_sent_is_unknown_and_never_sent_again(
    db: Database, tmp_path: Path
) -> None:
    points = [400, 1500]
    number, relay = drill(db, tmp_path, points, lambda: shutil.rmtree(tmp_path / "evidence"))
    found = tally(db, number)
    assert found.accepted + found.unknown == READERS
    assert found.unknown <= len(points) * 2 * (group_size.MAX_GROUP_SIZE + 1)
    _nobody_twice_nobody_lost(db, number, relay)


def test_a_journal_from_another_boot_is_not_trusted(sqlite: Database, tmp_path: Path) -> None:
    def reboot() -> None:
        for path in (tmp_path / "evidence").iterdir():
            if path.name != "id":
                path.write_bytes(b"another boot".ljust(64) + path.read_bytes()[64:].replace(b"\1", b"\0"))

    number, relay = drill(sqlite, tmp_path, [700], reboot)
    _nobody_twice_nobody_lost(sqlite, number, relay)


def test_a_killed_holder_is_taken_over_at_once_and_a_living_one_never(
    sqlite: Database, tmp_path: Path
) -> None:
    number = frozen(sqlite, readers=10)
    with sqlite.begin() as session:
        held = claim.claim(
            session, holder=progress_journal.home_id(tmp_path) + ":1:1", now=utcnow(), connections=1
        )
    assert held is not None
    file = progress_journal.ProgressJournal(tmp_path, held.batch_id, held.fence, held.size)
    with sqlite.begin() as session:
        assert recovery.recover_batches(session, tmp_path, utcnow() + timedelta(days=1)) == 0
        assert claim.renew(session, held, utcnow(), started_upto=5)
    for place, mark in enumerate(
        [progress_journal.ACCEPTED, progress_journal.REFUSED, progress_journal.HANDED_OVER]
    ):
        file.mark(place, mark)
    file.close(settled=False)
    with sqlite.begin() as session:
        assert recovery.recover_batches(session, tmp_path, utcnow()) == 1
    found = tally(sqlite, number)
    assert (found.accepted, found.unknown, found.remaining) == (1, 1, 8)
    with sqlite.begin() as session:
        assert not claim.renew(session, held, utcnow(), started_upto=9)
        assert session.scalars(select(Batch.started_upto)).one() == 1


def test_a_suspended_process_that_wakes_up_late_sends_nothing_that_was_taken_over(
    sqlite: Database, tmp_path: Path
) -> None:
    """Two homes, as on two machines: the first is stopped, its lease runs out, the second sends, the first wakes."""
    number = frozen(sqlite, readers=2000)
    sender = Sender(sqlite, tmp_path / "a", connections=1)
    stopped: list[int] = []

    def stop_at(count: int) -> None:
        if count == 300:
            sender.send(signal.SIGSTOP)
            stopped.append(count)

    with Relay(Script(on_accepted=stop_at)) as relay:
        sender.start(relay)
        while not stopped:
            assert sender.ended(0.01) is None
        with nobody_watched():
            until_done(sqlite, tmp_path / "b", relay.url, number)
        sender.send(signal.SIGCONT)
        assert sender.ended() == 0
    assert len(relay.recipients) == len(set(relay.recipients))
    found = tally(sqlite, number)
    assert found.accepted + found.unknown == 2000
    assert found.unknown <= group_size.MAX_GROUP_SIZE + 1


def _nobody_twice_nobody_lost(db: Database, number: int, relay: Relay) -> None:
    """Who is accepted has one mail; who has none is unknown, by name."""
    mailed = relay.recipients
    assert len(mailed) == len(set(mailed))
    with db.read() as session:
        rows = session.execute(select(Delivery.subscriber_id, Delivery.outcome)).all()
    accepted = {address(reader) for reader, outcome in rows if outcome == "accepted"}
    unknown = {address(reader) for reader, outcome in rows if outcome == "unknown"}
    assert accepted <= set(mailed)
    assert {address(n) for n in range(1, READERS + 1)} - set(mailed) <= unknown
