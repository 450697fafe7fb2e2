"""A database is upgraded once, backed up before, while nobody sends; a program of another version stands back."""

import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from sqlalchemy import inspect, text, update
from tests.backup.conftest import fill

from digest import schema, tasks
from digest.cli.upgrade import migrate
from digest.db import Database, utcnow
from digest.delivery.ledger.models import Batch
from digest.errors import NotAllowed, Unavailable
from digest.installation import upgrading

NEXT = '''"""Keep the colors of a publication."""

import sqlalchemy as sa
from alembic import op

revision, down_revision = "fedcba987654", "{before}"


def upgrade() -> None:
    op.create_table("color", sa.Column("id", sa.Integer(), primary_key=True))
'''


@pytest.fixture
def installed(db: Database, tmp_path: Path) -> Any:
    """An installation with readers and an issue, at the latest revision of this version."""
    fill(db)
    upgrading.upgrade(db.engine, utcnow())
    home = tmp_path / "home"
    home.mkdir(mode=0o700)
    return SimpleNamespace(db=db, home=home)


@pytest.fixture
def later(tmp_path: Path) -> Path:
    """The migrations of a later version, which has one more."""
    folder = tmp_path / "migrations"
    shutil.copytree(schema.migrations_dir(), folder, ignore=shutil.ignore_patterns("__pycache__"))
    before = schema._latest_revision(schema.migrations_dir())
    (folder / "versions" / "2030_01_01_colors.py").write_text(NEXT.format(before=before))
    return folder


@contextmanager
def of_version(number: str, folder: Path) -> Iterator[None]:
    """What follows is done by a program of this version, which has these migrations."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(schema, "migrations_dir", lambda: folder)
        for module in (schema, upgrading):
            patch.setattr(module, "version", lambda _: number)
        yield


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
    ]
    assert backup.stat().st_mode & 0o777 == 0o600
    assert inspect(installed.db.engine).has_table("color")


def test_a_program_older_than_the_database_says_which_version_is_needed(
    installed: Any, later: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with of_version("9.9.9", later):
        migrate(installed, with_backup=False)
    needed = f"upgraded by digest 9.9.9, and this is {schema.version('digest')}: install 9.9.9 here too"
    with pytest.raises(NotAllowed, match=needed):
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
        NotAllowed,
        match=r"revision 123456789abc, which is in no version up to this one .*DIGEST_DATABASE_URL",
    ):
        migrate(installed)


def test_an_older_database_is_to_be_upgraded(installed: Any, later: Path) -> None:
    with of_version("9.9.9", later), installed.db.engine.connect() as connection:
        assert schema.describe_mismatch(connection) == (
            "the database was made by an older version of digest: `digest init` upgrades it"
        )


def test_nothing_is_started_while_an_upgrade_waits_and_not_forever(
    installed: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tasks, "current_services", lambda: installed)
    ran: list[bool] = []
    task = tasks._if_ready(lambda: ran.append(True))
    now = utcnow()
    with installed.db.engine.begin() as connection:
        upgrading.announce(connection, now)
    with pytest.raises(Unavailable, match="an upgrade of the database waits"):
        task()
    with installed.db.engine.begin() as connection:
        upgrading.announce(connection, now - upgrading.PATIENCE - timedelta(seconds=1))
    task()
    assert ran == [True]


def test_a_worker_that_still_sends_is_not_upgraded_under_its_hands(installed: Any, later: Path) -> None:
    with installed.db.begin() as session:
        session.execute(update(Batch).values(holder="a worker", lease_until=utcnow() + timedelta(minutes=1)))
    with (
        of_version("9.9.9", later),
        pytest.raises(NotAllowed, match="a worker still sends: stop the workers"),
    ):
        migrate(installed, with_backup=False, wait=0.0)
    assert not inspect(installed.db.engine).has_table("color")
    with installed.db.read() as session:
        assert upgrading.find_obstacle(session, utcnow()) is None


def test_an_init_with_nothing_to_do_lets_the_upgrade_of_another_version_wait_on(installed: Any) -> None:
    with installed.db.engine.begin() as connection:
        upgrading.announce(connection, utcnow())
    migrate(installed)
    with installed.db.read() as session:
        assert upgrading.is_announced(session, utcnow())


def test_two_upgrades_at_once_are_one(installed: Any, later: Path) -> None:
    with of_version("9.9.9", later), ThreadPoolExecutor(2) as pool:
        done = [pool.submit(migrate, installed, with_backup=False) for _ in range(2)]
        assert {one.result()[1] for one in done} == {"fedcba987654"}
    with installed.db.read() as session:
        assert not upgrading.is_announced(session, utcnow())
