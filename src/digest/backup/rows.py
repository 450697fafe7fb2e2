"""Rows as text that both databases read and write: the text format of PostgreSQL's COPY.

The databases themselves turn rows into text and back, thousands at a time: Python would take a minute for what they do
in seconds, and hold up the sending meanwhile.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from sqlalchemy import (
    Boolean,
    Connection,
    DateTime,
    Integer,
    LargeBinary,
    MetaData,
    Numeric,
    Table,
    inspect,
    text,
)

CHUNK_BYTES: Final = 2 << 20  # about; of text that is in memory at a time
MAX_CHUNK_BYTES: Final = 16 << 20  # unless a single row is longer
_FIRST_ROWS: Final = 20
_MAX_ROWS: Final = 20_000
_LAST: Final = "delivery"  # nothing refers to it
_ROWIDS: Final = 1 << 62  # more than any


class Kind(StrEnum):
    """How a column's values are written."""

    NUMBER = "number"
    TEXT = "text"
    BOOLEAN = "boolean"  # 0 or 1
    TIME = "time"  # 2026-11-29 13:20:00.000000, in UTC
    BYTES = "bytes"  # \\x and hexadecimal digits


@dataclass(frozen=True)
class Column:
    """A column that holds data."""

    name: str
    kind: Kind


@dataclass(frozen=True)
class TableLayout:
    """A table and its columns, without those that the database computes."""

    name: str
    columns: tuple[Column, ...]

    @property
    def column_names(self) -> str:
        """The columns as SQL names them."""
        return ", ".join(quote(column.name) for column in self.columns)


def quote(name: str) -> str:
    """An identifier in SQL."""
    return '"' + name.replace('"', '""') + '"'


def read_layouts(connection: Connection) -> list[TableLayout]:
    """Every table of the database, those that others refer to first; Alembic's own is left out.

    The delivery table comes last: when its rows are restored, those are there by which its partitions are cut.
    """
    found = MetaData()
    found.reflect(connection, only=_list_tables(connection))
    return [_layout(table) for table in sorted(found.sorted_tables, key=lambda table: table.name == _LAST)]


def dump_rows(connection: Connection, table: TableLayout) -> Iterator[bytes]:
    """All rows of a table, a line each, in chunks of about CHUNK_BYTES."""
    if connection.dialect.name == "postgresql":
        return _dump_postgres(connection, table)
    return (part for data in _dump_sqlite(connection, table) if data for part in _split(data))


def _split(data: bytes) -> Iterator[bytes]:
    """The lines in parts that a restore takes: rows of megabytes may follow small ones."""
    start = 0
    while len(data) - start > MAX_CHUNK_BYTES:
        end = data.rfind(b"\n", start, start + MAX_CHUNK_BYTES) + 1 or data.index(b"\n", start) + 1
        yield data[start:end]
        start = end
    yield data[start:] if start else data


def _list_tables(connection: Connection) -> list[str]:
    """The tables' names. Partitions are left out: their rows are those of the table that they are part of."""
    names = set(inspect(connection).get_table_names()) - {"alembic_version"}
    if connection.dialect.name == "postgresql":
        partitions = text("SELECT relname FROM pg_class WHERE relispartition AND relkind IN ('r', 'p')")
        names -= set(connection.scalars(partitions))
    return sorted(names)


def _layout(table: Table) -> TableLayout:
    columns = [Column(column.name, _kind(column.type)) for column in table.columns if column.computed is None]
    return TableLayout(table.name, tuple(columns))


def _kind(type_: Any) -> Kind:
    kinds = {
        Boolean: Kind.BOOLEAN,
        DateTime: Kind.TIME,
        LargeBinary: Kind.BYTES,
        Integer: Kind.NUMBER,
        Numeric: Kind.NUMBER,
    }
    return next((kind for base, kind in kinds.items() if isinstance(type_, base)), Kind.TEXT)


def _dump_postgres(connection: Connection, table: TableLayout) -> Iterator[bytes]:
    values = ", ".join(_POSTGRES[column.kind].format(quote(column.name)) for column in table.columns)
    buffer = bytearray()
    cursor = connection.connection.cursor()
    select = f"SELECT {values} FROM {quote(table.name)}"  # noqa: S608  names of our own tables
    with cursor.copy(f"COPY ({select}) TO STDOUT") as rows:
        for row in rows:
            buffer += row
            if len(buffer) >= CHUNK_BYTES:
                yield bytes(buffer)
                buffer.clear()
    if buffer:
        yield bytes(buffer)


