"""What stands in one column of a file, and whether it may say who is subscribed although its name does not tell."""

from dataclasses import dataclass, field
from typing import Final

from digest.audience.importing.reading import pairs, vocabulary
from digest.audience.importing.reading.cells import answer, interpret
from digest.audience.importing.reading.columns import Column
from digest.audience.importing.reading.folding import fold_word
from digest.audience.importing.reading.statuses import Answer, ImportStatus, NameSense

MAX_WORDS: Final = 40  # a column with more different words holds names or notes, not statuses
SHOWN_WORDS: Final = 6
FEW_WORDS, ROWS_PER_WORD = 3, 4  # fewer words that are repeated more often are statuses rather than names
MAX_ANSWER_CHARS: Final = 12  # of a yes or no in a column that mostly says other things
_ANY_ANSWER: Final = frozenset({NameSense.CONTACT, NameSense.ENDING})
_YES_NO: Final = frozenset({Answer.YES, Answer.NO})


@dataclass
class ColumnContents:
    """What stands in one column."""

    words: dict[str, str] = field(default_factory=dict)  # folded to as written, at most MAX_WORDS
    has_many: bool = False
    answers: set[Answer] = field(default_factory=set)
    has_statuses: bool = False  # words such as "active", beside the answers
    rows: int = 0
    says_more: bool = False  # some cells are neither answers nor dates
    plain_answers: dict[str, str] = field(default_factory=dict)  # yes, no and none, folded to as written
    dash: str = ""  # "-" alone in a cell
    unknown: dict[str, None] = field(default_factory=dict)  # words that were not understood, in order

    def is_settled(self, column: Column) -> bool:
        """Whether further cells change nothing, but for pairs in them: they are names, notes or the like."""
        return (
            self.has_many
            and (self.says_more or column.sense == NameSense.HARMLESS)
            and (column.sense not in _ANY_ANSWER)
        )

    @property
    def is_empty(self) -> bool:
        return not self.has_many and not self.words.keys() - {""}

    def collect_status(self, column: Column, text: str) -> None:
        """Take note of a cell in a column of statuses."""
        word = fold_word(text[: MAX_WORDS * 2])
        self.words.setdefault("" if not word else "?", text)
        said, status = answer(text, word), interpret(column, text)
        if said is not None:
            self.answers.add(said)
        self.has_statuses |= said is None and status is not None
        if status is None:
            self._add_unknown(text)

    def collect(self, column: Column, text: str) -> None:
        """Take note of a cell in any other column."""
        if pairs.may_hold(text) and pairs.read(text) is None and interpret(column, text) is None:
            self._add_unknown(text)
        if self.has_many and len(text) > MAX_ANSWER_CHARS:
            return
        word = fold_word(text[: MAX_WORDS * 2])
        if column.sense != NameSense.HARMLESS:
            self._collect_answer(text, word)
        if not self.has_many:
            self.words.setdefault(word, text)
            self.has_many = len(self.words) > MAX_WORDS

    def _collect_answer(self, text: str, word: str) -> None:
        is_number = text.isdigit() and text not in {"0", "1"}  # a postcode, a phone number or the like
        said = None if is_number else answer(text, word)
        if said is None:
            self.says_more = True
            return
        self.answers.add(said)
        if said in _YES_NO or word in vocabulary.NONE_WORDS:
            self.plain_answers.setdefault(word, text)
        if text and not word:
            self.dash = text

    def _add_unknown(self, text: str) -> None:
        if len(self.unknown) < SHOWN_WORDS:
            self.unknown.setdefault(text)

    def doubts(self, column: Column) -> list[str]:
        """Return the words that may say who is subscribed, given what the column's name says; [] for none."""
        shown = [text for word, text in self.words.items() if word]
        match column.sense:
            case NameSense.CONTACT if self.plain_answers:
                return [*self.plain_answers.values(), *shown]
            case NameSense.ENDING if self.plain_answers or Answer.DATE in self.answers or self._has_few():
                return [*self.plain_answers.values(), *shown]
            case NameSense.UNKNOWN if self._are_answers() or self._are_mixed():
                return shown
            case NameSense.UNREADABLE if not self.says_more or self._are_mixed():
                return shown or [self.dash]
            case NameSense.UNREADABLE if column.name and not column.name.isascii() and self._has_few():
                return shown
        return []

    def _are_answers(self) -> bool:
        """Whether all cells answer a yes-or-no question, and not all of them "x", "1", or a state such as "CO"."""
        if self.says_more or not self.answers & _YES_NO:
            return False
        if len(self.words) > 1 or Answer.NO in self.answers:
            return True
        (only,) = self.plain_answers.values()
        return len(only) > 1 and not _is_code(only)

    def _are_mixed(self) -> bool:
        """Whether some cells say yes or no among few others, as in "yes, no, later"."""
        words = {word: text for word, text in self.words.items() if word}
        spoken = [word for word in self.plain_answers if len(word) > 1 or not word.isascii()]
        is_short = not self.has_many and len(words) <= SHOWN_WORDS
        return bool(spoken) and is_short and not all(map(_is_code, words.values()))

    def _has_few(self) -> bool:
        count = len(self.words.keys() - {""})
        return not self.has_many and 0 < count <= FEW_WORDS and self.rows >= ROWS_PER_WORD * count


def _is_code(text: str) -> bool:
    return len(text) == 2 and text.isascii() and text.isupper()  # noqa: PLR2004 # letters, as in ISO 3166


NOT_SUBSCRIBED_WORDS: Final = frozenset(
    word for word, said in vocabulary.STATUS_OF.items() if said > ImportStatus.SUBSCRIBED
)
