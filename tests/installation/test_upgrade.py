"""A database is upgraded once, backed up before, while nobody sends; a program of another version stands back."""

import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import time_machine
from alembic.script import ScriptDirectory
from sqlalchemy import inspect, text, update
from sqlalchemy.orm import Session
from tests.backup.conftest import fill
from tests.delivery.factories import BASE, KEYS, issue, state
from tests.installation.later_version import NEXT_REVISION, of_version, write_migrations
from tests.monitoring.beats import report

from digest import schema, tasks
from digest.cli.setup import set_up
from digest.cli.upgrade import migrate
from digest.db import Database, utcnow
from digest.delivery.ledger.models import Batch, Letter
from digest.editorial.models import State
from digest.errors import DigestError, NotAllowed, OtherVersion, Unavailable
from digest.installation import upgrade_lock, upgrading
from digest.signing import Signer


@pytest.fixture
def installed(db: Database, tmp_path: Path) -> Any:
    """An installation with readers and an issue, at the latest revision of this version."""
    fill(db)
    upgrading.create(db.engine, utcnow())
    home = tmp_path / "home"
    home.mkdir(mode=0o700)
    return SimpleNamespace(db=db, home=home)


@pytest.fixture
def later(tmp_path: Path) -> Path:
    """The migrations of a later version, which has one more."""
    table = 'op.create_table("color", sa.Column("id", sa.Integer(), primary_key=True))'
    return write_migrations(tmp_path / "migrations", "Keep the colors of a publication.", table)


def test_the_latest_revision_is_the_one_that_alembic_finds(later: Path) -> None:
    """Servers read it from the files, without Alembic."""
    for folder in (schema.migrations_dir(), later):
        assert schema._latest_revision(folder) == ScriptDirectory(str(folder)).get_current_head()


