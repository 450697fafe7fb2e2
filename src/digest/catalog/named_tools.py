"""Which tools of the catalog a text names."""

import re
from collections.abc import Iterator

from sqlalchemy import select
from sqlalchemy.orm import Session

from digest.catalog.models import Tool
from digest.catalog.slug import tool_slug

_MAX_WORDS = 6  # of a tool's name
_MAX_CHARS = 20_000
_CHUNK = 500
_WORD = re.compile(r"([^\W_]+)[+#*]*")  # with the marks that belong to names such as C++
_NOT_A_LETTER = re.compile(r"[\W_]+")


def find_named_tools(session: Session, text: str) -> list[str]:
    """Return the names of the tools that `text` names, in order, each once.

    A name counts with any punctuation between its words, and only in its own capitals: "Cursor" is a tool, a cursor
    is not. Of names that overlap, the longest counts. Texts are read up to 20,000 characters.
    """
    text = text[:_MAX_CHARS]
    slugs = {span: tool_slug(text[span[0] : span[1]]) for span in _spans(text)}
    names = _fetch_names(session, sorted(set(slugs.values())))
    spans = [
        span
        for span, slug in slugs.items()
        if slug in names and _letters(names[slug]) == _letters(text[span[0] : span[1]])
    ]
    return list(dict.fromkeys(names[slugs[span]] for span in _without_overlaps(spans)))


def _spans(text: str) -> Iterator[tuple[int, int]]:
    """From where to where each run of one to six words goes, also without the asterisk that ends its emphasis."""
    words = list(_WORD.finditer(text))
    for index, first in enumerate(words):
        for last in words[index : index + _MAX_WORDS]:
            yield from {(first.start(), last.end(1)), (first.start(), last.end())}


def _fetch_names(session: Session, slugs: list[str]) -> dict[str, str]:
    names: dict[str, str] = {}
    for start in range(0, len(slugs), _CHUNK):
        rows = select(Tool.slug, Tool.name).where(Tool.slug.in_(slugs[start : start + _CHUNK]))
        names.update((slug, name) for slug, name in session.execute(rows))
    return names


def _without_overlaps(spans: list[tuple[int, int]]) -> list[tuple[int, int]]:
    kept: list[tuple[int, int]] = []
    for start, end in sorted(spans, key=lambda span: span[0] - span[1]):
        if all(end <= other_start or start >= other_end for other_start, other_end in kept):
            kept.append((start, end))
    return sorted(kept)


def _letters(name: str) -> str:
    return _NOT_A_LETTER.sub("", name)
