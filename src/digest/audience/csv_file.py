"""Reading subscribers from a CSV file: rows with a valid address, and rejected rows with the reason."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path

from digest.audience import csv_columns, csv_reader
from digest.audience.address import Address, normalize
from digest.audience.csv_columns import ImportStatus
from digest.errors import BadInput

CHUNK = 5000
SAMPLE = 50
_NAMED = re.compile(r"[^<>]*<([^<>]+)>\s*")  # "Ada Lovelace <ada@example.org>"
_GUARDED = re.compile(r"'+[=+\-@\t\r]")  # how export.py escapes what a spreadsheet would take for a formula


@dataclass(frozen=True, slots=True)
class ValidRow:
    """A valid row: a mailable address and its status in the file."""

    line: int
    address: str
    key: str
    status: ImportStatus


@dataclass(frozen=True, slots=True)
class InvalidRow:
    """A rejected row, and why."""

    line: int
    reason: str
    text: str


@dataclass(frozen=True)
class RowChunk:
    """Some rows of the file: valid rows by address key, invalid rows, and how many were read."""

    read: int
    rows: dict[str, ValidRow]
    bad: tuple[InvalidRow, ...]
    repeated: int


def read_chunks(
    path: Path, *, address: str | None = None, status: str | None = None, size: int = CHUNK
) -> tuple[csv_reader.CsvSheet, Iterator[RowChunk]]:
    """Inspect a file and return it with its rows in chunks of `size`.

    `address` and `status` name columns; status "-" means none. Raises BadInput, before any row is imported, when the
    file is not CSV or holds no addresses.
    """
    sheet = csv_reader.inspect_file(path)
    records = sheet.records()
    sample = list(islice(records, SAMPLE))
    try:
        layout = csv_columns.detect_layout(sample, address, status)
    except BadInput as error:
        raise BadInput(f"{path}: {error}") from None
    return sheet, _chunks(chain(sample[layout.header :], records), layout, size)


def evidence(sheet: csv_reader.CsvSheet, by: str, why: str) -> str:
    """Return the text stored as proof of an import: file name, hash, who imported it, and the legal basis."""
    # A file name may contain any bytes.
    name = "".join(c if c.isprintable() else "?" for c in sheet.path.name)
    return f"Imported from {name} (SHA-256 {sheet.sha256}) by {by}: {why}"


def _chunks(
    records: Iterator[csv_reader.CsvRecord], layout: csv_columns.ColumnLayout, size: int
) -> Iterator[RowChunk]:
    while batch := list(islice(records, size)):
        yield _chunk(batch, layout)


def _chunk(records: Sequence[csv_reader.CsvRecord], layout: csv_columns.ColumnLayout) -> RowChunk:
    good: dict[str, ValidRow] = {}
    bad: list[InvalidRow] = []
    repeated = 0
    for record in records:
        try:
            address = _address(record, layout.address)
        except BadInput as error:
            bad.append(_bad(record, layout.address, str(error)))
            continue
        row = ValidRow(record.line, address.address, address.key, layout.status(record.cells))
        before = good.setdefault(address.key, row)
        if before is not row:
            repeated += 1
            if row.status > before.status:
                good[address.key] = row
    return RowChunk(len(records), good, tuple(bad), repeated)


def _address(record: csv_reader.CsvRecord, at: int) -> Address:
    if record.fault:
        raise BadInput(record.fault)
    text = record.cells[at].strip() if at < len(record.cells) else ""
    if not text:
        raise BadInput("this row has no address")
    if _GUARDED.match(text):
        text = text[1:]
    named = _NAMED.fullmatch(text)
    return normalize(named[1] if named else text)


def _bad(record: csv_reader.CsvRecord, at: int, reason: str) -> InvalidRow:
    cell = record.cells[at] if at < len(record.cells) else " ".join(record.cells)
    shown = "".join(c if c.isprintable() else " " for c in cell[:80])
    return InvalidRow(record.line, reason, shown)
