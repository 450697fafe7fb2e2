"""A backup holds all rows as of one moment, is whole or not there at all, and holds up nobody."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import insert, select, text
from tests.backup.conftest import READERS
from tests.delivery.factories import add_readers

from digest.audience.models import Subscriber
from digest.backup import creating
from digest.backup.archive import Member, open_archive
from digest.backup.contents import BackupSummary
from digest.backup.creating import create_backup
from digest.db import Database
from digest.errors import BadInput, NotAllowed, Unavailable

NOW = datetime(2026, 11, 29, 13, 0, tzinfo=UTC)


def back_up(db: Database, home: Path, passphrase: str | None = None, **more: object) -> BackupSummary:
    path = home / "a.backup"
    return create_backup(db, home, path, passphrase=passphrase, now=NOW, **more)  # type: ignore[arg-type]


def members(path: Path, passphrase: str | None = None) -> dict[str, Member]:
    with open_archive(path, passphrase) as found:
        return {member.name: member for member in found}


def test_it_counts_what_it_holds_and_only_its_owner_reads_it(filled: Database, home: Path) -> None:
    written = back_up(filled, home)
    found = members(home / "a.backup")
    assert written.rows["subscriber"] == written.rows["delivery"] == READERS
    assert found["manifest.json"].json()["rows"] == written.rows
    assert found["tables/subscriber/000000.tsv"].data.count(b"\n") <= READERS
    assert found["home/secret-keys"].data == (home / "secret-keys").read_bytes()
    assert (home / "a.backup").stat().st_mode & 0o777 == 0o600


def test_a_writer_is_not_held_up_and_what_it_writes_is_not_in_it(filled: Database, home: Path) -> None:
    def write(table: str, _rows: int) -> None:
        if table == "publication":  # the first tables are written, most are not
            with filled.begin(lock_timeout=0) as session:
                session.execute(
                    insert(Subscriber).values(
                        id=999, address="late@x.org", address_key="late@x.org", created_at=NOW
                    )
                )

    written = back_up(filled, home, progress=write)
    assert written.rows["subscriber"] == READERS
    with filled.read() as session:
        assert session.scalar(select(Subscriber.id).where(Subscriber.address == "late@x.org"))


def test_a_backup_is_made_while_somebody_holds_the_write_lock(filled: Database, home: Path) -> None:
    with filled.begin() as session:
        session.execute(text("DELETE FROM presence"))
        assert back_up(filled, home).rows["subscriber"] == READERS


def test_many_rows_are_written_in_many_files(
    filled: Database, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("digest.backup.rows.CHUNK_BYTES", 1_000)
    with filled.begin() as session:
        add_readers(session, 1, 200, first=READERS + 1)
    written = back_up(filled, home)
    found = members(home / "a.backup")
    chunks = [found[name].data for name in sorted(found) if name.startswith("tables/subscriber/")]
    assert len(chunks) > 5
    assert b"".join(chunks).count(b"\n") == written.rows["subscriber"] == READERS + 200


def test_a_file_that_exists_is_not_overwritten(filled: Database, home: Path) -> None:
    (home / "a.backup").write_text("last week's")
    with pytest.raises(BadInput, match="exists; choose another name"):
        back_up(filled, home)
    assert (home / "a.backup").read_text() == "last week's"


def test_of_two_that_write_the_same_file_one_is_whole_and_the_other_fails(
    filled: Database, home: Path
) -> None:
    begun: list[BackupSummary] = []

    def begin_another(_table: str, _rows: int) -> None:
        if not begun:
            begun.append(BackupSummary(NOW, {}, 0))
            begun.append(back_up(filled, home))

    with pytest.raises(BadInput, match="exists; choose another name"):
        back_up(filled, home, progress=begin_another)
    assert members(home / "a.backup")["manifest.json"].json()["rows"] == begun[1].rows


def test_an_unfinished_file_of_another_process_never_gets_the_name(filled: Database, home: Path) -> None:
    partial = home / ".a.backup.partial"

    def begin_another(_table: str, _rows: int) -> None:
        partial.unlink()
        partial.write_text("half of it")

    with pytest.raises(BadInput, match="another process writes a backup to"):
        back_up(filled, home, progress=begin_another)
    assert not (home / "a.backup").exists()
    assert partial.read_text() == "half of it"


def test_one_that_was_stopped_leaves_nothing(filled: Database, home: Path) -> None:
    with pytest.raises(Unavailable):
        back_up(filled, home, stopping=lambda: True)
    assert [path.name for path in home.iterdir() if "backup" in path.name] == []


def test_without_a_database_there_is_nothing_to_back_up(sqlite: Database, home: Path) -> None:
    with sqlite.engine.begin() as connection:
        connection.exec_driver_sql("drop table if exists alembic_version")
    with pytest.raises(NotAllowed, match="digest init"):
        back_up(sqlite, home)


def test_an_encrypted_one_opens_with_its_passphrase_alone(
    filled: Database, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("digest.backup.age.WORK_FACTOR", 2)
    back_up(filled, home, passphrase="correct horse")
    path = home / "a.backup"
    assert b"reader1" not in path.read_bytes()
    assert "tables/subscriber/000000.tsv" in members(path, "correct horse")
    for passphrase, why in ((None, "is encrypted"), ("incorrect horse", "passphrase is wrong")):
        with pytest.raises(BadInput, match=why):
            members(path, passphrase)


def test_a_damaged_one_is_refused_in_one_line(filled: Database, home: Path) -> None:
    back_up(filled, home)
    path = home / "a.backup"
    whole = path.read_bytes()
    for damaged in (
        b"",
        whole[:-1],
        whole[: len(whole) // 2],
        b"plain text",
        whole[:200] + b"x" + whole[201:],
    ):
        path.write_bytes(damaged)
        with pytest.raises(BadInput, match=r"a\.backup cannot be restored: it ") as error:
            members(path)
        assert "\n" not in str(error.value)


def test_the_tables_of_the_moment_are_left_out(filled: Database, home: Path) -> None:
    with filled.read() as session:
        names = set(session.scalars(text("SELECT name FROM worker_registration")))
    assert names == set()
    assert set(back_up(filled, home).rows) >= creating.EMPTY_TABLES
