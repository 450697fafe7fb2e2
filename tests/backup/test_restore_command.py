"""From one home to another by the commands alone: what is restored sends nothing until everything is settled."""

import json
from pathlib import Path

import pytest
from sqlalchemy import select
from tests.backup.test_backup_command import digest
from tests.delivery.factories import KEYS, add_readers, issue

from digest.access import audit_log
from digest.app import create_context
from digest.audience.models import Subscriber, Subscription
from digest.db import utcnow
from digest.delivery.letters.outbox import enqueue_letter
from digest.delivery.release.restored import may_send
from digest.delivery.sending.progress_journal import HEADER_BYTES, read_marks
from digest.editorial.models import Issue, State
from digest.services import Services

READERS = 30


@pytest.fixture
def restored_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home restored from the backup of one that had a scheduled issue."""
    monkeypatch.setenv("DIGEST_SECRET_KEYS", ",".join(KEYS))
    monkeypatch.delenv("DIGEST_BACKUP_PASSPHRASE", raising=False)
    old, new = tmp_path / "old", tmp_path / "new"
    digest(old, "init", "--no-link")
    with services(old).db.begin() as session:
        made = issue(session)
        made.send_at, made.send_on, made.zone = utcnow(), "2026-12-01 09:00", "UTC"
        add_readers(session, made.publication_id, READERS)
    assert digest(old, "backup", tmp_path / "a.backup").exit_code == 0
    done = digest(new, "restore", tmp_path / "a.backup")
    assert done.exit_code == 0, done.output
    assert "Nothing is sent yet" in done.stdout
    return new


def services(home: Path) -> Services:
    return create_context(home=str(home)).services()


def sends(home: Path) -> bool:
    found = services(home)
    return may_send(found.db, home, utcnow())


def said(home: Path, *words: object) -> str:
    done = digest(home, *words)
    assert done.exit_code == 0, done.output
    return done.stdout


def test_restored_says_what_is_to_be_settled(restored_home: Path) -> None:
    shown = said(restored_home, "restored")
    assert "Nothing is sent: this database was restored from a backup of " in shown
    assert "issue 1 of weekly-verdicts, Five verdicts, was scheduled: digest restored issue 1 --all" in shown
    facts = json.loads(said(restored_home, "restored", "--json"))
    assert (facts["held"], facts["issues"][0]["went_out"], facts["unsubscribes_settled"]) == (
        True,
        None,
        False,
    )
    assert not sends(restored_home)


def test_what_the_log_names_counts_as_sent_and_who_left_is_unsubscribed(
    restored_home: Path, tmp_path: Path
) -> None:
    lines = "".join(f"to=<reader{n}@example.org> status=gesendet\n" for n in range(1, 11))
    (tmp_path / "provider.log").write_text(lines)
    (tmp_path / "left.csv").write_text("email\nreader30@example.org\nstranger@example.org\n")
    settle = ("restored", "issue", 1, "--publication", "weekly-verdicts", "--log", tmp_path / "provider.log")
    assert "or use --sent-word WORD and --refused-word WORD" in digest(restored_home, *settle).stderr
    settle = (*settle, "--sent-word", "gesendet")
    assert "add --complete if it holds all that was sent" in digest(restored_home, *settle).stderr
    shown = said(restored_home, *settle, "--complete")
    assert "Issue 1: the log names 10 readers; 20 remain. The log does not say from when to when" in shown
    assert "still to be settled" in shown
    shown = said(restored_home, "restored", "unsubscribed", tmp_path / "left.csv")
    assert shown.startswith("1 unsubscribed.\nEverything is settled")
    with services(restored_home).db.read() as session:
        left = session.scalars(select(Subscription).where(Subscription.subscriber_id == READERS)).one()
        assert left.status == "unsubscribed"
        verbs = [line.entry.verb for line in audit_log.list_entries(session)]
    assert verbs[:3] == ["allowed sending again", "settled after a restore", "settled after a restore"]
    assert sends(restored_home)
    assert "emails are sent as usual" in said(restored_home, "restored")


def test_a_file_that_names_nobody_settles_nothing(restored_home: Path, tmp_path: Path) -> None:
    """Otherwise the log of another day would send the issue once more to all, and another file mail those who left."""
    (tmp_path / "other").write_text("2026-12-01 09:00 status=sent\n")
    issue = ("issue", 1, "--publication", "weekly-verdicts", "--log", tmp_path / "other")
    for words, why in (
        (issue, "names no reader"),
        (("unsubscribed", tmp_path / "other"), "no email address"),
    ):
        done = digest(restored_home, "restored", *words)
        assert (done.exit_code, why in done.stderr) == (1, True)
    facts = json.loads(said(restored_home, "restored", "--json"))
    assert (facts["issues"][0]["went_out"], facts["unsubscribes_settled"]) == (None, False)


def test_no_new_reader_gets_the_number_of_one_who_was_lost(restored_home: Path) -> None:
    with services(restored_home).db.begin() as session:
        new = Subscriber(address="new@example.org", address_key="new@example.org", created_at=utcnow())
        session.add(new)
        session.flush()
        assert new.id > READERS + 1_000_000


def test_no_new_issue_or_letter_gets_the_number_of_one_that_was_lost(restored_home: Path) -> None:
    """Their Message-IDs would be the same, and a mailbox drops the second."""
    with services(restored_home).db.begin() as session:
        publication_id = session.scalars(select(Issue.publication_id)).one()
        new = Issue(publication_id=publication_id, number=2, drafted_at=utcnow())
        session.add(new)
        session.flush()
        assert new.id > 1_000_000
        assert enqueue_letter(session, "notice", now=utcnow(), address="owner@example.org") > 1_000_000


def test_journals_that_the_home_had_before_are_not_taken_for_those_of_the_backup(tmp_path: Path) -> None:
    """They may be of another boot: what they do not show as sent may have been sent before the power failed."""
    old, new = tmp_path / "old", tmp_path / "new"
    digest(old, "init", "--no-link")
    for name, home in (("7-1", old), ("8-1", new)):
        (home / "evidence").mkdir(parents=True, exist_ok=True)
        (home / "evidence" / name).write_bytes(b"another boot".ljust(HEADER_BYTES) + bytes(25))
    assert digest(old, "backup", tmp_path / "a.backup").exit_code == 0
    assert digest(new, "restore", tmp_path / "a.backup").exit_code == 0
    assert read_marks(new, 7, 1) == bytes(25)
    assert read_marks(new, 8, 1) is None


def test_all_of_it_went_out(restored_home: Path) -> None:
    shown = said(restored_home, "restored", "issue", 1, "--publication", "weekly-verdicts", "--all")
    assert f"Issue 1 is sent: {READERS} readers are counted as accepted." in shown
    assert "Everything is settled" in said(restored_home, "restored", "unsubscribed", "--nobody")
    with services(restored_home).db.read() as session:
        assert session.scalars(select(Issue.state)).all() == [State.SENT]


def test_a_home_that_was_moved_goes_on(restored_home: Path) -> None:
    assert "Everything is settled" in said(restored_home, "restored", "moved", "--yes")
    assert sends(restored_home)
    assert digest(restored_home, "restored", "moved", "--yes").exit_code == 1


def test_a_person_can_say_that_it_is_a_copy(restored_home: Path) -> None:
    said(restored_home, "restored", "moved", "--yes")
    assert "Nothing is sent" in said(restored_home, "restored", "mark", "--yes")
    assert not sends(restored_home)


def test_restoring_twice_into_the_same_home_is_refused(restored_home: Path, tmp_path: Path) -> None:
    done = digest(restored_home, "restore", tmp_path / "a.backup")
    assert done.exit_code == 1
    assert "is not empty, and restoring into it would mix two databases" in done.stderr


@pytest.mark.parametrize("words", [("issue", 1), ("issue", 1, "--all", "--log", __file__), ("unsubscribed",)])
def test_an_answer_is_exactly_one(restored_home: Path, words: tuple[object, ...]) -> None:
    done = digest(restored_home, "restored", *words)
    assert done.exit_code == 1
    assert done.stderr.startswith("digest: ")
