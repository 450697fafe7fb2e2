"""Looking through a whole file before anything is imported: which columns hold statuses, and what is not understood."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from itertools import islice, zip_longest
from typing import Final

from digest.audience.importing.reading import phrases, vocabulary
from digest.audience.importing.reading.cells import answer, interpret
from digest.audience.importing.reading.columns import Column
from digest.audience.importing.reading.csv_reader import CsvRecord
from digest.audience.importing.reading.folding import fold_word, fold_words
from digest.audience.importing.reading.layout import Layout
from digest.audience.importing.reading.statuses import OPT_OUTS, Answer, ImportStatus, Role
from digest.errors import BadInput

ROWS: Final = 5000  # looked at together
MAX_WORDS: Final = 40  # a column with more different words holds names or notes, not statuses
SHOWN_WORDS: Final = 6
FEW_WORDS, ROWS_PER_WORD = 3, 4  # fewer words that are repeated more often are statuses rather than names
SPEAKING: Final = (Role.STATUS, Role.OPT_IN, Role.CONFIRMED, Role.OPT_OUT)
_TELLTALE: Final = vocabulary.UNMISTAKABLE.keys() | {"subscribed"}


class UnclearColumns(BadInput):
    """Columns that look like statuses and are not understood, by name, with their words. Nothing was imported.

    Without any, it is the file's name that looks like a list of those who unsubscribed.
    """

    def __init__(self, words: dict[str, list[str]]) -> None:
        self.words = words
        parts = [f"the column “{name}” says {_quoted(some)}" for name, some in words.items()]
        what = " and ".join(parts) or "the file is called like a list of those who unsubscribed"
        super().__init__(f"{what}: it is not clear who is subscribed. Nothing was imported")


@dataclass
class _Contents:
    """What stands in one column."""

    words: dict[str, str] = field(default_factory=dict)  # folded to as written, at most MAX_WORDS
    has_many: bool = False
    answers: set[Answer] = field(default_factory=set)
    has_statuses: bool = False  # words such as "active", beside the answers
    rows: int = 0
    says_more: bool = False  # in a nameless column: some cells are neither answers nor dates
    unknown: dict[str, None] = field(default_factory=dict)  # words that were not understood, in order

    @property
    def is_empty(self) -> bool:
        return not self.has_many and not self.words.keys() - {""}

    def looks_like_status(self, column: Column) -> bool:
        """Whether a column that says nothing to us may say who is subscribed: by answers, dates, or few words."""
        count = len(self.words.keys() - {""})
        is_foreign = bool(column.name) and not column.name.isascii()
        has_few = (
            is_foreign and not self.has_many and count <= FEW_WORDS and self.rows >= ROWS_PER_WORD * count
        )
        return column.is_nameless and (not self.says_more or has_few)


def complete(layout: Layout, records: Iterable[CsvRecord]) -> Layout:
    """Return the layout with the columns that prove to be statuses by their cells.

    `records` are all rows of the file. Raises UnclearColumns when a column looks like a status and is not understood.
    """
    contents: list[_Contents] = []
    columns = list(layout.columns)
    for block in _blocks(records, layout.first_row):
        for n, cells in enumerate(zip_longest(*block, fillvalue="")):
            if n == len(columns):
                columns.append(Column(n, f"column {n + 1}", Role.IGNORED, is_nameless=True))
            if n == len(contents):
                contents.append(_Contents())
            contents[n].rows += len(block)
            if columns[n].role != Role.ADDRESS:
                _collect(columns[n], contents[n], set(cells))
    contents += [_Contents() for _ in columns[len(contents) :]]
    return _decide(replace(layout, columns=tuple(columns)), contents)


def _blocks(records: Iterable[CsvRecord], first_row: int) -> Iterator[list[list[str]]]:
    rows = islice(records, first_row, None)
    while block := list(islice(rows, ROWS)):
        yield [record.cells for record in block if not record.fault]


def _collect(column: Column, seen: _Contents, cells: set[str]) -> None:
    for cell in cells:
        if column.is_nameless and not seen.says_more:
            seen.says_more = not _is_answer(cell.strip())
        if column.role in SPEAKING and not column.is_weak:
            _collect_status(column, seen, cell.strip())
        elif not seen.has_many:
            seen.words.setdefault(fold_word(cell[: MAX_WORDS * 2]), cell.strip())
            seen.has_many = len(seen.words) > MAX_WORDS


def _is_answer(text: str) -> bool:
    """Whether a cell is a yes, a no, a date or empty; any other number is a postcode, a phone number or the like."""
    is_number = text.isdigit() and text not in {"0", "1"}
    return not is_number and answer(text, fold_word(text[: MAX_WORDS * 2])) is not None


def _collect_status(column: Column, seen: _Contents, text: str) -> None:
    word = fold_word(text[: MAX_WORDS * 2])
    seen.words.setdefault("" if not word else "?", text)
    said, status = answer(text, word), interpret(column, text)
    if said is not None:
        seen.answers.add(said)
    seen.has_statuses |= said is None and status is not None
    if status is None and len(seen.unknown) < SHOWN_WORDS:
        seen.unknown.setdefault(text)


def _decide(layout: Layout, contents: list[_Contents]) -> Layout:
    unclear: dict[str, list[str]] = {}
    columns = []
    for column, seen in zip(layout.columns, contents, strict=True):
        decided, words = _decide_column(column, seen)
        if words and column.unknown is None:
            unclear[column.name] = words
        columns.append(decided)
    if unclear and not layout.ignores_unknown:
        raise UnclearColumns(unclear)
    speaking = [column for column in columns if column.role in SPEAKING and not column.is_weak]
    return replace(layout, columns=tuple(_adjust(column, speaking, layout) for column in columns))


def _decide_column(column: Column, seen: _Contents) -> tuple[Column, list[str]]:
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
    if column.role not in {Role.IGNORED, *SPEAKING} or seen.is_empty:
        return _ignored_if_weak(column), []
    decided, words = (_ignored_if_weak(column), []) if seen.has_many else _decide_by_words(column, seen.words)
    if decided.role == Role.IGNORED and not words and seen.looks_like_status(column):
        words = [seen.words[word] for word in seen.words if word][:SHOWN_WORDS]
    return decided, words


def _decide_by_words(column: Column, words: dict[str, str]) -> tuple[Column, list[str]]:
    """Decide on a column whose name says little, by what stands in it."""
    statuses = {word: vocabulary.STATUS_OF[word] for word in words if word in vocabulary.STATUS_OF}
    understood = statuses.keys() | (words.keys() & vocabulary.PLAN_WORDS) | (words.keys() & _EMPTY)
    if column.is_weak and column.role == Role.OPT_IN:
        said = {word: answer(text, word) for word, text in words.items()}
        answers = {word for word, one in said.items() if one in {Answer.YES, Answer.NO}}
        understood |= answers | (words.keys() & vocabulary.ANSWER_OF.keys())
        statuses |= dict.fromkeys(answers, ImportStatus.UNSTATED)
    outs = _NOT_IN if column.is_weak else _OUT
    has_outs = bool(statuses.keys() & outs)
    if words.keys() <= understood and statuses and (column.is_weak or statuses.keys() & _TELLTALE):
        role = column.role if column.is_weak else Role.STATUS
        empty = column.empty if column.is_weak or has_outs else ImportStatus.UNSTATED
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


def is_named_for_opt_outs(file_name: str) -> bool:
    """Return whether a file is called as if it held those who must not be mailed: "unsubscribes.csv"."""
    words = fold_words(file_name.rpartition(".")[0] or file_name)
    return any(pattern.search(words) for pattern in phrases.OPT_OUT.values())


def _quoted(words: list[str]) -> str:
    return ", ".join(f"“{word[:30]}”" for word in words)


_EMPTY: Final = frozenset(word for word, said in vocabulary.ANSWER_OF.items() if said == Answer.EMPTY)
_NOT_IN: Final = frozenset(
    word for word, said in vocabulary.STATUS_OF.items() if said > ImportStatus.SUBSCRIBED
)
_OUT: Final = frozenset(word for word, said in vocabulary.STATUS_OF.items() if said in OPT_OUTS)
