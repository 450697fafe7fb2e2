"""A restored database has every row of the backup, on either kind of database, or nothing was changed."""

from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, inspect, select, update
from tests.backup.conftest import HOSTILE, READERS, fill
from tests.backup.test_creating import NOW, back_up

from digest.audience.models import Subscriber
from digest.backup import rows
from digest.backup.contents import BackupSummary
from digest.backup.creating import EMPTY_TABLES, create_backup
from digest.backup.restoring import restore_backup
from digest.backup.rows import dump_rows, read_layouts
from digest.cli.backups import restore as command
from digest.db import Base, Database, connect, utcnow
from digest.delivery.ledger.models import Delivery
from digest.delivery.ledger.partitions import list_partitions
from digest.delivery.release import partitioning
from digest.editorial.models import Issue
from digest.errors import BadInput, NotAllowed


def restore(url: str, path: Path, home: Path, passphrase: str | None = None, **more: Any) -> BackupSummary:
    home.mkdir(exist_ok=True)
    given = {"finish": lambda *_: None, "before_rows": command._before_rows, **more}
    return restore_backup(url, home, path, passphrase=passphrase, **given)


def all_rows(db: Database) -> dict[str, bytes]:
    """Every row of every table, as text and in the order of the text: each database stores them in its own."""
    with db.read() as session:
        if db.is_client_server:
            session.connection().exec_driver_sql("SET LOCAL TIME ZONE 'UTC'")
        connection = session.connection()
        dumped = {
            table.name: b"".join(dump_rows(connection, table))
            for table in read_layouts(connection)
            if table.name not in EMPTY_TABLES
        }
    return {name: b"\n".join(sorted(rows.split(b"\n"))) for name, rows in dumped.items()}


def test_every_row_comes_back_on_either_database(
    filled: Database, target: str, home: Path, tmp_path: Path
) -> None:
    back_up(filled, home)
    done = restore(target, home / "a.backup", tmp_path / "new-home")
    restored = connect(target)
    assert all_rows(restored) == all_rows(filled)
    assert done.rows["subscriber"] == READERS
    assert set(done.rows) == set(Base.metadata.tables)
    with restored.begin() as session:
        assert session.scalars(select(Issue.intro)).one() == HOSTILE
        new = Subscriber(address="new@x.org", address_key="new@x.org", created_at=utcnow())
        session.add(new)
        session.flush()
        assert new.id > READERS
    restored.close()
    keys = (tmp_path / "new-home" / "secret-keys").read_text()
    assert keys == (home / "secret-keys").read_text()


@pytest.mark.parametrize(("large_from", "width"), [(READERS, 1), (READERS + 1, 50)])
def test_a_large_audience_gets_a_partition_of_its_own_on_postgresql_as_it_would_if_it_were_new(
    sqlite: Database,
    empty_postgres: str,
    home: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    large_from: int,
    width: int,
) -> None:
    monkeypatch.setattr(partitioning, "OWN_PARTITION_FROM", large_from)
    fill(sqlite)
    back_up(sqlite, home)
    restore(empty_postgres, home / "a.backup", tmp_path / "new-home")
    restored = connect(empty_postgres)
    with restored.read() as session:
        assert [found.stop - found.start for found in list_partitions(session)] == [width]
        assert session.scalar(select(func.count()).select_from(Delivery)) == READERS
    restored.close()


