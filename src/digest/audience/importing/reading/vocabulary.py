"""The words of other tools' exports, from `vocabulary.toml`, folded so that they can be compared."""

import tomllib
from collections.abc import Iterable, Mapping
from importlib import resources
from typing import Any, Final

from digest.audience.importing.reading.folding import fold_word, fold_words, strip_accents
from digest.audience.importing.reading.statuses import Answer, ImportStatus

_TABLES: Final[dict[str, Any]] = tomllib.loads(
    resources.files(__package__).joinpath("vocabulary.toml").read_text("utf-8")
)


def entries(*path: str) -> list[str]:
    """Return the comma-separated entries of one text, by its table and key."""
    found: Any = _TABLES
    for name in path:
        found = found[name]
    return [" ".join(entry.split()) for entry in found.split(",")]


def expressions(table: str) -> list[str]:
    """Return a table's regular expressions, of all languages."""
    return [expression for language in _TABLES[table].values() for expression in language]


def statuses(table: str) -> dict[ImportStatus, list[str]]:
    """Return a table of entries by status, in the file's order."""
    return {ImportStatus[name.upper()]: entries(table, name) for name in _TABLES[table]}


def name_words(key: str) -> frozenset[str]:
    """Return single words of column names."""
    return frozenset(strip_accents(word) for word in entries("name_words", key))


def _by_word(tables: Iterable[Mapping[ImportStatus, list[str]]]) -> dict[str, ImportStatus]:
    return {fold_word(word): status for table in tables for status, words in table.items() for word in words}


UNMISTAKABLE: Final = _by_word([statuses("opt_out_words")])
STATUS_OF: Final = _by_word([statuses("status_words"), statuses("opt_out_words")])
PLAN_WORDS: Final = frozenset(map(fold_word, entries("plan_words")))
ANSWER_OF: Final = {"": Answer.EMPTY} | {
    fold_word(word): said
    for name, said in (("yes", Answer.YES), ("no", Answer.NO), ("empty", Answer.EMPTY))
    for word in entries("answers", name)
}
NONE_WORDS: Final = frozenset(map(fold_word, entries("answers", "none")))
ADDRESS_NAMES: Final = tuple(map(fold_words, entries("address_names")))
