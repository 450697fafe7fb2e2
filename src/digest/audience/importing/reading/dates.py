"""Dates in cells: whether a text is one, and whether it is the zero of a spreadsheet or a database."""

import re
from typing import Final

from digest.audience.importing.reading.folding import strip_accents
from digest.audience.importing.reading.vocabulary import entries

DATE_WORDS: Final = frozenset(map(strip_accents, entries("date_words")))
MAX_SHORT_WORD: Final = 1  # "T" and "Z", 年 and 月

# The zeros of MySQL, .NET, Excel and LibreOffice, wherever the year stands.
_ZERO_YEAR = re.compile(r"(?<!\d)(?:0000|0001|1899|1900)(?!\d)")
# The Unix epoch, also as seen west of Greenwich.
_EPOCH = re.compile(
    r"(?<!\d)(?:1970\D+0?1\D+0?1|0?1\D+0?1\D+1970|1969\D+12\D+31|31\D+12\D+1969|12\D+31\D+1969)(?!\d)"
    r"|jan\w*\W+0?1\W+1970|(?<!\d)0?1\W+jan\w*\W+1970",
    re.IGNORECASE,
)
_YEAR = re.compile(r"(?<!\d)(?:19|20)\d\d(?!\d)")
_SHORT = re.compile(r"\d{1,2}([./-])\d{1,2}\1\d{2}(?!\d)")
_TIMESTAMP = re.compile(
    r"[1-9]\d{8,12}(?:\.\d+)?|(?:20)\d{6}(?:\d{6})?"
)  # Unix seconds or milliseconds, 20250304
_SERIAL = re.compile(r"[2-6]\d{4}(?:[.,]\d+)?")  # days since 1899-12-30, as spreadsheets store dates
_LETTERS = re.compile(r"[^\W\d_]+")
MAX_CHARS = 60


def is_zero_date(text: str) -> bool:
    """Return whether a date means "never": 0000-00-00, 1900-01-00, 30.12.1899, 1970-01-01 00:00:00."""
    return len(text) <= MAX_CHARS and bool(_ZERO_YEAR.search(text) or _EPOCH.search(text))


def is_date(text: str) -> bool:
    """Return whether the text is a date or a timestamp in any common spelling, and not a zero date."""
    if len(text) > MAX_CHARS or not any(c.isdigit() for c in text) or is_zero_date(text):
        return False
    if _TIMESTAMP.fullmatch(text) or _SERIAL.fullmatch(text) or _SHORT.match(text):
        return True
    digits = re.findall(r"\d+", text)
    return bool(_YEAR.search(text)) and (len(digits) > 1 or text[:1].isalpha())


def has_only_date_words(text: str) -> bool:
    """Return whether a date's words are months, days, zones and the like: "4 Mar 2025", not "revoked 2025-03-04"."""
    words = (strip_accents(word) for word in _LETTERS.findall(text))
    return all(len(word) <= MAX_SHORT_WORD or word in DATE_WORDS for word in words)
