"""Reading subscribers from a CSV file: rows with a valid address and what the file says of them, and rejected rows."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Final

from digest.audience.address import Address, normalize
from digest.audience.importing.original_consent import OriginalConsent, ProofColumns
from digest.audience.importing.reading import address_lists, csv_reader, layout, survey
from digest.audience.importing.reading.cells import interpret
from digest.audience.importing.reading.columns import Column
from digest.audience.importing.reading.csv_reader import CsvRecord
from digest.audience.importing.reading.statuses import ImportStatus, Role
from digest.errors import BadInput

CHUNK: Final = 5000
SAMPLE: Final = 50
CACHED_CELLS: Final = 20_000
COUNTED_WORDS: Final = 30  # per column; the rest are counted together
OTHER_WORDS: Final = "other words"
_GUARD: Final = "'"  # export.py puts it before what a spreadsheet would take for a formula


@dataclass(frozen=True, slots=True)
class ValidRow:
    """A valid row: a mailable address and its status in the file."""

    line: int
    address: str
    key: str
    status: ImportStatus
    because: str = ""  # the column and the cell that say so, unless they are subscribed
    original: OriginalConsent | None = None


@dataclass(frozen=True, slots=True)
class InvalidRow:
    """A rejected row, and why."""

    line: int
    reason: str
    text: str


@dataclass(frozen=True)
class RowChunk:
    """Some rows of the file: valid rows by address key, invalid and repeated rows, and how many were read."""

    read: int
    rows: dict[str, ValidRow]
    bad: tuple[InvalidRow, ...] = ()
    repeated: tuple[InvalidRow, ...] = ()


@dataclass
class SubscriberFile:
    """A file that was looked through and is understood; `words` are counted while `chunks` are read."""

    sheet: csv_reader.CsvSheet
    layout: layout.Layout
    words: dict[str, Counter[str]] = field(default_factory=dict)  # by status column

    def chunks(self, size: int | None = None) -> Iterator[RowChunk]:
        """Yield the rows in chunks of `size`, else of CHUNK."""
        reader = _RowReader(self.layout, self.words)
        records: Iterator[CsvRecord] = islice(self.sheet.records(), self.layout.first_row, None)
        if not self.layout.has_header:
            records = address_lists.split(records, self.layout.addresses[0])
        while batch := list(islice(records, size or CHUNK)):
            yield reader.read(batch)

    def evidence(self, by: str, why: str) -> str:
        """Return the text stored as proof of an import: file name, hash, who imported it, and the legal basis."""
        return f"Imported from {self.name} (SHA-256 {self.sheet.sha256}) by {by}: {why}"

    @property
    def name(self) -> str:
        """The file's name, which may contain any bytes, as text."""
        return "".join(c if c.isprintable() else "?" for c in self.sheet.name)


def open_file(
    path: Path, *, address: str | None = None, status: str | None = None, name: str | None = None
) -> SubscriberFile:
    """Look a whole file through and return how it is read.

    `address` and `status` name columns; status "none" means that there is no status column. `name` is what the file
    was called where it came from. Raises BadInput, before any row is imported, when the file is not CSV, holds no
    addresses, or may say who unsubscribed in words that are not understood (UnclearColumns).
    """
    sheet = csv_reader.inspect_file(path, name)
    try:
        found = layout.detect(
            list(islice(sheet.records(), SAMPLE)), sheet.name, address=address, status=status
        )
        found = survey.complete(found, sheet.records())
    except survey.UnclearColumns:
        raise
    except BadInput as error:
        raise BadInput(f"{sheet.shown}: {error}") from None
    has_status = found.with_role(*survey.SPEAKING) or found.whole_file
    if not status and not has_status and survey.is_headed_for_opt_outs(found, sheet):
        raise survey.UnclearColumns({})
    return SubscriberFile(sheet, found)


