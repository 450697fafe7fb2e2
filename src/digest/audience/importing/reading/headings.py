"""Lines between the rows that head a part of the list: "Unsubscribed:", and below it those who must not be mailed."""

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Final

from digest.audience.importing.reading import phrases
from digest.audience.importing.reading.cells import unmistakable
from digest.audience.importing.reading.csv_reader import CsvRecord
from digest.audience.importing.reading.folding import fold_words
from digest.errors import BadInput

MAX_CHARS: Final = 80  # a longer text is a note, no heading


def check(records: Iterable[CsvRecord], first_row: int, address: int) -> Iterator[CsvRecord]:
    """Yield the rows from `first_row` on, with addresses in column `address`.

    Raises BadInput at an address below a heading that says that those below it opted out: no row says so itself.
    """
    heading: tuple[int, str] | None = None
    for record in islice(records, first_row, None):
        if len(record.cells) <= address or "@" not in record.cells[address]:
            heading = _opt_out_heading(record, address) or heading
        elif heading is not None:
            line, text = heading
            raise BadInput(
                f"line {line} says “{text}” above more addresses: it is not clear who is subscribed. Nothing was "
                f"imported. Move the addresses below it to a file of their own, or delete line {line}"
            )
        yield record


def _opt_out_heading(record: CsvRecord, address: int) -> tuple[int, str] | None:
    """Return the line and text of a row that holds one text, first or in place of the address, and names opt-outs."""
    filled = {n: cell.strip() for n, cell in enumerate(record.cells) if cell.strip()}
    text = filled.get(0) or filled.get(address) or ""
    if len(filled) != 1 or not text or len(text) > MAX_CHARS or "@" in text:
        return None
    # In a row like the others it may be somebody without an address: a Mr Robinson is on no Robinson list.
    may_be_name = address not in filled and len(record.cells) > 1 and not text.endswith(":")
    is_opt_out = unmistakable(text) if may_be_name else phrases.names_opt_outs(fold_words(text))
    return (record.line, text) if is_opt_out else None
