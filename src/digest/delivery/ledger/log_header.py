"""The names of a log's columns: the first line of a CSV, or the `#Fields:` of Exchange's tracking logs."""

import csv
from collections.abc import Iterator, Sequence
from typing import Final

from digest.audience.importing.reading.folding import fold_words

COMMENT: Final = "#"
_FIELDS: Final = "#Fields:"


class LogHeader:
    """Folded names of the columns, none until a line has named them."""

    def __init__(self) -> None:
        self.names: list[str] = []
        self._separator, self._is_begun = ",", False

    def read(self, record: str) -> bool:
        """Take the names from an entry if it has them; returns whether it has, rather than an email."""
        if record.startswith(_FIELDS):  # once more where logs were joined
            self._take(record.removeprefix(_FIELDS))
        elif not self._is_begun and record.strip() and not record.startswith(COMMENT):
            self._is_begun = True
            if "@" in record or record[:1] in {"{", "["}:
                return False
            self._take(record)
        else:
            return False
        return bool(self.names)

    def cells(self, record: str, columns: Sequence[int]) -> Iterator[str]:
        """Yield what stands in these columns of an entry, so far as it has them."""
        try:
            row = next(csv.reader([record], delimiter=self._separator), [])
        except csv.Error:
            return
        yield from (row[n] for n in columns if n < len(row) and row[n].strip())

    def _take(self, line: str) -> None:
        self._is_begun = True
        self._separator = max(",;\t|", key=line.count)
        names = [fold_words(cell) for cell in line.split(self._separator)]
        self.names = names if len(names) > 1 else []
