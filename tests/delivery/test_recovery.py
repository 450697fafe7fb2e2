"""What is done with the evidence of a claim that is over: it settles what it can, and goes."""

from datetime import datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import select
from tests.delivery.factories import frozen, row, tally, work

from digest.db import Database, utcnow
from digest.delivery.ledger.models import Batch, WorkerRegistration
from digest.delivery.sending import claim, progress_journal, recovery, worker_registry
from digest.delivery.sending.claim import Claim
from digest.delivery.sending.progress_journal import ACCEPTED, HANDED_OVER, REFUSED, ProgressJournal

NOWHERE = "smtp://127.0.0.1:9"


def crashed(db: Database, home: Path, marks: list[int]) -> Claim:
    """A claim of `home` whose process died after it had marked so much."""
    with db.begin() as session:
        held = claim.claim(
            session, holder=f"{progress_journal.home_id(home)}:1:1", now=utcnow(), connections=1
        )
        assert held is not None
        assert claim.renew(session, held, utcnow(), started_upto=len(marks) + 1)
    file = ProgressJournal(home, held.batch_id, held.fence, held.size)
    for place, mark in enumerate(marks):
        file.mark(place, mark)
    file.close(settled=False)
    return held


def look(db: Database, home: Path, now: datetime) -> int:
    """What the clock does every five seconds on the machine of `home`."""
    with db.begin() as session:
        return recovery.recover_batches(session, home, now)


class Hours:
    """The clock of this machine that nobody sets: the tests set it."""

    def __init__(self) -> None:
        self.at = 1000.0

    def pass_by(self, seconds: float) -> timedelta:
        self.at += seconds
        return timedelta(seconds=seconds)


@pytest.fixture
def hours(monkeypatch: pytest.MonkeyPatch) -> Hours:
    made = Hours()
    monkeypatch.setattr(claim, "boot_time", lambda: made.at)
    return made


def test_the_journal_of_a_claim_taken_over_is_deleted_after_the_commit(db: Database, tmp_path: Path) -> None:
    number = frozen(db, readers=10)
    held = crashed(db, tmp_path, [ACCEPTED, REFUSED, HANDED_OVER])
    with pytest.raises(ZeroDivisionError), db.begin() as session:  # as a crash before the commit would
        assert recovery.recover_batches(session, tmp_path, utcnow()) == 1
        assert recovery.settle_spent_journals(session, tmp_path, utcnow()) == [(held.batch_id, held.fence)]
        raise ZeroDivisionError
    assert progress_journal.list_journals(tmp_path) == [(held.batch_id, held.fence)]
    work(db, tmp_path, NOWHERE)
    assert progress_journal.list_journals(tmp_path) == []
    found = tally(db, number)
    assert (found.accepted, found.unknown, found.remaining) == (1, 1, 8)


def test_a_holder_whose_batch_was_taken_over_can_begin_nothing(db: Database, tmp_path: Path) -> None:
    frozen(db, readers=10)
    held = crashed(db, tmp_path, [ACCEPTED, HANDED_OVER])
    assert look(db, tmp_path, utcnow()) == 1
    with db.begin() as session:
        assert not claim.renew(session, held, utcnow())
        assert not claim.renew(session, held, utcnow(), started_upto=held.size)
    with db.read() as session:
        batch = session.get_one(Batch, held.batch_id)
        assert (batch.holder, batch.started_upto) == (
            None,
            2,
        )  # the next holder goes on after what was handed over


def test_the_journal_of_a_held_claim_stays(sqlite: Database, tmp_path: Path) -> None:
    frozen(sqlite, readers=10)
    with sqlite.begin() as session:
        held = claim.claim(
            session, holder=f"{progress_journal.home_id(tmp_path)}:1:1", now=utcnow(), connections=1
        )
    assert held is not None
    file = ProgressJournal(tmp_path, held.batch_id, held.fence, held.size)
    assert look(sqlite, tmp_path, utcnow()) == 0
    work(sqlite, tmp_path, NOWHERE)
    assert progress_journal.list_journals(tmp_path) == [(held.batch_id, held.fence)]
    with sqlite.begin() as session:  # given back, and killed before the file was removed
        claim.release(session, held, utcnow(), started_upto=held.size)
    file.close(settled=False)
    work(sqlite, tmp_path, NOWHERE)
    assert progress_journal.list_journals(tmp_path) == []


