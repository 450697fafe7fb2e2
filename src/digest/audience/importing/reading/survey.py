"""Looking through a whole file before anything is imported: which columns hold statuses, and what is not understood."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import islice, zip_longest
from typing import Final

from digest.audience.importing.reading import headings, phrases, vocabulary
from digest.audience.importing.reading.cells import answer
from digest.audience.importing.reading.column_contents import (
    NOT_SUBSCRIBED_WORDS,
    SHOWN_WORDS,
    ColumnContents,
)
from digest.audience.importing.reading.columns import Column
from digest.audience.importing.reading.csv_reader import CsvRecord, CsvSheet
from digest.audience.importing.reading.folding import fold_words
from digest.audience.importing.reading.layout import Layout
from digest.audience.importing.reading.statuses import OPT_OUTS, Answer, ImportStatus, NameSense, Role
from digest.errors import BadInput

ROWS: Final = 5000  # looked at together
SPEAKING: Final = (Role.STATUS, Role.OPT_IN, Role.CONFIRMED, Role.OPT_OUT)
_TELLTALE: Final = vocabulary.UNMISTAKABLE.keys() | {"subscribed"}


class UnclearColumns(BadInput):
    """Columns that look like statuses and are not understood, by name, with their words. Nothing was imported.

    Without any, it is the file's name or title that looks like a list of those who unsubscribed.
    """

    def __init__(self, words: dict[str, list[str]], columns: Iterable[str] = ()) -> None:
        """Take the unclear columns' words by name, and the names of all columns, any of which may be meant."""
        self.words, self.columns = words, [name for name in columns if name]
        parts = [f"the column “{name}” says {_quoted(some)}" for name, some in words.items()]
        what = " and ".join(parts) or "the file is called or headed like a list of those who unsubscribed"
        super().__init__(f"{what}: it is not clear who is subscribed. Nothing was imported")


def complete(layout: Layout, records: Iterable[CsvRecord]) -> Layout:
    """Return the layout with the columns that prove to be statuses by their cells.

    `records` are all rows of the file. Raises UnclearColumns when a column looks like a status and is not understood,
    BadInput when a line between the rows says that those below it opted out.
    """
    contents: list[ColumnContents] = []
    columns = list(layout.columns)
    for block in _blocks(headings.check(records, layout.first_row, layout.addresses[0])):
        for n, cells in enumerate(zip_longest(*block, fillvalue="")):
            if n == len(columns):
                columns.append(Column(n, f"column {n + 1}", Role.IGNORED, sense=NameSense.UNREADABLE))
            if n == len(contents):
                contents.append(ColumnContents())
            contents[n].rows += len(block)
            if columns[n].role != Role.ADDRESS:
                _collect(columns[n], contents[n], set(cells))
    contents += [ColumnContents() for _ in columns[len(contents) :]]
    return _decide(replace(layout, columns=tuple(columns)), contents)


def _blocks(records: Iterator[CsvRecord]) -> Iterator[list[list[str]]]:
    while block := list(islice(records, ROWS)):
        yield [record.cells for record in block if not record.fault]


def _collect(column: Column, seen: ColumnContents, cells: set[str]) -> None:
    if column.role in SPEAKING and not column.is_weak:
        for cell in cells:
            seen.collect_status(column, cell.strip())
        return
    with_pairs = [cell for cell in cells if ":" in cell or "=" in cell] if seen.is_settled(column) else cells
    for cell in with_pairs:
        seen.collect(column, cell.strip())


def _decide(layout: Layout, contents: list[ColumnContents]) -> Layout:
    unclear: dict[str, list[str]] = {}
    columns = []
    for column, seen in zip(layout.columns, contents, strict=True):
        decided, words = _decide_column(column, seen)
        if words and column.unknown is None:
            unclear[column.name] = words
        columns.append(decided)
    speaking = [column for column in columns if column.role in SPEAKING and not column.is_weak]
    # Where another column says who is subscribed, a yes or no under a name that we do not know is of no concern.
    is_told = layout.tool is not None or any(map(_tells_who_is_subscribed, speaking))
    for column, seen in zip(columns, contents, strict=True):
        is_open = column.role == Role.IGNORED and not (is_told and column.sense == NameSense.UNKNOWN)
        if is_open and column.name not in unclear and (words := _doubts(column, seen)):
            unclear[column.name] = words
    if unclear and not layout.ignores_unknown:
        raise UnclearColumns(unclear, (column.name for column in columns if column.role != Role.ADDRESS))
    return replace(layout, columns=tuple(_adjust(column, speaking, layout) for column in columns))


def _tells_who_is_subscribed(column: Column) -> bool:
    if column.role == Role.OPT_OUT:
        return column.outcome == ImportStatus.UNSUBSCRIBED
    return column.role in {Role.STATUS, Role.OPT_IN}


