"""Rows that many tests begin with: the first test creates them, the others get a copy in a tenth of the time.

    number = snapshots.create_once(db, "an issue", lambda: create_issue(db))

A copy is made only in an empty database, and of rows that were created a minute ago at most, because they say "now".
"""

import sqlite3
from collections.abc import Callable, Hashable
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, TypeVar

from sqlalchemy import text

from digest.db import Base, Database, utcnow

MAX_AGE = timedelta(minutes=1)
T = TypeVar("T")
_SEQUENCES = """
SELECT format('SELECT setval(%L, %s, true);', format('%I.%I', schemaname, sequencename), last_value)
FROM pg_sequences WHERE last_value IS NOT NULL
"""


@dataclass(frozen=True)
class Snapshot:
    """What `create` gave, and the rows that it left."""

    created_at: datetime
    given: Any
    restore: Callable[[Database], None]


SNAPSHOTS: dict[tuple[str, int, Hashable], Snapshot] = {}


def create_once(db: Database, name: Hashable, create: Callable[[], T]) -> T:
    """What `create` gives, with the rows that it leaves in `db`; `name` says what they are, in all tests."""
    if not _is_empty(db):
        return create()
    key, now = (db.engine.dialect.name, _count_partitions(db), name), utcnow()
    found = SNAPSHOTS.get(key)
    if found is not None and timedelta() <= now - found.created_at <= MAX_AGE:
        found.restore(db)
        return found.given
    given = create()
    if key[1] == _count_partitions(db):
        save = _save_postgres if db.is_client_server else _save_sqlite
        SNAPSHOTS[key] = Snapshot(now, given, save(db))
    return given


def _is_empty(db: Database) -> bool:
    rows = " UNION ALL ".join(f'SELECT 1 FROM "{name}"' for name in Base.metadata.tables)
    with db.read() as session:
        return not session.scalar(text(f"SELECT EXISTS ({rows})"))


def _count_partitions(db: Database) -> int:
    """Rows are copied only to where they have the same partitions, which few tests change."""
    if not db.is_client_server:
        return 0
    with db.read() as session:
        return (
            session.scalar(text("SELECT count(*) FROM pg_class WHERE relispartition AND relkind = 'r'")) or 0
        )


def _save_sqlite(db: Database) -> Callable[[Database], None]:
    saved = sqlite3.connect(":memory:", check_same_thread=False)
    with closing(sqlite3.connect(str(db.engine.url.database))) as live:
        live.backup(saved)

    def restore(to: Database) -> None:
        with closing(sqlite3.connect(str(to.engine.url.database))) as live:
            saved.backup(live)

    return restore


def _save_postgres(db: Database) -> Callable[[Database], None]:
    tables: list[tuple[str, bytes]] = []
    with db.engine.connect() as connection:
        cursor: Any = connection.connection.cursor()
        for table in Base.metadata.tables.values():
            columns = ", ".join(f'"{column.name}"' for column in table.columns if column.computed is None)
            with cursor.copy(f'COPY (SELECT {columns} FROM "{table.name}") TO STDOUT') as copy:
                rows = b"".join(map(bytes, copy))
            if rows:
                tables.append((f'COPY "{table.name}" ({columns}) FROM STDIN', rows))
        sequences = "".join(statement for (statement,) in cursor.execute(_SEQUENCES))

    def restore(to: Database) -> None:
        with to.engine.begin() as connection:
            cursor: Any = connection.connection.cursor()
            # Foreign keys are off, so the order of the tables does not matter.
            cursor.execute(f"SET LOCAL session_replication_role = replica; {sequences}")
            for statement, rows in tables:
                with cursor.copy(statement) as copy:
                    copy.write(rows)

    return restore