def _dump_sqlite(connection: Connection, table: TableLayout) -> Iterator[bytes]:
    # One call of printf for a row: it takes half the time of joining the columns one by one.
    values = ", ".join(
        f"coalesce({_SQLITE[column.kind].format(quote(column.name))}, '\\N')" for column in table.columns
    )
    form = "\t".join(["%s"] * len(table.columns)) + "\n"
    line = f"printf('{form}', {values}) AS line FROM {quote(table.name)}"
    sqlite: Any = connection.connection.driver_connection
    sqlite.create_function("escape_nul", 1, _escape_nul, deterministic=True)
    has_rowid = "SELECT sql NOT LIKE '%WITHOUT ROWID%' FROM sqlite_master WHERE type = 'table' AND name = ?"
    if connection.exec_driver_sql(has_rowid, (table.name,)).scalar():
        return _dump_by_rowid(connection, line)
    return _join_lines(connection.exec_driver_sql(f"SELECT {line}").scalars())


def _join_lines(lines: Iterable[str]) -> Iterator[bytes]:
    buffer = bytearray()
    for line in lines:
        buffer += line.encode()
        if len(buffer) >= CHUNK_BYTES:
            yield bytes(buffer)
            buffer.clear()
    if buffer:
        yield bytes(buffer)


def _dump_by_rowid(connection: Connection, line: str) -> Iterator[bytes]:
    """Chunks that SQLite joins by itself, while other threads of this process run.

    A row that is far longer than those before it comes alone: together, a few of them could fill the memory.
    """
    lines = f"SELECT rowid AS place, {line} WHERE rowid > ? AND rowid < ? ORDER BY rowid LIMIT ?"
    short = "length(line) <= ?"
    found = (
        f"group_concat(line, '') FILTER (WHERE {short}), max(place), min(place) FILTER (WHERE NOT {short})"
    )
    chunk = f"SELECT {found} FROM ({lines})"  # noqa: S608  names of our own tables
    place, rows = -_ROWIDS, _FIRST_ROWS
    while True:
        longest = MAX_CHUNK_BYTES // rows
        joined, last, long = connection.exec_driver_sql(chunk, (longest, longest, place, _ROWIDS, rows)).one()
        if last is None:
            return
        if long is not None:
            before = connection.exec_driver_sql(chunk, (longest, longest, place, long, rows)).one()[0]
            yield (before or "").encode()
            joined = connection.exec_driver_sql(f"SELECT {line} WHERE rowid = ?", (long,)).scalar_one()
            last, rows = long, 1
        data = joined.encode()
        yield data
        # As many as fill a chunk if they are as long as these: some rows are a hundred bytes, others megabytes.
        place, rows = last, max(1, min(_MAX_ROWS, 4 * rows, CHUNK_BYTES * rows // len(data)))


def _escape_nul(value: str) -> str:
    """A text that holds NUL, at which SQLite's own functions would end it, in the format of COPY."""
    for character, escaped in (("\\", "\\\\"), ("\t", "\\t"), ("\n", "\\n"), ("\r", "\\r"), ("\0", "\\0")):
        value = value.replace(character, escaped)
    return value


_POSTGRES: Final = {
    Kind.NUMBER: "{0}",
    Kind.TEXT: "{0}",
    Kind.BOOLEAN: "{0}::int",
    Kind.TIME: "to_char({0} AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US')",
    Kind.BYTES: "{0}",
}
_SQLITE: Final = {
    Kind.NUMBER: "{0}",
    # Few texts hold a character that must be escaped: looking is cheaper than replacing four times.
    Kind.TEXT: (
        "CASE WHEN instr({0}, char(0)) THEN escape_nul({0}) "
        "WHEN {0} GLOB '*[\\\t\n\r]*' THEN replace(replace(replace(replace({0}, '\\', '\\\\'), "
        "'\t', '\\t'), '\n', '\\n'), '\r', '\\r') ELSE {0} END"
    ),
    Kind.BOOLEAN: "{0}",
    Kind.TIME: "{0}",
    Kind.BYTES: r"'\\x' || lower(hex({0}))",
}
