"""Where a file's header is, which columns hold the addresses, and what its names say about the other columns."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from digest.audience.importing.reading import tools
from digest.audience.importing.reading.columns import Column, classify
from digest.audience.importing.reading.csv_reader import CsvRecord
from digest.audience.importing.reading.folding import fold_words
from digest.audience.importing.reading.statuses import ImportStatus, NameSense, Role
from digest.audience.importing.reading.vocabulary import ADDRESS_NAMES
from digest.errors import BadInput

NONE: Final = frozenset({"-", "none"})  # --status-column none
_NAMES: Final = tuple(dict.fromkeys(name.replace("e mail", "email") for name in ADDRESS_NAMES))
_JSON: Final = re.compile(r"\s*(?:\{|\[\s*(?:\{|$))")
_ADDRESS: Final = re.compile(r"[^\s@<>]+@[^\s@<>]+\.[^\s@<>]+")


@dataclass(frozen=True)
class Layout:
    """How to read a file: its columns, and how many of its rows are the header and what stands above it."""

    first_row: int  # of readers; the rows above are a title and the header
    columns: tuple[Column, ...]
    addresses: tuple[int, ...]  # positions, the best first: the next is read where one is empty
    has_header: bool
    tool: tools.Tool | None = None
    whole_file: ImportStatus | None = None  # the status of every row
    ignores_unknown: bool = (
        False  # with --status-column: words that are not understood no longer stop the import
    )

    def with_role(self, *roles: Role) -> list[Column]:
        """Return the columns with one of these roles."""
        return [column for column in self.columns if column.role in roles]


def detect(
    sample: Sequence[CsvRecord], file_name: str, *, address: str | None = None, status: str | None = None
) -> Layout:
    """Read the first rows of a file by their names alone.

    `address` and `status` are the columns that the operator named; status "none": there is none. Raises BadInput when
    a named column is missing, no column holds addresses or the file is JSON.
    """
    rows = [record.cells for record in sample if not record.fault]
    if not rows:
        raise BadInput("the file has no readable row")
    if rows[0] and _JSON.match(rows[0][0]):
        raise BadInput("this is JSON; save or export the list as CSV")
    at = _find_header(rows, address)
    if at is None:
        if address or (status and status.lower() not in NONE):
            raise BadInput("the file has no header that could name that column")
        width = max(map(len, rows))
        columns = tuple(
            Column(n, f"column {n + 1}", Role.IGNORED, sense=NameSense.UNREADABLE) for n in range(width)
        )
        return Layout(0, columns, (_by_content(rows),), False, ignores_unknown=bool(status))
    names = [cell.strip() for cell in rows[at]]
    tool = tools.recognize(names)
    columns = tuple(tools.adapt(tool, classify(n, name)) for n, name in enumerate(names))
    addresses = _find_addresses(names, rows[at + 1 :], address)
    # Only rows with a fault are missing from `rows`; count them as they stand in the file.
    first_row = next(n for n, record in enumerate(sample) if record.cells is rows[at]) + 1
    whole = None if status else tools.whole_file_status(tool, names, file_name)
    layout = Layout(first_row, columns, addresses, True, tool, whole, bool(status))
    return _with_named_status(layout, status)


def _find_header(rows: Sequence[Sequence[str]], address: str | None) -> int | None:
    """Return the position of the header: the row that names an address column, or the first one without addresses."""
    wanted = {_fold(address)} if address else set(_NAMES[:-2])  # not "address", which may be a street
    for n, row in enumerate(rows):
        if any(_ADDRESS.fullmatch(cell.strip()) for cell in row):
            break
        if any(_fold(cell) in wanted for cell in row):
            return n
    return None if any("@" in cell for cell in rows[0]) else _last_of_title(rows)


def _fold(name: str) -> str:
    return fold_words(name).replace("e mail", "email")


def _last_of_title(rows: Sequence[Sequence[str]]) -> int:
    """Return the header's position in a file whose address column has an unknown name: the row above the readers."""
    first = next((n for n, row in enumerate(rows) if any("@" in cell for cell in row)), 1)
    return next((n for n in range(first) if len(rows[n]) >= len(rows[min(first, len(rows) - 1)])), 0)


def _find_addresses(
    names: Sequence[str], rows: Sequence[Sequence[str]], wanted: str | None
) -> tuple[int, ...]:
    folded = [_fold(name) for name in names]
    if wanted:
        named = [n for n, name in enumerate(folded) if name == _fold(wanted)]
        if not named:
            raise BadInput(f"there is no column called {wanted!r}; the header says: {', '.join(names)[:200]}")
        return tuple(named)
    named = [n for name in _NAMES for n, other in enumerate(folded) if other == name]
    filled = [n for n in named if any(n < len(row) and "@" in row[n] for row in rows)]
    if filled:
        return tuple(filled)
    if named and not any("@" in cell for row in rows for cell in row):
        return (named[0],)
    return (_by_content(rows),)


def _by_content(rows: Sequence[Sequence[str]]) -> int:
    counts: dict[int, int] = {}
    for row in rows:
        for n, cell in enumerate(row):
            counts[n] = counts.get(n, 0) + ("@" in cell)
    best = max(counts, key=lambda n: (counts[n], -n), default=0)
    if not counts.get(best):
        raise BadInput("no column holds email addresses; name the address column “email” in the first line")
    return best


def _with_named_status(layout: Layout, status: str | None) -> Layout:
    """Give the addresses their role, and the column that the operator named as the status column the role of one."""
    wanted = fold_words(status or "") if status and status.lower() not in NONE else None
    columns = []
    for column in layout.columns:
        if column.index in layout.addresses:
            columns.append(replace(column, role=Role.ADDRESS))
        elif wanted is not None and fold_words(column.name) == wanted:
            is_status = column.role in {Role.STATUS, Role.OPT_IN, Role.CONFIRMED, Role.OPT_OUT}
            role = column.role if is_status else Role.STATUS
            columns.append(
                replace(
                    column, role=role, is_weak=False, is_negated=False, unknown=ImportStatus.NOT_SUBSCRIBED
                )
            )
        else:
            columns.append(column)
    if wanted is not None and not any(fold_words(column.name) == wanted for column in columns):
        names = ", ".join(column.name for column in columns)
        raise BadInput(f"there is no column called {status!r}; the header says: {names[:200]}")
    return replace(layout, columns=tuple(columns))
