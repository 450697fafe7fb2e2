"""A copy is told from the original, and what only looks like one is not taken for it."""

import shutil
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import update

from digest.db import Database, connect, utcnow
from digest.delivery.release.restored import may_send
from digest.installation import file_marks, location
from digest.installation.file_marks import is_same_file, read_marks
from digest.installation.location import parse, to_text
from digest.installation.models import Installation

LONG = timedelta(hours=1)


@pytest.fixture
def without_creation_times(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on NFS, or a folder of a Mac in a container."""
    monkeypatch.setattr(file_marks, "_creation_time", lambda _path: "")


def record(db: Database, **facts: str) -> None:
    """What the database would say if it had been last used elsewhere, or in another state."""
    with db.begin() as session:
        known = parse(session.get_one(Installation, 1).location) | facts
        session.execute(update(Installation).values(location=to_text(known)))


def path_of(db: Database) -> Path:
    return Path(str(db.engine.url.database))


@pytest.mark.usefixtures("without_creation_times")
def test_where_no_creation_time_is_known_a_copied_folder_is_a_copy(sqlite: Database, tmp_path: Path) -> None:
    original = path_of(sqlite).parent
    assert may_send(sqlite, original, utcnow())
    sqlite.close()
    copied = shutil.copytree(original, tmp_path / "copied", ignore=shutil.ignore_patterns("copied"))
    copy = connect(f"sqlite:///{copied / path_of(sqlite).name}")
    assert not may_send(copy, copied, utcnow())
    assert may_send(sqlite, original, utcnow() + LONG)
    copy.close()


@pytest.mark.usefixtures("without_creation_times")
def test_a_mount_that_numbers_files_anew_and_a_recursive_chown_are_no_copy(
    sqlite: Database, tmp_path: Path
) -> None:
    assert may_send(sqlite, tmp_path, utcnow())
    record(sqlite, number="1")
    assert may_send(sqlite, tmp_path, utcnow())
    path_of(sqlite).with_name(file_marks.ORIGIN).chmod(0o640)
    record(sqlite, number=read_marks(path_of(sqlite))["number"])
    assert may_send(sqlite, tmp_path, utcnow())
    record(sqlite, number="1", changed="1")
    assert not may_send(sqlite, tmp_path, utcnow())


def test_a_kernel_that_learns_creation_times_is_no_copy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "digest.sqlite3"
    path.touch()
    with monkeypatch.context() as patch:
        patch.setattr(file_marks, "_creation_time", lambda _path: "")
        before = read_marks(path)
    after = read_marks(path)
    assert is_same_file(before, after)
    assert is_same_file(after, read_marks(path))
    assert not is_same_file({"created": "1"}, before)


def test_a_file_from_another_machine_is_a_copy(sqlite: Database, tmp_path: Path) -> None:
    """A machine that was cloned has the same files."""
    assert may_send(sqlite, tmp_path, utcnow())
    record(sqlite, machine="another")
    assert may_send(sqlite, tmp_path, utcnow()) == (not location.machine_mark())


def test_a_container_with_another_machine_id_and_the_same_volume_is_no_copy(
    sqlite: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert may_send(sqlite, tmp_path, utcnow())
    record(sqlite, machine="another")
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.0.0.1")
    assert may_send(sqlite, tmp_path, utcnow() + LONG)


def test_another_server_or_database_is_a_copy_and_one_that_does_not_tell_is_not(
    postgres: Database, tmp_path: Path
) -> None:
    assert may_send(postgres, tmp_path, utcnow())
    with postgres.begin() as session:
        known = parse(session.get_one(Installation, 1).location)
    assert set(known) == {"server", "database", "timeline"}
    assert not location.is_elsewhere(known, {"database": known["database"]})
    assert location.is_elsewhere(known, {**known, "server": "1"})
    assert location.is_elsewhere(known, {**known, "database": "1"})
    record(postgres, server="1")
    assert not may_send(postgres, tmp_path, utcnow())


def test_a_server_that_was_restored_sends_nothing_when_no_home_can_say_that_nothing_is_lost(
    postgres: Database, tmp_path: Path
) -> None:
    home, new = tmp_path / "home", tmp_path / "new"
    home.mkdir()
    new.mkdir()
    assert may_send(postgres, home, utcnow())
    record(postgres, timeline="0000000A")
    assert may_send(postgres, new, utcnow())  # a failover: somebody used it a moment ago
    assert may_send(postgres, home, utcnow() + LONG)  # which remembers all that the database knows
    assert may_send(postgres, new, utcnow() + LONG)
    record(postgres, timeline="0000000A")
    shutil.rmtree(new)
    new.mkdir()
    assert not may_send(postgres, new, utcnow() + 2 * LONG)
