"""A database that is a copy, or older than it was, sends nothing until a person has said what went out elsewhere."""

import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import select, text, update
from sqlalchemy.exc import OperationalError
from tests.delivery.factories import (
    BASE,
    KEYS,
    address,
    adds_up,
    frozen,
    issue,
    reconcile,
    tally,
    until_done,
    work,
    write_audience,
)
from tests.relay import Relay

from digest.db import Database, connect, utcnow
from digest.delivery.ledger.logged_readers import find_logged
from digest.delivery.ledger.models import Delivery, Letter, RestoredIssue
from digest.delivery.letters.delivery import send_due_letters
from digest.delivery.letters.outbox import enqueue_letter
from digest.delivery.release import control, restored, went_out
from digest.delivery.release.restored import may_send
from digest.editorial.models import Issue, State
from digest.errors import NotAllowed
from digest.installation import identity, location
from digest.installation.home_memory import recall, remember
from digest.installation.models import Installation
from digest.installation.progress_memory import Kind, Progress, ProgressMemory, recall_progress
from digest.signing import Signer
from digest.smtp.url import relay_from_url

READERS = 60
LATER = timedelta(minutes=1)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    made = tmp_path / "home"
    made.mkdir()
    return made


def installation(db: Database) -> Installation:
    with db.read() as session:
        found = session.scalars(select(Installation)).one()
        session.expunge_all()
        return found


def relocate(db: Database) -> None:
    """What the row says in a database that was copied from elsewhere."""
    with db.begin() as session:
        session.execute(update(Installation).values(location="elsewhere"))


def hold(db: Database) -> None:
    with db.begin() as session:
        restored.hold(session, "it was restored", known_until=utcnow(), now=utcnow())


def scheduled(db: Database, at: datetime) -> int:
    with db.begin() as session:
        made = issue(session, readers=READERS)
        made.send_at = at
        session.flush()
        return made.id


def state(db: Database, issue_id: int) -> str:
    with db.read() as session:
        return str(session.scalar(select(Issue.state).where(Issue.id == issue_id)))


def settle_unsubscribes(db: Database) -> None:
    with db.begin() as session:
        session.execute(update(Installation).values(unsubscribes_settled_at=utcnow()))


# Who is recognised


def test_an_installation_that_stays_where_it_is_sends(db: Database, home: Path) -> None:
    now = utcnow()
    assert all(may_send(db, home, now + n * LATER) for n in range(3))
    assert installation(db).beat == 2
    assert list(recall(home).values()) == [2]


def test_it_is_only_read_between_two_beats(db: Database, home: Path) -> None:
    now = utcnow()
    may_send(db, home, now)
    with db.begin():  # on SQLite this keeps everybody else from writing
        assert may_send(db, home, now + timedelta(seconds=20))


def test_workers_with_homes_of_their_own_and_new_ones_send(db: Database, tmp_path: Path) -> None:
    now = utcnow()
    for number in range(4):
        home = tmp_path / f"home{number}"
        home.mkdir()
        assert may_send(db, home, now + number * LATER)


def test_a_home_that_worked_with_another_database_before_sends(db: Database, home: Path) -> None:
    remember(home, "another installation", 1_000)
    assert may_send(db, home, utcnow())


def test_a_database_in_another_place_is_a_copy(db: Database, home: Path) -> None:
    issue_id = scheduled(db, utcnow() + LATER)
    assert may_send(db, home, utcnow())
    relocate(db)
    assert not may_send(db, home, utcnow())
    assert state(db, issue_id) == State.PAUSED
    assert "copied or moved" in str(installation(db).hold_reason)
    assert not may_send(db, home, utcnow() + LATER)


def test_a_database_that_went_back_in_time_is_recognised_by_a_home_that_remembers(
    db: Database, home: Path
) -> None:
    now = utcnow()
    for number in range(5):
        may_send(db, home, now + number * LATER)
    with db.begin() as session:
        session.execute(update(Installation).values(beat=Installation.beat - 1))
    assert not may_send(db, home, now + 5 * LATER)
    assert "older" in str(installation(db).hold_reason)


SET_BACK = {
    "before a batch was claimed": "UPDATE batch SET fence = 0, holder = NULL, started_upto = 0, done_at = NULL",
    "into a batch": "UPDATE batch SET holder = 'somebody:1:1', started_upto = 1, done_at = NULL",
    "before a letter was claimed": "UPDATE letter SET attempts = 0, outcome = NULL",
}
NOT_SET_BACK = {
    "nothing happened": "SELECT 1",
    "a batch was released further back": "UPDATE batch SET holder = NULL, started_upto = 0",
    "another process took a batch over": "UPDATE batch SET holder = 'somebody:1:1', started_upto = 0, fence = fence + 1",
    "retention deleted batches": "DELETE FROM batch",
    "retention deleted letters": "DELETE FROM letter",
}


