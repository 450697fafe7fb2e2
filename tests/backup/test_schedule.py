"""Backups are made by themselves when they are due, and as many are kept as was asked for."""

import errno
from datetime import timedelta
from pathlib import Path

import pytest
from tests.backup.conftest import fill
from tests.backup.test_creating import NOW

from digest.backup import schedule
from digest.backup.schedule import BackupPlan, parse_backup_plan
from digest.db import Database
from digest.errors import NotAllowed, Unavailable
from digest.installation.identity import ensure_installation
from digest.monitoring.scheduled_backups import make_due_backup

DAY = timedelta(days=1)


@pytest.mark.parametrize(
    ("words", "every", "keep"),
    [
        ("/srv/backups", DAY, 14),
        ("/srv/backups daily", DAY, 14),
        ("/srv/backups hourly keep 48", timedelta(hours=1), 48),
        ("/srv/backups every 6h keep 28", timedelta(hours=6), 28),
        ("/srv/backups every 2d", 2 * DAY, 14),
        ("  /srv/backups   weekly  keep 4 ", 7 * DAY, 4),
        ("/srv/backups keep 3", DAY, 3),
    ],
)
def test_a_plan_is_a_folder_a_schedule_and_a_number(words: str, every: timedelta, keep: int) -> None:
    assert parse_backup_plan(words) == BackupPlan(Path("/srv/backups"), every, keep)


def test_a_folder_may_have_spaces_and_words_of_a_schedule() -> None:
    assert parse_backup_plan("/srv/my daily backups weekly") == (Path("/srv/my daily backups"), 7 * DAY, 14)


@pytest.mark.parametrize("words", ["", "daily", "backups daily", "/srv keep 0", "/srv every 0h", "~/backups"])
def test_anything_else_is_refused(words: str) -> None:
    with pytest.raises(ValueError, match="use /srv/backups daily keep 14"):
        parse_backup_plan(words)


def identify(db: Database) -> str:
    """How the names of an installation's backups begin."""
    with db.begin() as session:
        return ensure_installation(session, NOW).identity[:8]


def due(db: Database, home: Path, plan: BackupPlan, days: float) -> Path | None:
    now = NOW + timedelta(days=days)
    return make_due_backup(db, home, plan, passphrase=None, now=now, stopping=lambda: False)


def test_one_is_made_each_day_and_the_oldest_are_deleted(
    filled: Database, home: Path, tmp_path: Path
) -> None:
    plan, ours = BackupPlan(tmp_path / "backups", DAY, 2), identify(filled)
    made = [due(filled, home, plan, days) for days in (0, 0.5, 0.9, 1, 1.5, 2)]
    assert [path is not None for path in made] == [True, False, False, True, False, True]
    (plan.folder / "notes.txt").write_text("not ours")
    assert due(filled, home, plan, 3) is not None
    assert sorted(path.name for path in plan.folder.glob("[!.]*")) == [
        f"digest-{ours}-2026-12-01T130000Z.backup",
        f"digest-{ours}-2026-12-02T130000Z.backup",
        "notes.txt",
    ]


def test_two_installations_with_one_folder_keep_their_own(
    sqlite: Database, postgres: Database, home: Path, tmp_path: Path
) -> None:
    plan = BackupPlan(tmp_path / "backups", DAY, 1)
    for database in (sqlite, postgres):
        fill(database)
        identify(database)
    for days in (0, 1, 2):
        for database in (sqlite, postgres):
            assert due(database, home, plan, days) is not None
    assert len(list(plan.folder.glob("digest-*-2026-12-01T130000Z.backup"))) == 2
    assert len(list(plan.folder.glob("*.backup"))) == 2


def test_one_that_fails_leaves_the_older_ones(sqlite: Database, home: Path, tmp_path: Path) -> None:
    fill(sqlite)
    plan = BackupPlan(tmp_path / "backups", DAY, 1)
    first = due(sqlite, home, plan, 0)
    with pytest.raises(Unavailable):
        make_due_backup(sqlite, home, plan, passphrase=None, now=NOW + DAY, stopping=lambda: True)
    assert list(plan.folder.glob("[!.]*")) == [first]
    assert due(sqlite, home, plan, 1) is not None


def test_of_two_workers_one_makes_it(sqlite: Database, home: Path, tmp_path: Path) -> None:
    plan = BackupPlan(tmp_path / "backups")
    with schedule.lock_folder(plan) as ours:
        assert ours
        assert due(sqlite, home, plan, 0) is None


def test_what_a_killed_process_left_is_deleted(sqlite: Database, home: Path, tmp_path: Path) -> None:
    fill(sqlite)
    plan = BackupPlan(tmp_path / "backups")
    plan.folder.mkdir()
    (plan.folder / f".digest-{identify(sqlite)}-2026-11-28T130000Z.backup.partial").write_text("half of it")
    (plan.folder / ".notes.partial").write_text("not ours")
    assert due(sqlite, home, plan, 0) is not None
    assert [path.name for path in plan.folder.glob(".*.partial")] == [".notes.partial"]


def test_a_folder_that_cannot_be_locked_is_one_line(
    sqlite: Database, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr("fcntl.flock", refuse)
    with pytest.raises(NotAllowed, match="cannot be locked, as backups need: No locks available"):
        due(sqlite, home, BackupPlan(tmp_path), 0)


def test_a_folder_that_cannot_be_made_is_one_line(sqlite: Database, home: Path) -> None:
    with pytest.raises(NotAllowed, match="backups cannot be written to /proc/backups"):
        due(sqlite, home, BackupPlan(Path("/proc/backups")), 0)
