"""Making a backup, while everything runs: readers and senders are not held up."""

import functools
import os
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import datetime
from importlib.metadata import version
from pathlib import Path
from typing import Final

from sqlalchemy import Connection, text

from digest import schema
from digest.backup import home_files, rows
from digest.backup.archive import CONTENTS, MANIFEST, ArchiveWriter, create_archive, group_name
from digest.backup.contents import BackupSummary, Contents
from digest.db import Database
from digest.errors import NotAllowed, Unavailable

# A dropped partition is gone for older snapshots, too; its rows would be in no backup, and their totals in none either.
_KEEP_PARTITIONS: Final = """
DO $$ BEGIN
  IF to_regclass('delivery') IS NOT NULL THEN LOCK TABLE delivery IN ACCESS SHARE MODE; END IF;
END $$
"""
NICENESS: Final = 15  # of 19
# What is true only of the moment in which it was written: who works, who looks at a page, what is wrong.
EMPTY_TABLES: Final = frozenset({"worker_registration", "presence", "heartbeat", "alert"})


def create_backup(
    db: Database,
    home: Path,
    path: Path,
    *,
    passphrase: str | None,
    now: datetime,
    progress: Callable[[str, int], None] = lambda _table, _rows: None,
    stopping: Callable[[], bool] = lambda: False,
) -> BackupSummary:
    """Write the whole database as of one moment, and the precious files of `home`, to `path`.

    The journals are read after the database, so they can only say more of what was sent. `progress` is told of each
    table and how many of its rows are written. Raises BadInput when `path` exists; NotAllowed before `digest init`;
    Unavailable when `stopping`; OSError and what the database raises. Then there is no file.

    It gives way to whoever sends: emails are built and sent within milliseconds, and a backup has time.
    """
    given_up = threading.Event()
    write = functools.partial(_write, db, home, path, passphrase=passphrase, now=now, progress=progress)
    with ThreadPoolExecutor(1, "backup", _give_way) as thread:
        written = thread.submit(write, stopping=lambda: given_up.is_set() or stopping())
        try:
            return written.result()
        except BaseException:
            given_up.set()  # Ctrl-C reaches us, not the thread
            raise


def _give_way() -> None:
    """Let the system run this thread, and those that it starts, when others do not need its time."""
    if sys.platform == "linux":  # elsewhere a priority is the whole process's
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICENESS)


def _write(
    db: Database,
    home: Path,
    path: Path,
    *,
    passphrase: str | None,
    now: datetime,
    progress: Callable[[str, int], None],
    stopping: Callable[[], bool],
) -> BackupSummary:
    with _snapshot(db) as connection, create_archive(path, passphrase, now.timestamp()) as archive:
        contents = _describe(connection, home, now)
        archive.add_json(CONTENTS, contents.to_json())
        counts = {}
        for table in contents.tables:
            counts[table.name] = 0
            for data in _chunks(archive, connection, table):
                counts[table.name] += data.count(b"\n")
                progress(table.name, counts[table.name])
                if stopping():
                    raise Unavailable("the backup was stopped before it was finished")
        for name, data in home_files.read_home_files(home):
            archive.add(name, data)
        archive.add_json(MANIFEST, {"rows": counts, "sha256": archive.checksums()})
    return BackupSummary(now, counts, path.stat().st_size)


@contextmanager
def _snapshot(db: Database) -> Iterator[Connection]:
    """A connection that sees the database as of one moment, and keeps nobody from writing."""
    with db.read() as session:
        if not db.is_client_server:
            yield session.connection()
            return
        connection = session.connection(execution_options={"isolation_level": "REPEATABLE READ"})
        connection.execute(text("SET TRANSACTION READ ONLY"))
        # Values are written as text, and those of these types depend on the session.
        for setting in ("TIME ZONE 'UTC'", "bytea_output = 'hex'", "statement_timeout = 0"):
            connection.execute(text(f"SET LOCAL {setting}"))
        connection.execute(text(_KEEP_PARTITIONS))
        yield connection


def _describe(connection: Connection, home: Path, now: datetime) -> Contents:
    revision = schema.current_revision(connection)
    if revision is None:
        raise NotAllowed("there is no database to back up; run `digest init` first")
    return Contents(
        created_at=now,
        version=version("digest"),
        revision=revision,
        database=connection.dialect.name,
        tables=rows.read_layouts(connection),
        has_keys=(home / home_files.KEYS).exists(),
    )


def _chunks(archive: ArchiveWriter, connection: Connection, table: rows.TableLayout) -> Iterator[bytes]:
    if table.name in EMPTY_TABLES:
        return
    group = group_name(table.name)
    for number, data in enumerate(rows.dump_rows(connection, table)):
        archive.add(f"{group}/{number:06}.tsv", data, group)
        yield data
