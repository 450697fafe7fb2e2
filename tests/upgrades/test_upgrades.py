"""Every database of a released version is upgraded with all that is in it, and goes on where it was."""

import re
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import func, inspect, select, text
from tests.installation.later_version import NEXT_REVISION, of_version, write_migrations
from tests.monitoring.beats import report
from tests.relay import Relay, Script
from tests.upgrades import stored
from tests.upgrades.scenario import installation, state_of, work_until

from digest import schema, tasks
from digest.backup.creating import EMPTY_TABLES, create_backup
from digest.backup.restoring import restore_backup
from digest.cli.upgrade import migrate
from digest.db import Database, connect, utcnow
from digest.errors import OtherVersion

ROOT = Path(__file__).parents[2]
SENDING, SCHEDULED = 2, 3  # the issues that a stored database holds, beside one that was sent
NEWEST = list(stored.released())[-1]
# What is hard: a partitioned table gets a column, and one that others refer to is made anew on SQLite.
CHANGES = (
    'op.add_column("delivery", sa.Column("note", sa.String(40)))',
    'with op.batch_alter_table("subscriber", recreate="auto") as batch:',
    '    batch.add_column(sa.Column("nickname", sa.String(40), server_default="", nullable=False))',
    '    batch.create_check_constraint("nickname", "nickname <> address")',
)
INIT = """
import sys
from pathlib import Path
from click.testing import CliRunner
from tests.installation.later_version import of_version
from digest.app import create_context
from digest.cli import main
with of_version("9.9.9", Path(sys.argv[1])):
    done = CliRunner().invoke(main, ["init", "--no-link"], obj=create_context(home=sys.argv[2], database_url=sys.argv[3]))
print(done.output)
sys.exit(done.exit_code)
"""


def count_rows(db: Database) -> dict[str, int]:
    """By table; what is true only of the moment, and what each upgrade adds to, is left out."""
    with db.read() as session:
        names = inspect(session.connection()).get_table_names()
        return {
            name: session.scalar(select(func.count()).select_from(text(f'"{name}"'))) or 0 for name in names
        }


def check_keys(db: Database) -> None:
    """No row refers to one that is gone, and no constraint is left unchecked."""
    unchecked = "pragma foreign_key_check"
    if db.is_client_server:
        unchecked = "SELECT conname FROM pg_constraint WHERE NOT convalidated"
    with db.read() as session:
        assert not session.execute(text(unchecked)).all()


def recipients(db: Database) -> Counter[str]:
    """Who got an email of the two issues that were left, by what the database says."""
    rows = "SELECT address, outcome FROM delivery JOIN subscriber ON subscriber_id = subscriber.id WHERE issue_id > 1"
    with db.read() as session:
        found = session.execute(text(rows)).all()
    assert {outcome for _, outcome in found} <= {"accepted", "excluded"}
    accepted = Counter(address for address, outcome in found if outcome == "accepted")
    assert accepted.total() > 200
    return accepted


def make_due(db: Database) -> None:
    with db.begin() as session:
        session.execute(
            text("UPDATE issue SET send_at = :now WHERE id = :id"),
            {
                "now": (utcnow() - timedelta(seconds=5)).replace(tzinfo=None)
                if not db.is_client_server
                else utcnow(),
                "id": SCHEDULED,
            },
        )


def all_sent(db: Database) -> Callable[[], bool]:
    return lambda: state_of(db, SENDING) == state_of(db, SCHEDULED) == "sent"


def sent_to(relay: Relay) -> Counter[str]:
    """How many emails each address got, but for the test that an editor had asked for."""
    return Counter(mail.recipient for mail in relay.mails if mail.recipient != "editor@example.org")


@pytest.mark.parametrize("version", stored.released())
def test_a_database_of_every_release_is_upgraded_with_its_rows(
    empty: Database, home: Path, version: str
) -> None:
    stored.load(empty, version)
    before = count_rows(empty)
    assert not [name for name in set(before) - {"delivery"} if not before[name]], "every table had a row"
    with Relay() as relay, installation(home, empty, relay) as context:
        assert migrate(context.services()) == (
            stored.released()[version]["revision"],
            schema.latest_revision(),
        )
        after = count_rows(empty)
        assert {name: after[name] for name in before if name in after} == before
        check_keys(empty)
        schema.check(empty.engine)
        make_due(empty)
        work_until(all_sent(empty))
        assert sent_to(relay) == recipients(empty)