def test_the_journal_of_a_dead_holder_stays_until_its_batch_is_taken_over_or_given_back(
    db: Database, tmp_path: Path
) -> None:
    frozen(db, readers=10)
    held = crashed(db, tmp_path, [ACCEPTED])
    with db.begin() as session:
        assert recovery.settle_spent_journals(session, tmp_path, utcnow()) == []
        claim.release(session, held, utcnow(), started_upto=2)
        spent = recovery.settle_spent_journals(session, tmp_path, utcnow())
    assert spent == [(held.batch_id, held.fence)]


def test_only_the_batch_of_the_dead_holder_is_taken_over(
    db: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """One batch is free, and one is done but has mails that wait for another attempt."""
    monkeypatch.setattr(recovery.LIVENESS, "patience", 0.0)
    number = frozen(db, readers=3)
    with db.begin() as session:
        dead = worker_registry.worker_name(f"{progress_journal.home_id(tmp_path)}:1:1")
        worker_registry.heartbeat(session, dead, utcnow(), 0.0)
        worker_registry.heartbeat(session, "elsewhere:1", utcnow(), 0.0)
        done = Batch(issue_id=number, due_at=utcnow(), size=1, started_upto=1, done_at=utcnow())
        free = Batch(issue_id=number, due_at=utcnow(), size=1)
        session.add_all([done, free])
    held = crashed(db, tmp_path, [ACCEPTED, HANDED_OVER])
    assert look(db, tmp_path, utcnow()) == 1
    assert look(db, tmp_path, utcnow()) == 0
    with db.read() as session:
        taken, *others = session.scalars(select(Batch).order_by(Batch.id)).all()
        assert (taken.id, taken.started_upto) == (held.batch_id, 2)
        assert [(batch.fence, batch.started_upto) for batch in others] == [(0, 1), (0, 0)]
        assert session.scalars(select(WorkerRegistration.name)).all() == ["elsewhere:1"]
    (taken_over,) = [record.__dict__ for record in caplog.records if record.message == "batch taken over"]
    assert (taken_over["journal"], taken_over["settled"]) == (True, 2)


def test_a_journal_that_was_cut_short_proves_nothing_about_the_rest(db: Database, tmp_path: Path) -> None:
    number = frozen(db, readers=10)
    held = crashed(db, tmp_path, [ACCEPTED, REFUSED, REFUSED])
    path = tmp_path / "evidence" / f"{held.batch_id}-{held.fence}"
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) - held.size + 2])
    assert look(db, tmp_path, utcnow()) == 1
    assert [row(db, number, reader).outcome for reader in (1, 2, 3)] == ["accepted", None, "unknown"]


