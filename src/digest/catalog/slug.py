"""Slugs for URLs: ASCII, stable, and the same for every spelling of a tool's name."""

import hashlib
import re
import unicodedata
from functools import lru_cache

TOOL_CHARS = 120
HASH_CHARS = 8

# Marks that distinguish tools, as words: C++ is not C, and Q* is not Q.
_MARK_WORDS = {"+": " plus ", "#": " sharp ", "*": " star ", "&": " and ", "@": " at ", "%": " percent "}
_WORD = re.compile("[a-z0-9]+")
_ACCENT = re.compile("[\u0300-\u036f]")
_NOT_ASCII = re.compile("[^\x00-\x7f]")


@lru_cache(maxsize=10_000)
def tool_slug(name: str) -> str:
    """The slug of a tool called `name`, at most 120 characters. Two names with one slug are one tool.

    Case, accents, blanks and punctuation do not distinguish tools. Characters outside ASCII (other scripts, emoji)
    do, and a short hash stands for them. No part of a slug is "vs", so that a comparison's slug splits in one
    place only.
    """
    plain = unicodedata.normalize("NFKD", name.casefold())
    kept = "".join(char for char in plain if not _ACCENT.match(char))
    words = _WORD.findall("".join(_MARK_WORDS.get(char, char) for char in kept))
    slug = "-".join("versus" if word == "vs" else word for word in words)
    needs_hash = any(not _is_ignored(char) for char in _NOT_ASCII.findall(kept))
    if slug and not needs_hash and len(slug) <= TOOL_CHARS:
        return slug
    core = "".join(char for char in kept if not _is_ignored(char)) or kept
    suffix = hashlib.sha256(core.encode()).hexdigest()[:HASH_CHARS]
    return f"{(slug or 'tool')[: TOOL_CHARS - HASH_CHARS - 1].rstrip('-')}-{suffix}"


def comparison_slug(left: str, right: str) -> str:
    """The slug of a comparison, from its tools' slugs: at most 244 characters, unique for each ordered pair."""
    return f"{left}-vs-{right}"


def _is_ignored(char: str) -> bool:
    if char in _MARK_WORDS:
        return False
    category = unicodedata.category(char)
    return category[0] in "PZ" or category in {"Cc", "Cf"}