def test_a_backup_of_a_release_is_restored_by_a_later_version(
    empty: Database, home: Path, tmp_path: Path
) -> None:
    """Its tables are changed with the rows in them, as in an upgrade, and from either kind of database."""
    stored.load(empty, NEWEST)
    file = tmp_path / "a.backup"
    create_backup(empty, home, file, passphrase=None, now=utcnow())
    url = f"sqlite:///{tmp_path / 'restored.sqlite3'}"
    with of_version("9.9.9", write_migrations(tmp_path / "migrations", "Nicknames and notes.", *CHANGES)):
        restore_backup(url, home, file, passphrase=None, finish=lambda *_: None)
    restored = connect(url)
    before, after = count_rows(empty), count_rows(restored)
    assert {name: after[name] for name in after if name not in EMPTY_TABLES} == {
        name: before[name] for name in after if name not in EMPTY_TABLES
    }
    assert "nickname" in {column["name"] for column in inspect(restored.engine).get_columns("subscriber")}
    check_keys(restored)
    restored.close()


@contextmanager
def old_worker() -> Iterator[list[Exception]]:
    """A worker of the released version goes on in the background, whatever happens; what its tasks raised."""
    raised: list[Exception] = []
    stop = threading.Event()

    def work() -> None:
        ready = [
            tasks._if_ready(task) for task in (tasks.calendar, tasks.send, tasks.letters_, tasks.reconcile)
        ]
        while not stop.is_set():
            for task in ready:
                try:
                    task()
                except Exception as error:  # as a worker, which logs it and goes on
                    raised.append(error)
            stop.wait(0.05)

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield raised
    finally:
        stop.set()
        thread.join(30)


def start_init(db: Database, home: Path, folder: Path) -> subprocess.Popen[str]:
    """`digest init` of the later version, as a process of its own."""
    url = db.engine.url.render_as_string(hide_password=False)
    words = [sys.executable, "-c", INIT, str(folder), str(home), url]
    return subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=ROOT)


@pytest.mark.crash
def test_after_an_upgrade_that_was_killed_the_old_workers_go_on_by_themselves(
    empty: Database, home: Path, tmp_path: Path
) -> None:
    stored.load(empty, NEWEST)
    make_due(empty)
    marker = tmp_path / "changed"
    steps = ("import pathlib, time", *CHANGES, f"pathlib.Path({str(marker)!r}).touch()", "time.sleep(60)")
    folder = write_migrations(tmp_path / "migrations", "Nicknames and notes.", *steps)
    with Relay() as relay, installation(home, empty, relay), old_worker():
        init = start_init(empty, home, folder)
        while not marker.exists():
            assert init.poll() is None, init.communicate()
            time.sleep(0.01)
        init.kill()
        init.communicate()
        while not all_sent(empty)():
            time.sleep(0.01)
        assert sent_to(relay) == recipients(empty)
    assert "note" not in {column["name"] for column in inspect(empty.engine).get_columns("delivery")}
    assert len(list((home / "backups").iterdir())) == 1


@pytest.mark.crash
def test_a_stored_database_is_upgraded_by_init_while_a_worker_sends(
    empty: Database, home: Path, tmp_path: Path
) -> None:
    """Nobody gets an issue twice, and nobody never: neither from the old worker, nor from the new one."""
    stored.load(empty, NEWEST)
    folder = write_migrations(tmp_path / "migrations", "Nicknames and notes.", *CHANGES)
    before = count_rows(empty)
    make_due(empty)
    report(empty, "worker")
    with Relay(Script(delay=0.05)) as relay, installation(home, empty, relay):
        with old_worker() as raised:
            init = start_init(empty, home, folder)
            said, _ = init.communicate(timeout=100)
            assert init.returncode == 0, said
            taken = relay.count
            while not any(NEXT_REVISION in str(error) or "9.9.9" in str(error) for error in raised):
                time.sleep(0.01)
        assert {type(error) for error in raised} == {OtherVersion}
        assert relay.count == taken
        assert re.search(
            r"Nicknames and notes\.\n(  waiting for .*\n)*  backup before it: .*\.backup\n", said
        )
        assert f"upgraded from {stored.released()[NEWEST]['revision']} to {NEXT_REVISION}" in said
        assert {name: count for name, count in count_rows(empty).items() if name in before}.items() >= {
            "subscriber": before["subscriber"],
            "subscription": before["subscription"],
            "consent_event": before["consent_event"],
        }.items()
        check_keys(empty)
        assert "note" in {column["name"] for column in inspect(empty.engine).get_columns("delivery")}
        relay.script.delay = 0.0
        with of_version("9.9.9", folder):
            work_until(all_sent(empty))
        assert sent_to(relay) == recipients(empty)
