"""A holder that stands still, or cannot reach the database: its lease runs out, and it begins nothing more."""

import signal
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select
from tests.fault_injection.scenario import CONNECTIONS, Field, verdict
from tests.fault_injection.worker_process import SENT
from tests.relay import Script

from digest.db import Database, utcnow
from digest.delivery.ledger.models import Batch
from digest.delivery.sending import claim, group_size, progress_journal
from digest.editorial.models import Issue

READERS = 300
BOTH = ("sqlite", "postgres")
pytestmark = pytest.mark.crash


@pytest.mark.parametrize("slept", [False, True], ids=["machine-paused", "slept"])
@pytest.mark.parametrize("database", BOTH)
def test_a_process_that_stood_still_past_its_lease_sends_nothing_twice(
    slept: bool, database: str, ground: Callable[..., Field], request: pytest.FixtureRequest
) -> None:
    """The other machine takes over as nothing moves; the first wakes with its lease over, or believing that it is not."""
    # One connection: a process that stands still in a transaction would hold SQLite's lock.
    field = ground(request.getfixturevalue(database), readers=READERS, connections=1)
    stood: list[int] = []

    def stop(count: int) -> None:
        if count == 60:
            first.send(signal.SIGSTOP)
            stood.append(count)

    field.relay.script.on_accepted = stop
    first = field.start(lease=9.0 if slept else None)
    field.until(lambda: stood)
    woken_at = claim.boot_time() + 1.5
    field.patience = 1.0
    other = field.start(home=1)
    assert field.ended(other) == SENT
    field.until(lambda: claim.boot_time() > woken_at)
    before = field.relay.count
    first.send(signal.SIGCONT)
    assert field.ended(first) == SENT
    if slept:
        assert field.relay.count == before
    verdict(field, unknown=CONNECTIONS * field.batch)


@pytest.mark.parametrize(
    ("ours", "theirs", "swings", "database"),
    [(0, 20, 0, "sqlite"), (-20, 0, 0, "postgres"), (0, 0, 20, "sqlite"), (0, 0, 20, "postgres")],
    ids=["theirs-ahead", "ours-behind", "both-set-while-sending-sqlite", "both-set-while-sending-postgres"],
)
def test_a_clock_that_is_off_takes_nothing_from_who_lives(
    ours: int,
    theirs: int,
    swings: int,
    database: str,
    ground: Callable[..., Field],
    request: pytest.FixtureRequest,
) -> None:
    """A slow relay stops us in a large group, while another machine looks again and again who may be gone."""
    field = ground(request.getfixturevalue(database), readers=READERS)
    with field.db.begin() as session:  # its hour has come by every clock
        session.get_one(Issue, field.number).send_at = utcnow() - timedelta(minutes=45)
    field.relay.script.on_accepted = lambda count: setattr(
        field.relay.script, "delay", 1.2 if 160 <= count < 164 else 0.0
    )
    first = field.start(minutes=ours, swings=swings)
    field.until(lambda: field.relay.count >= 160)
    other = field.start(home=1, minutes=theirs, swings=swings)
    assert {field.ended(first), field.ended(other)} == {SENT}
    assert verdict(field, unknown=0).accepted == READERS


def test_a_holder_that_cannot_renew_its_lease_begins_nothing_after_it(
    sqlite: Database, ground: Callable[..., Field]
) -> None:
    """The database is held by somebody else while a slow relay takes a group: the keeper waits, the lease ends."""
    field = ground(sqlite, Script(delay=0.25), readers=40, batch=40)
    held: list[Any] = []

    def hold(count: int) -> None:
        if count == 1:
            session = sqlite.engine.connect()
            session.begin()
            held.append(session)

    field.relay.script.on_accepted = hold
    hand = field.start(lease=9.0)
    field.until(lambda: held)
    over = claim.boot_time() + 2.5
    field.until(lambda: claim.boot_time() > over)
    begun = field.relay.count
    assert begun < 10, "the first group of ten went on after the lease"
    over = claim.boot_time() + 0.6
    field.until(lambda: claim.boot_time() > over)
    assert field.relay.count == begun
    field.relay.script.delay = 0.0
    for session in held:
        session.rollback()
        session.close()
    assert field.ended(hand) == SENT
    verdict(field, unknown=0)


def test_evidence_that_cannot_be_written_holds_nothing_up(
    sqlite: Database, ground: Callable[..., Field]
) -> None:
    """A full disk: the claim is given back by time, and not held by an open file of a process that lives on."""
    field = ground(sqlite, readers=20)
    home = field.home()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(progress_journal.os, "write", lambda _file, data: len(data) // 2)
        with pytest.raises(OSError, match="cannot write the progress journal"):
            progress_journal.ProgressJournal(home, 7, 1, 500)
    assert not progress_journal.is_held(home, 7, 1)
    assert progress_journal.read_marks(home, 7, 1) is None


def test_nobody_is_in_hand_when_all_is_over(sqlite: Database, ground: Callable[..., Field]) -> None:
    field = ground(sqlite, readers=READERS)
    assert field.ended(field.start()) == SENT
    with sqlite.read() as session:
        rows = session.scalars(select(Batch)).all()
        assert all(row.holder is None and row.done_at is not None for row in rows)
        assert all(row.lease_until is None or row.lease_until < utcnow() for row in rows)
    assert [path.name for path in (field.home() / "evidence").iterdir()] == ["id"]
    assert group_size.MAX_GROUP_SIZE <= 200
