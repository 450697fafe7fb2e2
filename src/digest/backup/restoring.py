"""Restoring a backup into an empty database, all or nothing."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from sqlalchemy import Connection, create_engine, inspect, make_url, text

from digest import schema
from digest.backup import home_files
from digest.backup.archive import CONTENTS, MANIFEST, Member, open_archive, sync
from digest.backup.contents import BackupSummary, Contents
from digest.backup.loading import load_rows, set_sequences
from digest.backup.rows import TableLayout
from digest.errors import BadInput, NotAllowed

# Called before rows are added to a table, and after the last: with the schema of the newest revision.
BeforeRows = Callable[[Connection, TableLayout, bytes], None]
Finish = Callable[[Connection, Contents], None]
_SIDE_FILES: Final = ("-wal", "-shm", "-journal")


def restore_backup(
    url: str,
    home: Path,
    path: Path,
    *,
    passphrase: str | None,
    finish: Finish,
    before_rows: BeforeRows = lambda _connection, _table, _data: None,
    progress: Callable[[str, int], None] = lambda _table, _rows: None,
) -> BackupSummary:
    """Restore the backup at `path` into the empty database at `url`, and its files into `home`.

    Either kind of database takes the backup of either. `finish` runs in the same transaction as everything else.
    Raises BadInput, in one line, when the backup is damaged, of another program or encrypted with another passphrase;
    NotAllowed when the database is not empty, or of a revision that we do not know. Then nothing was changed.
    """
    with open_archive(path, passphrase) as members:
        contents = Contents.from_json(_expect(members, CONTENTS).json())
        with _empty_database(url) as connection:
            schema.create_at(connection, contents.revision)
            counts, files = _load(connection, contents, members, before_rows, progress)
            set_sequences(connection, list(contents.tables))
            schema.upgrade_on(connection)
            finish(connection, contents)
            # Before the database is there for good: without its keys, nobody would find its suppressions.
            home_files.write_home_files(home, files)
    return BackupSummary(contents.created_at, counts, path.stat().st_size)


def _load(
    connection: Connection,
    contents: Contents,
    members: Iterator[Member],
    before_rows: BeforeRows,
    progress: Callable[[str, int], None],
) -> tuple[dict[str, int], list[Member]]:
    """Load all rows; returns how many by table, and the files. Raises BadInput unless they are all there."""
    tables = {table.name: table for table in contents.tables}
    counts, files = dict.fromkeys(tables, 0), list[Member]()
    for member in members:
        if member.name == MANIFEST:
            if member.json().get("rows") != counts:
                raise BadInput("it does not hold the rows that it says it holds")
            return counts, files
        if member.name.startswith(home_files.FOLDER):
            files.append(member)
            continue
        table = tables.get(Path(member.name).parent.name)
        if table is None:
            raise BadInput(f"it holds {member.name!r}, which no backup has")
        before_rows(connection, table, member.data)
        counts[table.name] += load_rows(connection, table, member.data)
        progress(table.name, counts[table.name])
    raise BadInput("it is cut off")


def _expect(members: Iterator[Member], name: str) -> Member:
    first = next(members, None)
    if first is None or first.name != name:
        raise BadInput("it is not a backup of digest")
    return first


@contextmanager
def _empty_database(url: str) -> Iterator[Connection]:
    """A connection to the empty database in one transaction; it is as before when the block raises."""
    parsed = make_url(url)
    if parsed.get_backend_name() == "sqlite":
        with _sqlite_file(Path(parsed.database or "")) as connection:
            yield connection
        return
    engine = create_engine(url, hide_parameters=True)
    try:
        with engine.begin() as connection:
            _require_empty(connection, "create another (`createdb`) and name it in DIGEST_DATABASE_URL")
            connection.execute(text("SET LOCAL TIME ZONE 'UTC'"))
            yield connection
    finally:
        engine.dispose()


@contextmanager
def _sqlite_file(path: Path) -> Iterator[Connection]:
    """A new SQLite file, which gets its name when it is whole and on the disk."""
    if path.exists():
        _require_empty_file(path)
    else:
        _require_no_remains(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.restoring")
    partial.unlink(missing_ok=True)
    engine = create_engine(f"sqlite:///{partial}", hide_parameters=True)
    try:
        with engine.connect() as connection:
            # The file is thrown away when anything fails, so nothing has to be undone in it.
            for pragma in ("journal_mode = off", "synchronous = off", "temp_store = memory"):
                connection.exec_driver_sql(f"pragma {pragma}")
            yield connection
            if connection.exec_driver_sql("pragma foreign_key_check").first():
                raise BadInput("its rows refer to others that it does not hold")
            connection.commit()
        engine.dispose()
        _replace(partial, path)
    finally:
        engine.dispose()
        with suppress(OSError):
            partial.unlink()


def _require_empty_file(path: Path) -> None:
    engine = create_engine(f"sqlite:///{path}")
    try:
        with engine.connect() as connection:
            _require_empty(connection, "choose another home with DIGEST_HOME, or move that file away")
    finally:
        engine.dispose()


def _require_no_remains(path: Path) -> None:
    """Raise NotAllowed when a database was moved away without the file that holds its last transactions."""
    for suffix in ("-wal", "-journal"):
        remains = path.with_name(path.name + suffix)
        if remains.exists() and remains.stat().st_size:
            raise NotAllowed(
                f"{remains} holds the last changes of a database that was here; move it to where that database is now"
            )


def _require_empty(connection: Connection, remedy: str) -> None:
    if inspect(connection).get_table_names():
        where = connection.engine.url.render_as_string(hide_password=True)
        raise NotAllowed(f"{where} is not empty, and restoring into it would mix two databases; {remedy}")


def _replace(partial: Path, path: Path) -> None:
    for suffix in _SIDE_FILES:
        path.with_name(path.name + suffix).unlink(missing_ok=True)
    sync(partial)
    partial.replace(path)
    sync(path.parent)