def test_what_is_damaged_changes_nothing(sqlite: Database, target: str, home: Path, tmp_path: Path) -> None:
    fill(sqlite)
    back_up(sqlite, home)
    whole = (home / "a.backup").read_bytes()
    for damaged in (whole[: len(whole) // 2], whole[:-1], whole[:-9] + b"x" + whole[-8:]):
        (home / "a.backup").write_bytes(damaged)
        with pytest.raises(BadInput, match=r"a\.backup cannot be restored: it "):
            restore(target, home / "a.backup", tmp_path / "new-home")
    database = connect(target)
    assert inspect(database.engine).get_table_names() == []
    database.close()
    assert list((tmp_path / "new-home").iterdir()) == []


def test_a_database_that_is_not_empty_is_refused(filled: Database, home: Path, tmp_path: Path) -> None:
    back_up(filled, home)
    url = filled.engine.url.render_as_string(hide_password=False)
    before = all_rows(filled)
    with pytest.raises(NotAllowed, match="is not empty"):
        restore(url, home / "a.backup", tmp_path / "new-home")
    assert all_rows(filled) == before


def test_a_home_keeps_its_own_keys_behind_those_of_the_backup(
    sqlite: Database, home: Path, tmp_path: Path
) -> None:
    fill(sqlite)
    back_up(sqlite, home)
    new = tmp_path / "new-home"
    new.mkdir()
    (new / "secret-keys").write_text("a-key-of-the-new-home-0123456789abcdef\n")
    restore(f"sqlite:///{new}/digest.sqlite3", home / "a.backup", new)
    assert (new / "secret-keys").read_text().split() == [
        "the-only-key-of-this-home-0123456789",
        "a-key-of-the-new-home-0123456789abcdef",
    ]


def test_no_database_is_there_without_its_keys(
    sqlite: Database, target: str, home: Path, tmp_path: Path
) -> None:
    fill(sqlite)
    back_up(sqlite, home)
    (tmp_path / "new-home" / "secret-keys.new").mkdir(parents=True)  # nothing can be written there
    with pytest.raises(NotAllowed, match="new-home cannot be written to: "):
        restore(target, home / "a.backup", tmp_path / "new-home")
    database = connect(target)
    assert inspect(database.engine).get_table_names() == []
    database.close()


def test_the_last_changes_of_a_database_that_was_moved_away_stay(
    sqlite: Database, home: Path, tmp_path: Path
) -> None:
    fill(sqlite)
    back_up(sqlite, home)
    remains = tmp_path / "new.sqlite3-wal"
    remains.write_text("the last emails that were sent")
    with pytest.raises(NotAllowed, match=r"new\.sqlite3-wal holds the last changes"):
        restore(f"sqlite:///{tmp_path}/new.sqlite3", home / "a.backup", tmp_path / "new-home")
    assert remains.read_text() == "the last emails that were sent"


def test_rows_of_megabytes_come_back(
    filled: Database, target: str, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("digest.backup.archive.MAX_MEMBER_BYTES", 4_000_000)
    monkeypatch.setattr("digest.backup.rows.CHUNK_BYTES", 500_000)
    monkeypatch.setattr("digest.backup.rows.MAX_CHUNK_BYTES", 1_000_000)
    with filled.begin() as session:
        session.execute(update(Delivery).values(reply="x" * 300_000))
    back_up(filled, home)
    assert restore(target, home / "a.backup", tmp_path / "new-home").rows["delivery"] == READERS


def test_a_few_long_rows_among_short_ones_are_not_held_in_memory_together(
    sqlite: Database, target: str, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rows, "CHUNK_BYTES", 20_000)
    monkeypatch.setattr(rows, "MAX_CHUNK_BYTES", 40_000)
    joined: list[int] = []
    split = rows._split
    monkeypatch.setattr(rows, "_split", lambda data: [joined.append(len(data)), *split(data)][1:])
    fill(sqlite)
    long = Delivery.subscriber_id.in_([7, 30, 31, 32, READERS])
    with sqlite.begin() as session:
        session.execute(update(Delivery).where(long).values(reply="x" * 30_000))
    back_up(sqlite, home)
    assert max(joined) <= 40_000
    restore(target, home / "a.backup", tmp_path / "new-home")
    restored = connect(target)
    assert all_rows(restored) == all_rows(sqlite)
    restored.close()


def test_a_text_with_a_zero_byte_comes_back_whole(
    sqlite: Database, target: str, home: Path, tmp_path: Path
) -> None:
    """SQLite takes one; PostgreSQL has no place for it, and gets the character that stands for what cannot be shown."""
    text = "a\\0 back\0slash\\, a\ttab\0 and a\nline"
    fill(sqlite)
    with sqlite.begin() as session:
        session.execute(update(Issue).values(intro=text))
    back_up(sqlite, home)
    restore(target, home / "a.backup", tmp_path / "new-home")
    restored = connect(target)
    with restored.read() as session:
        expected = text.replace("\0", "\N{REPLACEMENT CHARACTER}") if restored.is_client_server else text
        assert session.scalars(select(Issue.intro)).one() == expected
    restored.close()


def test_a_backup_of_a_revision_that_nobody_knows_is_refused(
    sqlite: Database, home: Path, tmp_path: Path
) -> None:
    fill(sqlite)
    with sqlite.engine.begin() as connection:
        connection.exec_driver_sql("update alembic_version set version_num = 'f00'")
    create_backup(sqlite, home, home / "a.backup", passphrase=None, now=NOW)
    with pytest.raises(NotAllowed, match="revision f00, which this version of digest does not know"):
        restore(f"sqlite:///{tmp_path}/new.sqlite3", home / "a.backup", tmp_path / "new-home")
    assert not (tmp_path / "new.sqlite3").exists()