def _doubts(column: Column, seen: ColumnContents) -> list[str]:
    is_blank = seen.is_empty and not (seen.dash and column.sense == NameSense.UNREADABLE)
    return [] if is_blank else list(dict.fromkeys(seen.doubts(column)))[:SHOWN_WORDS]


def _decide_column(column: Column, seen: ColumnContents) -> tuple[Column, list[str]]:
    """Return a column with its final role, and the words that are not understood."""
    if column.role == Role.ADDRESS:
        return column, []
    if column.role in SPEAKING and not column.is_weak:
        if seen.is_empty and column.role != Role.OPT_OUT:
            return replace(column, role=Role.IGNORED), []
        if (
            column.role == Role.STATUS
            and seen.answers - {Answer.EMPTY} == {Answer.NO}
            and not seen.has_statuses
        ):
            return column, [
                seen.words["?"]
            ]  # a status of 0 in every row: of another thing, or in another sense
        has_dates = Answer.DATE in seen.answers and not seen.answers & {Answer.YES, Answer.NO}
        is_date_column = column.role == Role.OPT_IN or (
            column.role == Role.STATUS and column.is_dated and not seen.has_statuses
        )
        empty = ImportStatus.UNSTATED if is_date_column and has_dates else column.empty
        return replace(column, empty=empty), list(seen.unknown)
    if column.role not in {Role.IGNORED, *SPEAKING} or seen.is_empty or seen.has_many or seen.unknown:
        return _ignored_if_weak(column), list(seen.unknown)
    return _decide_by_words(column, seen.words)


def _decide_by_words(column: Column, words: dict[str, str]) -> tuple[Column, list[str]]:
    """Decide on a column whose name says little, by what stands in it."""
    statuses = {word: vocabulary.STATUS_OF[word] for word in words if word in vocabulary.STATUS_OF}
    understood = statuses.keys() | (words.keys() & vocabulary.PLAN_WORDS) | (words.keys() & _EMPTY)
    if column.is_weak and column.role == Role.OPT_IN:
        said = {word: answer(text, word) for word, text in words.items()}
        answers = {word for word, one in said.items() if one in {Answer.YES, Answer.NO}}
        understood |= answers | (words.keys() & vocabulary.ANSWER_OF.keys())
        statuses |= dict.fromkeys(answers, ImportStatus.UNSTATED)
    outs = NOT_SUBSCRIBED_WORDS if column.is_weak else _OUT
    has_outs = bool(statuses.keys() & outs)
    if words.keys() <= understood and statuses and (column.is_weak or statuses.keys() & _TELLTALE):
        role = column.role if column.is_weak else Role.STATUS
        # Where a column says nothing but who opted out, as "do not email" among remarks, all others are as they were.
        has_others = any(status < ImportStatus.NOT_SUBSCRIBED for status in statuses.values())
        empty = column.empty if column.is_weak or (has_outs and has_others) else ImportStatus.UNSTATED
        return replace(column, role=role, is_weak=False, empty=empty), []
    if statuses.keys() & outs - vocabulary.UNMISTAKABLE.keys():  # the unmistakable ones count by themselves
        return _ignored_if_weak(column), [words[word] for word in words if word][:SHOWN_WORDS]
    return _ignored_if_weak(column), []


def _ignored_if_weak(column: Column) -> Column:
    return replace(column, role=Role.IGNORED) if column.role in SPEAKING else column


def _adjust(column: Column, speaking: list[Column], layout: Layout) -> Column:
    """Return the column as it is read in the end, given the others and what the operator said."""
    if column.role == Role.CONFIRMED and column.is_dated and any(c.role != Role.CONFIRMED for c in speaking):
        column = replace(column, empty=ImportStatus.UNSTATED)
    if layout.ignores_unknown and column.unknown is None:
        column = replace(column, unknown=ImportStatus.UNSTATED, empty=ImportStatus.UNSTATED)
    return column


def is_headed_for_opt_outs(layout: Layout, sheet: CsvSheet) -> bool:
    """Return whether a file is called or headed as if it held those who must not be mailed: "unsubscribes.csv"."""
    title = sheet.name.rpartition(".")[0] or sheet.name
    above = [
        cell for record in islice(sheet.records(), max(0, layout.first_row - 1)) for cell in record.cells
    ]
    of_addresses = [layout.columns[n].name for n in layout.addresses]
    return any(phrases.names_opt_outs(fold_words(text)) for text in (title, *above, *of_addresses))


def _quoted(words: list[str]) -> str:
    return ", ".join(f"“{word[:30]}”" for word in words)


_EMPTY: Final = frozenset(word for word, said in vocabulary.ANSWER_OF.items() if said == Answer.EMPTY)
_OUT: Final = frozenset(word for word, said in vocabulary.STATUS_OF.items() if said in OPT_OUTS)