class _Meanings(dict[str, ImportStatus]):
    """What the cells of one column say, worked out once per different cell."""

    def __init__(self, column: Column) -> None:
        super().__init__()
        self.column = column

    def __missing__(self, cell: str) -> ImportStatus:
        if len(self) > CACHED_CELLS:
            self.clear()
        said = interpret(self.column, cell)
        if said is None:
            said = self.column.unknown if self.column.unknown is not None else ImportStatus.NOT_SUBSCRIBED
        elif said == ImportStatus.NOT_SUBSCRIBED and self.column.unknown == ImportStatus.UNSTATED:
            said = ImportStatus.UNSTATED
        self[cell] = said
        return said


class _RowReader:
    """Turns records into rows."""

    def __init__(self, found: layout.Layout, words: dict[str, Counter[str]]) -> None:
        self.layout = found
        self.meanings = [(c.index, _Meanings(c)) for c in found.columns if c.role != Role.ADDRESS]
        self.counted = [
            (c.index, words.setdefault(c.name, Counter())) for c in found.with_role(*survey.SPEAKING)
        ]
        self.proof = ProofColumns.of(found)

    def read(self, records: Sequence[CsvRecord]) -> RowChunk:
        good: dict[str, ValidRow] = {}
        bad: list[InvalidRow] = []
        repeated: list[InvalidRow] = []
        for record in records:
            try:
                address = self._address(record)
            except BadInput as error:
                bad.append(self._invalid(record, str(error)))
                continue
            row = self._row(record, address)
            before = good.setdefault(address.key, row)
            if before is not row:
                if row.status > before.status:
                    good[address.key] = row
                repeated.append(InvalidRow(row.line, f"the same address as line {before.line}", row.address))
        return RowChunk(len(records), good, tuple(bad), tuple(repeated))

    def _row(self, record: CsvRecord, address: Address) -> ValidRow:
        cells, width = record.cells, len(record.cells)
        worst, said_by = self.layout.whole_file or ImportStatus.UNSTATED, None
        for n, meanings in self.meanings:
            said = meanings[cells[n] if n < width else ""]
            if said > worst:
                worst, said_by = said, meanings.column
        for n, counter in self.counted:
            _count(counter, cells[n] if n < width else "")
        because = "" if worst <= ImportStatus.SUBSCRIBED else self._reason(said_by, cells)
        original = self.proof.read(cells) if self.proof else None
        return ValidRow(record.line, address.address, address.key, worst, because, original)

    def _reason(self, column: Column | None, cells: Sequence[str]) -> str:
        if column is None:
            return (
                f"{self.layout.tool.name if self.layout.tool else 'the file'} lists nobody else in this file"
            )
        cell = cells[column.index].strip() if column.index < len(cells) else ""
        return f"{column.name}: {_printable(cell) or '(empty)'}"

    def _address(self, record: CsvRecord) -> Address:
        if record.fault:
            raise BadInput(record.fault)
        text = self._address_text(record)
        if not text:
            raise BadInput("this row has no address")
        if text[0] == _GUARD and text.lstrip(_GUARD)[:1] in {"=", "+", "-", "@", "\t", "\r"}:
            text = text[1:]
        return normalize(text)

    def _address_text(self, record: CsvRecord) -> str:
        """Return the cell with the address: the first address column, or the next one with an address."""
        first, *others = self.layout.addresses
        text = record.cells[first].strip() if first < len(record.cells) else ""
        if text or not others:
            return text
        texts = (record.cells[n].strip() for n in others if n < len(record.cells))
        return next((text for text in texts if "@" in text), "")

    def _invalid(self, record: CsvRecord, reason: str) -> InvalidRow:
        at = self.layout.addresses[0]
        cell = record.cells[at] if at < len(record.cells) else " ".join(record.cells)
        return InvalidRow(record.line, reason, _printable(cell))


def _count(counter: Counter[str], cell: str) -> None:
    if cell in counter or len(counter) < COUNTED_WORDS:
        counter[cell] += 1
    else:
        counter[OTHER_WORDS] += 1


def _printable(text: str) -> str:
    return "".join(c if c.isprintable() else " " for c in text[:80])