@pytest.mark.parametrize("what", [*SET_BACK, *NOT_SET_BACK])
def test_a_database_that_went_back_by_less_than_a_beat_is_recognised(
    db: Database, home: Path, what: str
) -> None:
    """Each home remembers the batches and letters that it claimed last."""
    assert may_send(db, home, utcnow())
    with Relay() as relay:
        issue_id = frozen(db, readers=READERS)
        with db.begin() as session:
            enqueue_letter(session, "notice", now=utcnow(), address="owner@example.org")
        until_done(db, home, relay.url, issue_id)
        with db.begin() as session:
            identity.ensure_installation(session, utcnow())
        send_due_letters(db, signer=Signer(KEYS), relay=relay_from_url(relay.url), base_url=BASE, home=home)
    with db.begin() as session:
        session.execute(text((SET_BACK | NOT_SET_BACK)[what]))
    assert may_send(db, home, utcnow()) == (what in NOT_SET_BACK)
    if what in SET_BACK:
        assert "older" in str(installation(db).hold_reason)


def test_what_a_home_remembers_of_another_installation_or_in_a_damaged_file_is_no_evidence(
    tmp_path: Path,
) -> None:
    noted = [Progress(Kind.BATCH, 7, 1, 20), Progress(Kind.BATCH, 8, 2, 0), Progress(Kind.LETTER, 7, 3)]
    with ProgressMemory(tmp_path, "ours") as memory:
        for one in noted:
            memory.note(one)
    assert sorted(recall_progress(tmp_path, "ours")) == sorted(noted)
    assert recall_progress(tmp_path, "theirs") == recall_progress(tmp_path / "new", "ours") == []
    damaged = bytearray((tmp_path / "progress").read_bytes())
    damaged[64 + 7 * 32 + 16] ^= 1  # how often batch 7 was claimed
    (tmp_path / "progress").write_bytes(damaged[:-3])
    assert recall_progress(tmp_path, "ours") == [noted[1]]
    with ProgressMemory(tmp_path, "theirs"):
        assert recall_progress(tmp_path, "theirs") == []
    with ProgressMemory(tmp_path / "missing", "ours") as memory:
        memory.note(noted[0])


def test_a_sqlite_file_that_was_copied_is_a_copy_and_the_original_is_not(
    sqlite: Database, home: Path, tmp_path: Path
) -> None:
    assert may_send(sqlite, home, utcnow())
    sqlite.close()
    original = Path(str(sqlite.engine.url.database))
    shutil.copytree(original.parent, tmp_path / "copied", ignore=shutil.ignore_patterns("copied"))
    copy = connect(f"sqlite:///{tmp_path / 'copied' / original.name}")
    assert not may_send(copy, tmp_path / "copied" / home.name, utcnow())
    assert may_send(sqlite, home, utcnow() + LATER)
    copy.close()


def test_a_sqlite_file_that_was_renamed_or_given_other_permissions_is_the_same(
    sqlite: Database, home: Path, tmp_path: Path
) -> None:
    assert may_send(sqlite, home, utcnow())
    sqlite.close()
    moved = Path(str(sqlite.engine.url.database)).rename(tmp_path / "renamed.sqlite3")
    moved.chmod(0o600)
    database = connect(f"sqlite:///{moved}")
    assert may_send(database, home, utcnow())
    database.close()


def test_a_postgresql_database_that_was_copied_to_another_name_is_a_copy(
    postgres: Database, home: Path, postgres_server: str
) -> None:
    assert may_send(postgres, home, utcnow())
    with postgres.begin() as session:
        ours = session.scalar(text("SELECT oid FROM pg_database WHERE datname = current_database()"))
    assert f"database {ours}" in installation(postgres).location
    assert "server " in installation(postgres).location


