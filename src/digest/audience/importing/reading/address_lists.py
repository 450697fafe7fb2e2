"""Lines with several addresses, as people paste them: "ada@example.org, bob@example.org; Eve <eve@example.org>"."""

from collections.abc import Iterable, Iterator
from typing import Final

from digest.audience.importing.reading.csv_reader import CsvRecord

LEFT_OUT: Final = "this line begins with another address; put each on a line of its own"


def split(records: Iterable[CsvRecord], column: int) -> Iterator[CsvRecord]:
    """Yield the rows of a file without a header, with one address each, in this column.

    A line of nothing but addresses becomes a row for each. Of any other line, one address is its reader and the other
    cells may be about them; further addresses are yielded as rows with a fault, so that they are not lost in silence.
    """
    for record in records:
        addresses = [cell for cell in record.cells if "@" in cell]
        if len(addresses) <= 1 or record.fault:
            yield record
        elif len(addresses) == sum(1 for cell in record.cells if cell.strip()):
            yield from (_row(record.line, column, address) for address in addresses)
        else:
            yield record
            first = record.cells[column] if column < len(record.cells) else ""
            for address in dict.fromkeys(addresses):
                if address != first:
                    yield _row(record.line, column, address, LEFT_OUT)


def _row(line: int, column: int, address: str, fault: str = "") -> CsvRecord:
    return CsvRecord(line, [""] * column + [address], fault)
