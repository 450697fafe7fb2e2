"""An audience as a file: which rows hold an address that can be mailed, and which do not and why."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path

from digest.audience import columns, spreadsheet
from digest.audience.address import Address, normal
from digest.audience.columns import Status
from digest.errors import BadInput

CHUNK = 5000
SAMPLE = 50
_NAMED = re.compile(r"[^<>]*<([^<>]+)>\s*")  # "Ada Lovelace <ada@example.org>"
_GUARDED = re.compile(r"'+[=+\-@\t\r]")  # as export.py writes what a spreadsheet would take for a formula


@dataclass(frozen=True, slots=True)
class Row:
    """A good row: a mailable address and what the file says of it."""

    line: int
    address: str
    key: str
    status: Status


@dataclass(frozen=True, slots=True)
class Bad:
    """A row that was not imported, and why."""

    line: int
    reason: str
    text: str


@dataclass(frozen=True)
class Chunk:
    """Some rows of the file: good ones by address key, bad ones, and how many were read in all."""

    read: int
    rows: dict[str, Row]
    bad: tuple[Bad, ...]
    repeated: int


def read(
    path: Path, *, address: str | None = None, standing: str | None = None, size: int = CHUNK
) -> tuple[spreadsheet.Sheet, Iterator[Chunk]]:
    """Look at a file and give its rows in chunks. `address` and `standing` name columns, "-" for no such one.

    Raises BadInput when it is no CSV file or holds no addresses, before anything is imported.
    """
    sheet = spreadsheet.look(path)
    records = sheet.records()
    sample = list(islice(records, SAMPLE))
    try:
        layout = columns.layout(sample, address, standing)
    except BadInput as error:
        raise BadInput(f"{path}: {error}") from None
    return sheet, _chunks(chain(sample[layout.header :], records), layout, size)


def evidence(sheet: spreadsheet.Sheet, by: str, why: str) -> str:
    """The words kept as proof of an import: file, its hash, who brought it, and why we may."""
    name = "".join(c if c.isprintable() else "?" for c in sheet.path.name)  # a file's name may be any bytes
    return f"Imported from {name} (SHA-256 {sheet.sha256}) by {by}: {why}"


def _chunks(records: Iterator[spreadsheet.Record], layout: columns.Layout, size: int) -> Iterator[Chunk]:
    while some := list(islice(records, size)):
        yield _chunk(some, layout)


def _chunk(records: Sequence[spreadsheet.Record], layout: columns.Layout) -> Chunk:
    good: dict[str, Row] = {}
    bad: list[Bad] = []
    repeated = 0
    for record in records:
        try:
            found = _address(record, layout.address)
        except BadInput as error:
            bad.append(_bad(record, layout.address, str(error)))
            continue
        row = Row(record.line, found.address, found.key, layout.status(record.cells))
        before = good.setdefault(found.key, row)
        if before is not row:
            repeated += 1
            if row.status > before.status:
                good[found.key] = row
    return Chunk(len(records), good, tuple(bad), repeated)


def _address(record: spreadsheet.Record, at: int) -> Address:
    if record.fault:
        raise BadInput(record.fault)
    text = record.cells[at].strip() if at < len(record.cells) else ""
    if not text:
        raise BadInput("there is no address in this row")
    if _GUARDED.match(text):
        text = text[1:]
    named = _NAMED.fullmatch(text)
    return normal(named[1] if named else text)


def _bad(record: spreadsheet.Record, at: int, reason: str) -> Bad:
    cell = record.cells[at] if at < len(record.cells) else " ".join(record.cells)
    shown = "".join(c if c.isprintable() else " " for c in cell[:80])
    return Bad(record.line, reason, shown)