def test_a_question_that_was_cancelled_does_not_look_like_another_server(
    postgres: Database, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert may_send(postgres, home, utcnow())
    cancelled = "DO $$ BEGIN RAISE EXCEPTION USING ERRCODE = 'query_canceled'; END $$"
    monkeypatch.setattr(location, "_SERVER", cancelled)
    with pytest.raises(OperationalError):
        may_send(postgres, home, utcnow())
    assert installation(postgres).held_at is None


# What is held


def test_letters_that_wait_are_never_sent(db: Database, home: Path) -> None:
    with db.begin() as session:
        enqueue_letter(session, "notice", now=utcnow(), address="owner@example.org")
    hold(db)
    with db.read() as session:
        assert session.scalars(select(Letter.outcome)).all() == ["unknown"]


def test_no_batch_is_claimed_while_it_is_held_even_if_somebody_resumes(db: Database, home: Path) -> None:
    with Relay() as relay:
        issue_id = frozen(db, readers=READERS)
        hold(db)
        with db.begin() as session:
            control.resume(session, session.get_one(Issue, issue_id), now=utcnow(), by="a person")
        assert work(db, home, relay.url).ended == {}
        assert relay.mails == []


def test_it_is_held_until_each_issue_and_the_unsubscribes_are_settled(db: Database, home: Path) -> None:
    issue_id = frozen(db, readers=READERS)
    hold(db)
    with db.begin() as session:
        with pytest.raises(NotAllowed, match="what went out of issue 1"):
            restored.release_hold(session, utcnow())
        went_out.answer_none(session, session.get_one(Issue, issue_id), now=utcnow(), by="a person")
        with pytest.raises(NotAllowed, match="who unsubscribed"):
            restored.release_hold(session, utcnow())
    settle_unsubscribes(db)
    with db.begin() as session:
        restored.release_hold(session, utcnow())
    assert may_send(db, home, utcnow())
    with db.read() as session:
        assert session.scalars(select(RestoredIssue.issue_id)).all() == []


def test_what_was_said_before_it_was_restored_once_more_is_asked_again(db: Database) -> None:
    """The database that it was backed up from may have sent since: it was held, but no longer is."""
    issue_id = scheduled(db, utcnow() + LATER)
    hold(db)
    settle_unsubscribes(db)
    with db.begin() as session:
        went_out.answer_none(session, session.get_one(Issue, issue_id), now=utcnow(), by="a person")
    assert state(db, issue_id) == State.SCHEDULED
    hold(db)
    assert state(db, issue_id) == State.PAUSED
    with db.begin() as session:
        with pytest.raises(NotAllowed, match="what went out of issue 1"):
            restored.release_hold(session, utcnow())
        went_out.answer_none(session, session.get_one(Issue, issue_id), now=utcnow(), by="a person")
        with pytest.raises(NotAllowed, match="who unsubscribed"):
            restored.release_hold(session, utcnow())


def test_once_settled_it_is_an_installation_of_its_own(db: Database, home: Path) -> None:
    may_send(db, home, utcnow())
    remember(home, installation(db).identity, 1_000)
    relocate(db)
    assert not may_send(db, home, utcnow())
    settle_unsubscribes(db)
    with db.begin() as session:
        restored.release_hold(session, utcnow())
    assert may_send(db, home, utcnow())


def test_what_was_to_be_sent_again_of_a_sent_issue_is_unknown_and_goes_to_nobody(
    db: Database, home: Path
) -> None:
    """The original may have sent it again since, too."""
    with Relay() as relay:
        issue_id = frozen(db, readers=READERS)
        until_done(db, home, relay.url, issue_id)
        with db.begin() as session:
            first = select(Delivery.subscriber_id).where(Delivery.issue_id == issue_id).limit(9)
            some = update(Delivery).where(Delivery.issue_id == issue_id, Delivery.subscriber_id.in_(first))
            session.execute(some.values(outcome="failed"))
            control.send_failed(session, session.get_one(Issue, issue_id), now=utcnow())
        hold(db)
        settle_unsubscribes(db)
        with db.begin() as session:
            restored.release_hold(session, utcnow())
        reconcile(db)
        assert work(db, home, relay.url).ended == {}
        assert len(relay.mails) == READERS
        found = tally(db, issue_id)
        assert adds_up(found)
        assert (found.accepted, found.unknown, found.remaining) == (READERS - 9, 9, 0)


# What a person says


def test_none_lets_a_scheduled_issue_keep_its_time(db: Database, home: Path) -> None:
    ahead, past = scheduled(db, utcnow() + LATER), None
    hold(db)
    with db.begin() as session:
        went_out.answer_none(session, session.get_one(Issue, ahead), now=utcnow(), by="a person")
        assert past is None
        with pytest.raises(NotAllowed, match="settled already"):
            went_out.answer_none(session, session.get_one(Issue, ahead), now=utcnow(), by="a person")
    assert state(db, ahead) == State.SCHEDULED


def test_none_leaves_an_issue_whose_time_is_past_to_a_person(db: Database) -> None:
    issue_id = scheduled(db, datetime(2026, 10, 12, 8, tzinfo=UTC))
    hold(db)
    with db.begin() as session:
        went_out.answer_none(session, session.get_one(Issue, issue_id), now=utcnow(), by="a person")
    assert state(db, issue_id) == State.PAUSED


def test_all_counts_a_scheduled_issue_as_sent_to_everybody(db: Database) -> None:
    issue_id = scheduled(db, utcnow() + LATER)
    hold(db)
    freeze_for_answer(db, issue_id)
    with db.begin() as session:
        assert (
            went_out.answer_all(session, session.get_one(Issue, issue_id), now=utcnow(), by="me") == READERS
        )
    assert state(db, issue_id) == State.SENT
    found = tally(db, issue_id)
    assert (found.planned, found.accepted) == (READERS, READERS)


def test_nobody_is_asked_about_an_issue_that_was_sent_before(db: Database, home: Path) -> None:
    with Relay() as relay:
        issue_id = frozen(db, readers=READERS)
        until_done(db, home, relay.url, issue_id)
        hold(db)
        with db.begin() as session, pytest.raises(NotAllowed, match="nobody has to say"):
            went_out.answer_none(session, session.get_one(Issue, issue_id), now=utcnow(), by="a person")


def freeze_for_answer(db: Database, issue_id: int) -> None:
    with db.begin() as session:
        went_out.prepare_frozen(
            session,
            session.get_one(Issue, issue_id),
            signer=Signer(KEYS),
            base_url=BASE,
            now=utcnow(),
            by="a person",
        )
    write_audience(db, issue_id)


@pytest.mark.parametrize("is_frozen", [True, False])
def test_those_whom_the_log_names_get_nothing_and_all_others_do(
    db: Database, home: Path, is_frozen: bool
) -> None:
    with Relay() as relay:
        issue_id = frozen(db, readers=READERS) if is_frozen else scheduled(db, utcnow() + LATER)
        hold(db)
        freeze_for_answer(db, issue_id)
        log = [f"to=<{address(number)}> sent\n" for number in range(1, 21)]
        with db.begin() as session:
            logged = find_logged(session, Signer(KEYS), issue_id, log)
            made = session.get_one(Issue, issue_id)
            assert went_out.answer_logged(session, made, logged, now=utcnow(), by="a person") == (20, 0)
        found = tally(db, issue_id)
        assert adds_up(found)
        assert (found.accepted, found.remaining) == (20, READERS - 20)
        settle_unsubscribes(db)
        with db.begin() as session:
            restored.release_hold(session, utcnow())
            control.resume(session, session.get_one(Issue, issue_id), now=utcnow(), by="a person")
        until_done(db, home, relay.url, issue_id)
        assert sorted(mail.recipient for mail in relay.mails) == sorted(
            address(number) for number in range(21, READERS + 1)
        )
        assert tally(db, issue_id).accepted == READERS


@pytest.mark.parametrize("is_frozen", [True, False])
@pytest.mark.parametrize("answer", ["none", "all", "logged"])
def test_an_issue_that_was_cancelled_while_it_was_held_takes_every_answer_and_stays_cancelled(
    db: Database, answer: str, is_frozen: bool
) -> None:
    issue_id = frozen(db, readers=READERS) if is_frozen else scheduled(db, utcnow() + LATER)
    hold(db)
    with db.begin() as session:
        control.cancel(session, session.get_one(Issue, issue_id), now=utcnow(), by="a person")
    reconcile(db)  # excludes those who have not got it
    with db.begin() as session:
        made, said = session.get_one(Issue, issue_id), {"now": utcnow(), "by": "a person"}
        assert went_out.prepare_frozen(session, made, signer=Signer(KEYS), base_url=BASE, **said) == is_frozen
        if answer == "none":
            went_out.answer_none(session, made, **said)
        elif answer == "all":
            assert went_out.answer_all(session, made, **said) == READERS * is_frozen
        else:
            logged = find_logged(session, Signer(KEYS), issue_id, [f"{address(1)}\n{address(2)}\n"])
            assert went_out.answer_logged(session, made, logged, **said) == (2 * is_frozen, 0)
    assert state(db, issue_id) == State.CANCELLED
    if is_frozen:
        found = tally(db, issue_id)
        assert adds_up(found)
        assert found.accepted == {"none": 0, "all": READERS, "logged": 2}[answer]


@pytest.mark.parametrize("answer", ["all", "logged"])
def test_an_issue_that_somebody_resumed_while_it_was_held_takes_every_answer(
    db: Database, answer: str
) -> None:
    issue_id = scheduled(db, utcnow() + LATER)
    hold(db)
    with db.begin() as session:
        control.resume(session, session.get_one(Issue, issue_id), now=utcnow(), by="a person")
    freeze_for_answer(db, issue_id)
    with db.begin() as session:
        control.resume(session, session.get_one(Issue, issue_id), now=utcnow(), by="a person")
    with db.begin() as session:
        made, said = session.get_one(Issue, issue_id), {"now": utcnow(), "by": "a person"}
        if answer == "all":
            assert went_out.answer_all(session, made, **said) == READERS
        else:
            logged = find_logged(session, Signer(KEYS), issue_id, [address(1)])
            assert went_out.answer_logged(session, made, logged, **said) == (1, 0)
    assert state(db, issue_id) == {"all": State.SENT, "logged": State.PAUSED}[answer]