def test_an_upgrade_says_what_it_does_and_backs_up_before(
    installed: Any, later: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with of_version("9.9.9", later):
        before, after = migrate(installed)
        assert migrate(installed) == (after, after)
    said = capsys.readouterr().out
    (backup,) = (installed.home / "backups").iterdir()
    assert said.splitlines() == [
        f"upgrading the database from {before}",
        "  Keep the colors of a publication.",
        f"  backup before it: {backup}",
        "  changing it now; nobody else can write to it until that is done",
    ]
    assert backup.stat().st_mode & 0o777 == 0o600
    assert inspect(installed.db.engine).has_table("color")


def test_a_program_older_than_the_database_says_which_version_is_needed(
    installed: Any, later: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with of_version("9.9.9", later):
        migrate(installed, with_backup=False)
    needed = f"upgraded by digest 9.9.9, and this is {schema.version('digest')}: install 9.9.9 here too"
    with pytest.raises(OtherVersion, match=needed):
        migrate(installed)
    monkeypatch.setattr(tasks, "current_services", lambda: installed)
    ran: list[bool] = []
    with pytest.raises(Unavailable, match=needed):
        tasks._if_ready(lambda: ran.append(True))()
    assert not ran


def test_a_revision_that_nobody_knows_is_called_another_database(installed: Any) -> None:
    with installed.db.begin() as session:
        session.execute(text("UPDATE alembic_version SET version_num = '123456789abc'"))
    with pytest.raises(
        OtherVersion,
        match=r"revision 123456789abc, which is in no version up to this one .*DIGEST_DATABASE_URL",
    ):
        migrate(installed)


def test_an_older_database_is_to_be_upgraded(installed: Any, later: Path) -> None:
    with of_version("9.9.9", later), installed.db.engine.connect() as connection:
        assert schema.describe_mismatch(connection) == (
            "the database was made by an older version of digest: `digest init` upgrades it"
        )


def test_nothing_is_begun_during_an_upgrade_however_long_it_takes(
    installed: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tasks, "current_services", lambda: installed)
    ran: list[bool] = []
    task = tasks._if_ready(lambda: ran.append(True))
    with (
        upgrading.hold(installed.db.engine, print),
        time_machine.travel(utcnow() + timedelta(hours=5)),
        pytest.raises(Unavailable, match="the database is being upgraded"),
    ):
        task()
    task()
    assert ran == [True]


def test_an_issue_that_is_due_waits_for_the_upgrade_and_is_not_paused(
    db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The upgrade may begin between the look for issues that are due and the freeze of one."""
    services = SimpleNamespace(db=db, signer=Signer(KEYS), base_url=BASE)
    monkeypatch.setattr(tasks, "current_services", lambda: services)
    upgrading.create(db.engine, utcnow())
    with db.begin() as session:
        number = issue(session, readers=1).id
    with upgrading.hold(db.engine, print), pytest.raises(OtherVersion):
        tasks._freeze(number)
    assert state(db, number).state == State.SCHEDULED
    tasks._freeze(number)
    assert state(db, number).state == State.SENDING


def test_a_long_task_stops_between_two_steps_and_goes_on_after_the_upgrade(
    installed: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What freezes, imports and deletes: the lock waits for the step that runs, and no other begins."""
    monkeypatch.setattr(tasks, "current_services", lambda: installed)
    done: list[int] = []
    with ThreadPoolExecutor(1) as pool, ExitStack() as upgrade:

        def step(_session: Session) -> bool:
            done.append(len(done))
            if len(done) == 2:
                holding = pool.submit(
                    lambda: upgrade.enter_context(upgrading.hold(installed.db.engine, print))
                )
                pool.submit(holding.result)
                while upgrading.find_obstacle_in(installed.db) is None:
                    time.sleep(0.01)
            return len(done) == 4

        assert not tasks._run_in_steps(step)
        assert done == [0, 1]
        pool.submit(upgrade.close).result()
        assert tasks._run_in_steps(step)
    assert done == [0, 1, 2, 3]


def test_a_worker_that_still_sends_is_not_upgraded_under_its_hands(
    installed: Any, later: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """And no backup is made at each try."""
    report(installed.db, "worker")
    in_a_minute = utcnow() + timedelta(minutes=1)
    with installed.db.begin() as session:
        session.execute(update(Batch).values(holder="a worker", lease_until=in_a_minute))
    with (
        of_version("9.9.9", later),
        pytest.raises(NotAllowed, match=r"emails in flight: 3 batches, until .*nothing was changed"),
    ):
        migrate(installed, wait=0.0)
    assert (
        f"waiting for emails in flight: 3 batches, until {in_a_minute:%H:%M:%S} UTC"
        in capsys.readouterr().out
    )
    assert not (installed.home / "backups").exists()
    assert not inspect(installed.db.engine).has_table("color")
    with installed.db.read() as session:
        assert upgrading.find_obstacle(session) is None


@pytest.mark.parametrize("living", [True, False])
def test_a_killed_worker_s_claim_holds_up_no_upgrade(installed: Any, later: Path, living: bool) -> None:
    """One that lapsed does not, and when no worker is left, none does: a letter's would last for twelve minutes."""
    report(installed.db, "worker", ago=timedelta() if living else timedelta(minutes=1))
    lapsed, lasts = utcnow() - timedelta(seconds=1), utcnow() + timedelta(minutes=12)
    with installed.db.begin() as session:
        session.execute(update(Batch).values(holder="a worker", lease_until=lapsed))
        letter = Letter(kind="confirm", due_at=lapsed, created_at=lapsed, handed_over=True)
        letter.claimed_until = lapsed if living else lasts
        session.add(letter)
    with of_version("9.9.9", later):
        assert migrate(installed, with_backup=False, wait=0.0)[1] == NEXT_REVISION


def test_an_upgrade_waits_for_a_command_that_writes_and_says_so(
    postgres: Database, tmp_path: Path, later: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    upgrading.create(postgres.engine, utcnow())
    installed: Any = SimpleNamespace(db=postgres, home=tmp_path)
    with of_version("9.9.9", later):
        with (
            postgres.begin() as session,
            pytest.raises(NotAllowed, match="a command or page that is writing"),
        ):
            assert upgrade_lock.share(session.connection(), upgrade_lock.Lock.WRITE)
            migrate(installed, with_backup=False, wait=0.0)
        assert "waiting for a command or page that is writing" in capsys.readouterr().out
        assert migrate(installed, with_backup=False)[1] == NEXT_REVISION


def test_an_upgrade_gives_up_when_another_program_keeps_a_table(
    postgres: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Everybody would wait for it, and the site would be down for as long."""
    monkeypatch.setattr(upgrading, "TABLE_LOCK_MS", 50)
    upgrading.create(postgres.engine, utcnow())
    installed: Any = SimpleNamespace(db=postgres, home=tmp_path)
    step = 'op.add_column("topic_choice", sa.Column("note", sa.String(9)))'
    with (
        of_version("9.9.9", write_migrations(tmp_path / "migrations", "Notes.", step)),
        postgres.begin() as session,
        pytest.raises(NotAllowed, match=r"another program uses a table .*nothing was changed"),
    ):
        session.execute(text("LOCK TABLE topic_choice IN ACCESS SHARE MODE"))
        migrate(installed, with_backup=False)


def test_two_commands_that_set_up_at_once_create_one_publication_and_one_owner(postgres: Database) -> None:
    """As the containers of a new installation do, which all start together."""
    upgrading.create(postgres.engine, utcnow())

    def set_up_later() -> tuple[int, bool, int]:
        with postgres.begin() as session:
            publication, created, owner = set_up(session, {"name": "Another"}, None)
            return publication.id, created, owner.id

    with ThreadPoolExecutor(1) as pool, postgres.begin() as session:
        publication, created, owner = set_up(session, {}, None)
        later = pool.submit(set_up_later)
        while (
            not session.scalar(text("SELECT count(*) FROM pg_locks WHERE NOT granted")) and not later.done()
        ):
            time.sleep(0.01)
        session.commit()
    assert (publication.id, created, owner.id) == (later.result()[0], True, later.result()[2])
    assert not later.result()[1]


def test_two_upgrades_at_once_are_one(
    installed: Any, later: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with of_version("9.9.9", later), ThreadPoolExecutor(2) as pool:
        done = [pool.submit(migrate, installed, with_backup=False) for _ in range(2)]
        assert {one.result()[1] for one in done} == {NEXT_REVISION}
    assert capsys.readouterr().out.count("upgrading the database from") == 1
    with installed.db.read() as session:
        assert upgrade_lock.share(session.connection(), upgrade_lock.Lock.WORK)


def test_an_upgrade_that_fails_says_that_nothing_was_changed_and_does_not_fill_the_disk(
    installed: Any, tmp_path: Path
) -> None:
    steps = (
        'op.add_column("topic_choice", sa.Column("note", sa.String(9)))',
        'op.execute("SELECT 1 FROM nowhere")',
    )
    killed = installed.home / "backups" / ".before-upgrade-2029-12-31T000000-1.backup.partial"
    killed.parent.mkdir()
    killed.touch()
    with of_version("9.9.9", write_migrations(tmp_path / "migrations", "Fails.", *steps)):
        for day in range(1, 6):
            with (
                time_machine.travel(datetime(2030, 1, day, tzinfo=UTC)),
                pytest.raises(
                    DigestError, match=r"the upgrade failed: .*nowhere.*; the database is as it was, at "
                ),
            ):
                migrate(installed)
    assert upgrading.find_obstacle_in(installed.db) is None
    assert "note" not in {
        column["name"] for column in inspect(installed.db.engine).get_columns("topic_choice")
    }
    kept = sorted(path.name[:25] for path in (installed.home / "backups").iterdir())
    assert kept == [f"before-upgrade-2030-01-0{day}" for day in (3, 4, 5)]
