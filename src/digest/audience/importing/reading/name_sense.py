"""What a column's name says when nothing in it makes the column one of statuses."""

import re
from typing import Final

from digest.audience.importing.reading import phrases
from digest.audience.importing.reading.statuses import NameSense

# What pandas, spreadsheets and SQL call a column that has no name.
_PLACEHOLDER: Final = re.compile(
    r"(?:unnamed|untitled|column|col|field|spalte|feld|colonne|champ|columna|campo|colonna|kolom|kolumna|expr) ?\d*"
)
_NUMBER_NAMES: Final = frozenset({"no", "first"})  # "No." and the halves of a name, where nothing else stands


def sense_of(name: str, words: str, tokens: frozenset[str]) -> NameSense:
    """Return the sense of a name, given also as folded words and as the set of them."""
    if not words or _PLACEHOLDER.fullmatch(words):
        return NameSense.UNREADABLE
    if phrases.ENDING.search(words) and not tokens & phrases.ENDING_OF:
        return NameSense.ENDING
    if tokens & phrases.SUBJECTS or words in _NUMBER_NAMES:
        return NameSense.HARMLESS
    if phrases.CONTACT.search(words) or tokens & phrases.ACTIVE_WORDS:
        return NameSense.CONTACT
    is_foreign = any(c.isalpha() and not c.isascii() for c in name)
    if tokens & phrases.TRAITS or (is_foreign and phrases.HARMLESS.search(words)):
        return NameSense.HARMLESS
    return NameSense.UNREADABLE if is_foreign else NameSense.UNKNOWN
