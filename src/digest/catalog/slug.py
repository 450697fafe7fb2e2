"""Names for addresses: ASCII, stable, and the same for every spelling of one tool's name."""

import hashlib
import re
import unicodedata
from functools import lru_cache

TOOL_CHARS = 120
HASH_CHARS = 8

# What a mark says where it tells two tools apart: C++ is not C, and Q* is not Q.
_SAID = {"+": " plus ", "#": " sharp ", "*": " star ", "&": " and ", "@": " at ", "%": " percent "}
_WORD = re.compile("[a-z0-9]+")
_ACCENT = re.compile("[\u0300-\u036f]")
_LOST = re.compile("[^\x00-\x7f]")


@lru_cache(maxsize=10_000)
def tool_slug(name: str) -> str:
    """The slug of a tool called `name`, at most 120 characters. Two names with one slug are one tool.

    Case, accents, blanks and punctuation do not tell tools apart. What ASCII cannot say (other scripts, emoji)
    does: a few characters of a hash stand for it. No part of a slug is "vs", so that a comparison's splits in
    one place only.
    """
    plain = unicodedata.normalize("NFKD", name.casefold())
    kept = "".join(char for char in plain if not _ACCENT.match(char))
    words = _WORD.findall("".join(_SAID.get(char, char) for char in kept))
    slug = "-".join("versus" if word == "vs" else word for word in words)
    lost = any(not _unimportant(char) for char in _LOST.findall(kept))
    if slug and not lost and len(slug) <= TOOL_CHARS:
        return slug
    core = "".join(char for char in kept if not _unimportant(char)) or kept
    mark = hashlib.sha256(core.encode()).hexdigest()[:HASH_CHARS]
    return f"{(slug or 'tool')[: TOOL_CHARS - HASH_CHARS - 1].rstrip('-')}-{mark}"


def comparison_slug(left: str, right: str) -> str:
    """The slug of a comparison, from its tools' slugs: at most 244 characters, another for each pair."""
    return f"{left}-vs-{right}"


def _unimportant(char: str) -> bool:
    if char in _SAID:
        return False
    kind = unicodedata.category(char)
    return kind[0] in "PZ" or kind in {"Cc", "Cf"}
