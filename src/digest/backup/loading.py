"""Rows from a backup into an empty database."""

import re
from collections.abc import Callable, Sequence
from typing import Final

from sqlalchemy import Connection, text

from digest.backup.rows import Kind, TableLayout, quote
from digest.errors import BadInput

_ESCAPED = re.compile(rb"\\(.)", re.DOTALL)
_CHARACTERS: Final = {
    b"t": b"\t",
    b"n": b"\n",
    b"r": b"\r",
    b"\\": b"\\",
    b"b": b"\b",
    b"f": b"\f",
    b"v": b"\v",
    b"0": b"\0",
}
GAP: Final = 1_000_000  # more rows than anybody adds between two backups
_REPLACEMENT: Final = "\N{REPLACEMENT CHARACTER}".encode()
_NULL: Final = b"\\N"


def load_rows(connection: Connection, table: TableLayout, data: bytes) -> int:
    """Add rows, as `rows.dump_rows` wrote them, to an empty table; returns how many. Raises BadInput."""
    if connection.dialect.name == "postgresql":
        return _load_postgres(connection, table, data)
    return _load_sqlite(connection, table, data)


def set_sequences(connection: Connection, tables: list[TableLayout]) -> None:
    """Let new rows get numbers far above all that were loaded. On SQLite, those of tables with a sequence.

    Links and Message-IDs of emails that went out after the backup hold the numbers of readers, issues and letters:
    nobody else may get those, and a mailbox drops a second email with the same Message-ID.
    """
    if connection.dialect.name != "postgresql":
        _set_sqlite_sequences(connection)
        return
    for table in tables:
        for column in table.columns:
            name = connection.scalar(
                text("SELECT pg_get_serial_sequence(:table, :column)"),
                {"table": quote(table.name), "column": column.name},
            )
            if name:
                highest = f"SELECT max({quote(column.name)}) FROM {quote(table.name)}"  # noqa: S608  our own names
                connection.execute(
                    text(f"SELECT setval(:name, coalesce(({highest}), 0) + {GAP}, false)"),
                    {"name": name},
                )


def _set_sqlite_sequences(connection: Connection) -> None:
    found = text("SELECT name FROM sqlite_master WHERE type = 'table' AND sql LIKE '%AUTOINCREMENT%'")
    for name in connection.scalars(found).all():
        highest = connection.scalar(text(f"SELECT coalesce(max(id), 0) FROM {quote(name)}"))  # noqa: S608  our own names
        row = {"name": name, "number": highest + GAP}
        connection.execute(text("DELETE FROM sqlite_sequence WHERE name = :name"), row)
        connection.execute(text("INSERT INTO sqlite_sequence (name, seq) VALUES (:name, :number)"), row)


def _load_postgres(connection: Connection, table: TableLayout, data: bytes) -> int:
    if b"\\0" in data:  # PostgreSQL has no place for NUL in a text
        data = _ESCAPED.sub(lambda found: _REPLACEMENT if found[1] == b"0" else found[0], data)
    cursor = connection.connection.cursor()
    with cursor.copy(f"COPY {quote(table.name)} ({table.column_names}) FROM STDIN") as copy:
        copy.write(data)
    return data.count(b"\n")


def _load_sqlite(connection: Connection, table: TableLayout, data: bytes) -> int:
    parse = [_parse_bytes if column.kind is Kind.BYTES else _parse_text for column in table.columns]
    rows = [_parse_line(line, parse) for line in data.split(b"\n")[:-1]]
    marks = ", ".join("?" for _ in table.columns)
    connection.exec_driver_sql(
        f"INSERT INTO {quote(table.name)} ({table.column_names}) VALUES ({marks})",  # noqa: S608  names of our own tables
        rows,
    )
    return len(rows)


def _parse_line(
    line: bytes, parse: Sequence[Callable[[bytes], str | bytes | None]]
) -> tuple[str | bytes | None, ...]:
    fields = line.split(b"\t")
    if len(fields) != len(parse):
        raise BadInput("a row of it does not fit its table")
    return tuple(read(field) for read, field in zip(parse, fields, strict=True))


def _parse_text(field: bytes) -> str | None:
    if b"\\" not in field:
        return field.decode()
    if field == _NULL:
        return None
    return _ESCAPED.sub(lambda found: _CHARACTERS.get(found[1], found[1]), field).decode()


def _parse_bytes(field: bytes) -> bytes | None:
    return None if field == _NULL else bytes.fromhex(field[3:].decode("ascii"))  # after \\x
