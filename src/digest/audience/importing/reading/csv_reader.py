"""Reading CSV files from other tools and spreadsheets, in any common encoding, separator and line ending."""

import codecs
import csv
import hashlib
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import TextIO

from digest.audience.importing.reading.legacy_encoding import LegacyText
from digest.errors import BadInput

BLOCK = 1 << 20
UTF16_SAMPLE = 4  # octets: two characters
SEPARATOR_LINE = "sep="  # Excel's first line: this and one separator
MAX_CELL_LINES = 50  # of a quoted cell: an unclosed quote must not swallow the rest of the file
MAX_ROW_CHARS = 100_000  # per row
MAX_CONTROL_SHARE = 0.05  # a file with a larger share of control characters is not text
SEPARATORS = ",;\t|"
_ADDRESS = re.compile(r"[^\s@<>,;|\"]+@[^\s@<>,;|\"]+")  # alone in its cell: the separator is right
BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),  # before UTF-16, whose byte order mark is a prefix of it
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


@dataclass(frozen=True, slots=True)
class CsvRecord:
    """One row of the file, and the line (from 1) where it begins."""

    line: int
    cells: list[str]
    fault: str = ""  # why the row cannot be read


@dataclass(frozen=True)
class CsvSheet:
    """An inspected file: how to read it, and the hash that identifies it."""

    path: Path
    encoding: str
    sha256: str
    lines: int  # approximate, for a progress bar
    separator: str = field(default=",")
    name: str = ""  # where it came from; the path may be a copy

    @property
    def shown(self) -> str:
        """The path, or the name of a copy, for messages."""
        return str(self.path) if self.name == self.path.name else self.name

    def records(self) -> Iterator[CsvRecord]:
        """Yield the rows that are not blank, one at a time, however large the file."""
        with self.path.open(encoding=self.encoding, errors="replace", newline="") as file:
            yield from records(_read_bounded(file), self.separator)


def inspect_file(path: Path, name: str | None = None) -> CsvSheet:
    """Detect encoding and separator. `name` is what the file was called, if `path` is a copy of it.

    Raises BadInput when the file is missing, empty or not text.
    """
    try:
        encoding, sha256, lines, is_misread = _examine(path)
    except OSError as error:
        raise BadInput(f"{path}: cannot be read: {error.strerror}") from None
    with path.open(encoding=encoding, errors="replace", newline="") as file:
        head = [line for line in (file.readline(MAX_ROW_CHARS) for _ in range(20)) if line]
    if not "".join(head).strip():
        raise BadInput(f"{path}: the file is empty")
    if _is_binary(head):
        raise BadInput(
            f"{path}: this is not a text file; save it as CSV (in a spreadsheet: “Save as” or “Download”)"
        )
    if is_misread:
        raise BadInput(
            f"{path}: the text is neither UTF-8 nor Western European (Windows-1252, Mac OS Roman), so its words would "
            "be misread; save it as UTF-8 (in a spreadsheet: “CSV UTF-8”)"
        )
    return CsvSheet(path, encoding, sha256, lines, _separator(head), name or path.name)


def records(lines: Iterable[str], separator: str) -> Iterator[CsvRecord]:
    """Parse lines into rows. An unreadable row is yielded with its fault, and parsing continues after it."""
    source = _LineReader(lines)
    for number, line in source:
        if number == 1 and _declared_separator(line):
            continue
        if len(line) > MAX_ROW_CHARS:
            yield CsvRecord(number, [line[:200]], f"the row is longer than {MAX_ROW_CHARS:,} characters")
        elif '"' in line:
            yield _read_quoted(number, line, source, separator)
        elif line.strip(" \r\n" + SEPARATORS):
            yield CsvRecord(number, line.rstrip("\r\n").split(separator))


def _read_bounded(file: TextIO) -> Iterator[str]:
    """Yield the lines of a file, each cut just above MAX_ROW_CHARS: a file may be a single line of gigabytes."""
    while line := file.readline(MAX_ROW_CHARS + 1):
        yield line
        while len(line) > MAX_ROW_CHARS and line[-1] not in "\r\n":
            line = file.readline(MAX_ROW_CHARS + 1)
            if not line:
                return