def test_our_marks_settle_what_another_machine_could_not_know(
    db: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", recovery.LOG.name)
    number = frozen(db, readers=10)
    crashed(db, tmp_path / "a", [ACCEPTED, REFUSED, HANDED_OVER, ACCEPTED])
    monkeypatch.setattr(recovery.LIVENESS, "patience", 0.0)  # as after a minute
    assert look(db, tmp_path / "b", utcnow()) == 1
    assert tally(db, number).unknown == 5
    work(db, tmp_path / "b", NOWHERE)
    assert tally(db, number).unknown == 5
    work(db, tmp_path / "a", NOWHERE)
    found = tally(db, number)
    assert (found.accepted, found.unknown, found.remaining) == (2, 3, 5)
    assert [row(db, number, reader).outcome for reader in (1, 2, 3, 4)] == [
        "accepted",
        "unknown",
        "unknown",
        "accepted",
    ]
    assert progress_journal.list_journals(tmp_path / "a") == []
    settled = [record for record in caplog.records if record.message == "unknown deliveries settled"]
    assert [record.__dict__["settled"] for record in settled] == [2]


@pytest.mark.parametrize("minutes", [-20, 0, 20])
def test_another_machine_takes_over_within_a_minute_whatever_the_clocks_say(
    db: Database, tmp_path: Path, hours: Hours, minutes: int
) -> None:
    """Not before the dead one's lease is surely over, and not much later; by the clock of whoever watches."""
    frozen(db, readers=10)
    crashed(db, tmp_path / "a", [ACCEPTED])
    now, waited = utcnow() + timedelta(minutes=minutes), 0.0
    while not look(db, tmp_path / "b", now):
        now += hours.pass_by(5)
        waited += 5
        assert waited <= 55
    assert waited > claim.LEASE.total_seconds() + 5


@pytest.mark.parametrize("turns", [(0, 0, 0), (20, 0, -20), (-20, 20, 0)], ids=str)
def test_a_holder_that_renews_is_never_taken_over_however_often_clocks_are_set(
    db: Database, tmp_path: Path, hours: Hours, turns: tuple[int, int, int]
) -> None:
    """The clocks of both stand, or are set again and again; each renewal is seen all the same."""
    frozen(db, readers=10)
    held = crashed(db, tmp_path / "a", [ACCEPTED])
    base = utcnow()
    for turn in range(24):
        with db.begin() as session:
            assert claim.renew(session, held, base + timedelta(minutes=turns[turn % 3]))
        # The keeper comes every six seconds; once it comes so late that it holds by a hair.
        for _ in range(7 if turn == 12 else 1):
            assert look(db, tmp_path / "b", base + timedelta(minutes=turns[turn % 2])) == 0
            hours.pass_by(5.5)


def test_each_renewal_writes_a_new_value_even_when_the_clock_is_set_back(
    db: Database, tmp_path: Path
) -> None:
    frozen(db, readers=10)
    held = crashed(db, tmp_path / "a", [])
    now = utcnow()
    seen = []
    for minutes in (0, 0, -20, 0, 20, 20, 0):
        with db.begin() as session:
            assert claim.renew(session, held, now + timedelta(minutes=minutes))
        with db.read() as session:
            seen.append(session.get_one(Batch, held.batch_id).lease_until)
    assert len(set(seen)) == len(seen)


def test_after_a_long_database_outage_a_living_holder_has_time_to_renew(
    db: Database, tmp_path: Path, hours: Hours
) -> None:
    """Nobody could renew anything, nor look. Whoever looks first must not take everything."""
    frozen(db, readers=10)
    held = crashed(db, tmp_path / "a", [ACCEPTED])
    home, now = tmp_path / "b", utcnow()
    assert look(db, home, now) == 0
    hours.pass_by(5)
    assert look(db, home, now) == 0
    now += hours.pass_by(600)
    for _ in range(3):
        assert look(db, home, now) == 0
        now += hours.pass_by(4)
    with db.begin() as session:
        assert claim.renew(session, held, now, started_upto=3)
    for _ in range(7):
        assert look(db, home, now) == 0
        now += hours.pass_by(5)


def test_our_own_holder_is_watched_without_a_journal_and_judged_at_once_with_one(
    db: Database, tmp_path: Path, hours: Hours
) -> None:
    frozen(db, readers=10)
    held = crashed(db, tmp_path, [ACCEPTED])
    path = tmp_path / "evidence" / f"{held.batch_id}-{held.fence}"
    kept = path.read_bytes()
    path.unlink()
    for _ in range(8):
        assert look(db, tmp_path, utcnow() + timedelta(minutes=20)) == 0
        hours.pass_by(4)
    path.write_bytes(kept)
    assert look(db, tmp_path, utcnow() - timedelta(minutes=20)) == 1


def test_a_holder_that_renews_during_the_takeover_keeps_its_batch(
    db: Database, tmp_path: Path, hours: Hours, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was watched for long enough; between the look and the update it comes back."""
    frozen(db, readers=10)
    held = crashed(db, tmp_path / "a", [ACCEPTED])
    monkeypatch.setattr(recovery.LIVENESS, "patience", 0.0)
    with db.begin() as session:
        batch = session.get_one(Batch, held.batch_id)
        session.expunge(batch)
    with db.begin() as session:
        assert claim.renew(session, held, utcnow())
    with db.begin() as session:
        own = progress_journal.home_id(tmp_path / "b")
        assert not recovery._take_over(session, batch, tmp_path / "b", own, utcnow(), silent=True)
    with db.begin() as session:
        assert claim.renew(session, held, utcnow())


def test_a_claim_of_the_same_number_changes_nothing_in_the_journal_of_a_living_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A database that was set back hands out the same claim again."""
    monkeypatch.setattr(progress_journal, "LOCK_SECONDS", 0.01)
    living = ProgressJournal(tmp_path, 7, 1, 3)
    living.mark(0, ACCEPTED)
    with pytest.raises(OSError, match="is held by another process"):
        ProgressJournal(tmp_path, 7, 1, 5)
    assert progress_journal.read_marks(tmp_path, 7, 1) == bytes([ACCEPTED, 0, 0])
    living.close(settled=False)
    ProgressJournal(tmp_path, 7, 1, 5).close(settled=False)
    assert progress_journal.read_marks(tmp_path, 7, 1) == bytes(5)
