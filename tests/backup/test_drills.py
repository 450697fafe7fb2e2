"""A backup or copy taken before, amid and after a send, and restored: nobody gets the issue twice, and nobody never."""

import shutil
import sqlite3
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from sqlalchemy import select
from tests.backup.test_restoring import restore
from tests.delivery.factories import KEYS, address, adds_up, frozen, reconcile, tally, until_done, work
from tests.relay import Relay, Script

from digest.backup.creating import create_backup
from digest.cli.backups import restore as restore_command
from digest.db import Database, connect, utcnow
from digest.delivery.ledger.logged_readers import find_logged
from digest.delivery.ledger.models import Batch
from digest.delivery.release import control, restored, went_out
from digest.delivery.sending import recovery
from digest.delivery.sending.progress_journal import adopt_journals
from digest.editorial.models import Issue
from digest.installation import identity
from digest.signing import Signer

READERS = 300
EVERYBODY = Counter(address(number) for number in range(1, READERS + 1))


@contextmanager
def backed_up_after(db: Database, home: Path, mails: int) -> Iterator[tuple[Relay, int]]:
    """An issue of which a backup was made once so many mails were taken, and which then went to everybody."""
    home.mkdir()
    issue_id = frozen(db, readers=READERS)
    backup = home.parent / "a.backup"
    script = Script()

    def at(count: int) -> None:
        if count == mails and not backup.exists():
            create_backup(db, home, backup, passphrase=None, now=utcnow())

    script.on_accepted = at
    with Relay(script) as relay:
        if mails == 0:
            at(0)
        found = until_done(db, home, f"{relay.url}?connections=2", issue_id)
        assert found.accepted == READERS
        if mails > READERS:
            at(mails)
        assert Counter(relay.recipients) == EVERYBODY
        assert backup.exists()
        yield relay, issue_id


def settle(db: Database, home: Path, issue_id: int, relay: Relay) -> None:
    """The provider's log names whom it took the issue for; nobody left; the issue is resumed."""
    log = [f"{mail.message_id} accepted\n" for mail in relay.mails]
    with db.begin() as session:
        found = find_logged(session, Signer(KEYS), issue_id, log)
        issue = session.get_one(Issue, issue_id)
        went_out.answer_logged(session, issue, found, now=utcnow(), by="a person")
        identity.ensure_installation(session, utcnow()).unsubscribes_settled_at = utcnow()
        restored.release_hold(session, utcnow())
        control.resume(session, issue, now=utcnow(), by="a person")


@pytest.mark.parametrize("mails", [0, 50, 200])
def test_a_backup_made_while_an_issue_was_sent_mails_nobody_twice(
    db: Database,
    target: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    mails: int,
) -> None:
    monkeypatch.setattr(recovery.LIVENESS, "patience", 0.0)  # nobody renews a lease of the backup
    with backed_up_after(db, tmp_path / "home", mails) as (relay, issue_id):
        new = tmp_path / "new-home"
        restore(target, tmp_path / "a.backup", new, finish=restore_command._hold)
        adopt_journals(new)
        copy = connect(target)
        assert not restored.may_send(copy, new, utcnow())
        before = len(relay.mails)
        with copy.begin() as session:
            recovery.recover_batches(session, new, utcnow())
        work(copy, new, relay.url)
        reconcile(copy)
        assert len(relay.mails) == before
        settle(copy, new, issue_id, relay)
        found = until_done(copy, new, relay.url, issue_id)
        assert adds_up(found)
        assert found.accepted == READERS
        assert Counter(relay.recipients) == EVERYBODY
        copy.close()


def test_a_backup_made_after_the_send_asks_nothing_of_it(db: Database, tmp_path: Path) -> None:
    with backed_up_after(db, tmp_path / "home", READERS + 1) as (relay, issue_id):
        new = tmp_path / "new-home"
        url = f"sqlite:///{new}/digest.sqlite3"
        if tally(db, issue_id).remaining == 0:
            reconcile(db)
        restore(url, tmp_path / "a.backup", new, finish=restore_command._hold)
        copy = connect(url)
        until_done(copy, new, relay.url, issue_id)
        assert Counter(relay.recipients) == EVERYBODY
        copy.close()


def test_a_database_that_was_set_back_by_a_moment_mails_nobody_twice(
    sqlite: Database, tmp_path: Path
) -> None:
    """In its place, with the home as it was: only the home's own memory knows of the last batches."""
    home, script, path = tmp_path / "home", Script(), Path(str(sqlite.engine.url.database))
    home.mkdir()
    issue_id, earlier = frozen(sqlite, readers=READERS), tmp_path / "earlier.sqlite3"
    assert restored.may_send(sqlite, home, utcnow())

    def at(count: int) -> None:
        if count == READERS // 2:
            with closing(sqlite3.connect(path)) as source, closing(sqlite3.connect(earlier)) as copy:
                source.backup(copy)

    script.on_accepted = at
    with Relay(script) as relay:
        until_done(sqlite, home, relay.url, issue_id)
        sqlite.close()
        for suffix in ("-wal", "-shm"):
            path.with_name(path.name + suffix).unlink(missing_ok=True)
        shutil.copyfile(earlier, path)  # the same file, and so in the same place
        back = connect(f"sqlite:///{path}")
        assert not restored.may_send(back, home, utcnow())
        assert work(back, home, relay.url).ended == {}
        settle(back, home, issue_id, relay)
        found = until_done(back, home, relay.url, issue_id)
        assert (found.accepted, found.remaining) == (READERS, 0)
        assert Counter(relay.recipients) == EVERYBODY
        back.close()


def test_a_home_that_was_copied_amid_a_send_does_not_speak_for_the_batches_of_the_original(
    db: Database, tmp_path: Path
) -> None:
    """With the same database: its copies of the journals, which nobody locks, would call living workers dead."""
    home, copied = tmp_path / "home", tmp_path / "copied"
    home.mkdir()
    issue_id = frozen(db, readers=READERS)
    script, taken = Script(), []

    def at(count: int) -> None:
        if count == READERS // 2:
            shutil.copytree(home, copied)
            with db.begin() as session:
                held = session.scalars(select(Batch.id).where(Batch.holder.is_not(None))).all()
                taken.append((len(held), recovery.recover_batches(session, copied, utcnow())))

    script.on_accepted = at
    with Relay(script) as relay:
        found = until_done(db, home, relay.url, issue_id)
        assert taken[0][0] > 0
        assert taken[0][1] == 0
        assert found.accepted == READERS
        assert Counter(relay.recipients) == EVERYBODY