class _LineReader:
    """Numbered lines, with push-back."""

    def __init__(self, lines: Iterable[str]) -> None:
        self._lines = iter(lines)
        self._back: list[str] = []
        self._number = 0

    def __iter__(self) -> Iterator[tuple[int, str]]:
        while (line := self.next()) is not None:
            yield self._number, line

    def next(self) -> str | None:
        line = self._back.pop() if self._back else next(self._lines, None)
        self._number += line is not None
        return line

    def push_back(self, lines: list[str]) -> None:
        self._back += reversed(lines)
        self._number -= len(lines)


def _read_quoted(number: int, first: str, source: _LineReader, separator: str) -> CsvRecord:
    """Read a row with quotes, which may span several lines."""
    text, more = first, list[str]()
    while True:
        cells = _parse(text, separator)
        if cells is not None:
            return CsvRecord(number, cells)
        line = source.next() if len(more) < MAX_CELL_LINES and len(text) < MAX_ROW_CHARS else None
        if line is None:
            source.push_back(more)
            return CsvRecord(number, [first[:200]], "a quote is never closed")
        more.append(line)
        text += line


def _parse(text: str, separator: str) -> list[str] | None:
    """Return the cells, or None while a quote is still open."""
    try:
        return next(csv.reader([text], delimiter=separator, strict=True), [])
    except csv.Error as error:
        if "unexpected end" in str(error):
            return None
    try:  # a stray quote: keep it as it is
        return next(csv.reader([text.rstrip("\r\n")], delimiter=separator, quoting=csv.QUOTE_NONE), [])
    except csv.Error:
        return text.rstrip("\r\n").split(separator)


def _examine(path: Path) -> tuple[str, str, int, bool]:
    """Return encoding, hash and number of lines, and whether it is none of the encodings that are read."""
    digest, lines, utf8, legacy = hashlib.sha256(), 0, codecs.getincrementaldecoder("utf-8")(), None
    with path.open("rb") as file:
        head = file.read(4)
        encoding = next((name for mark, name in BOMS if head.startswith(mark)), "") or _guess_utf16(head)
        file.seek(0)
        is_last = False
        while not is_last:
            block = file.read(BLOCK)
            is_last = not block
            digest.update(block)
            lines += block.count(b"\n") or block.count(b"\r")
            if not encoding and legacy is None:
                try:
                    utf8.decode(block, final=is_last)
                except UnicodeDecodeError:
                    legacy = LegacyText()
            if legacy is not None:
                legacy.add(block)
    if legacy is not None:
        return legacy.encoding, digest.hexdigest(), lines, legacy.is_misread
    return encoding or "utf-8", digest.hexdigest(), lines, False


def _guess_utf16(head: bytes) -> str:
    """Recognize UTF-16 without a byte order mark: Latin text then has a NUL in every pair, which no other CSV has."""
    if len(head) == UTF16_SAMPLE and head[1::2] == b"\0\0":
        return "utf-16-le"
    if len(head) == UTF16_SAMPLE and head[::2] == b"\0\0":
        return "utf-16-be"
    return ""


def _is_binary(head: Iterable[str]) -> bool:
    """Return whether this is a workbook, an image or the like: text has hardly any control characters."""
    text = "".join(head)
    controls = sum(c < " " and c not in "\t\r\n\f" for c in text)
    return controls > len(text) * MAX_CONTROL_SHARE


def _declared_separator(line: str) -> str:
    """Return the separator declared in a first line like `sep=;`, as Excel writes it; empty when there is none."""
    text = line.lstrip("\ufeff").strip("\r\n").strip('"')
    separator = text[len(SEPARATOR_LINE) :]
    return separator if text.lower().startswith(SEPARATOR_LINE) and len(separator) == 1 else ""


def _separator(head: list[str]) -> str:
    named = _declared_separator(head[0])
    if named:
        return named
    lines = [line for line in head if line.strip()]

    def agreement(separator: str) -> tuple[int, int, int]:
        addressed, counts = 0, list[int]()
        for record in islice(records(lines, separator), 20):
            if not record.fault:
                counts.append(len(record.cells))
                addressed += any(_ADDRESS.fullmatch(cell.strip()) for cell in record.cells)
        usual = max(set(counts), key=counts.count) if counts else 1
        return (addressed, counts.count(usual) if usual > 1 else 0, usual)

    return max(SEPARATORS, key=agreement)
