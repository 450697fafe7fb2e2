"""Comparing words across languages and spellings: case, accents, full-width forms and separators do not count."""

import re
import unicodedata

_CAMEL = re.compile(r"(?<=[^\W\d_A-Z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][^\W\d_A-Z])")
_SEPARATORS = re.compile(r"[\W_]+")
_CHECK_MARKS = str.maketrans(dict.fromkeys("✓✔☑✅🗸√", " yes ") | dict.fromkeys("✗✘☐❌❎", " no "))


def fold_words(text: str) -> str:
    """Return lower-case words separated by single spaces: "HasOptedOut" and "HAS_OPTED-OUT" are "has opted out"."""
    if not text.isascii():
        text = unicodedata.normalize("NFKC", text.translate(_CHECK_MARKS))
    if not text.isupper() and not text.islower():
        text = _CAMEL.sub(" ", text)
    return _SEPARATORS.sub(" ", strip_accents(text)).strip()


def fold_word(text: str) -> str:
    """Return a cell's letters and digits: "Opted-Out" is "optedout"; check marks are "yes" and crosses "no".

    Of a cell with neither, its symbols are the word: "+", "○", "👍". Dashes and other punctuation are nothing.
    """
    if text.isascii():
        return _SEPARATORS.sub("", text.lower()) or ("+" if "+" in text else "")
    plain = unicodedata.normalize("NFKC", text.translate(_CHECK_MARKS))
    return _SEPARATORS.sub("", strip_accents(plain)) or _symbols(plain)


def _symbols(text: str) -> str:
    return "".join(c for c in text if unicodedata.category(c) in {"So", "Sm"})


def strip_accents(text: str) -> str:
    """Return text in lower case without accents, so that "Désabonné" and "DESABONNE" are one."""
    if text.isascii():
        return text.lower()
    parts = unicodedata.normalize("NFD", text.casefold())
    return (
        "".join(c for c in parts if unicodedata.category(c) != "Mn")
        .replace("\u0131", "i")
        .replace("\u0142", "l")
    )
