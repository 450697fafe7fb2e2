"""The entries of a provider's log: lines, or the objects of a JSON export. Each says what became of its email."""

import re
from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Final

MAX_RECORD_CHARS: Final = 1 << 20  # a longer object is cut; its parts are then entries of their own
_BEFORE: Final = "\ufeff \t\r\n"
_TOKEN: Final = re.compile(
    r'"(?:[^"\\]|\\.)*+(?:"|\\?\Z)|[{}]', re.DOTALL
)  # a string may end in the next text
# {"total": 2, "items": [{…}, {…}]}: what stands before the list says nothing of an email.
_WRAPPER: Final = re.compile(
    r'\{\s*(?:"(?!event|type|status)\w+"\s*:\s*(?:"[^"]*"|[\w.]+)\s*,\s*)*"\w+"\s*:\s*\[\s*\{'
)
_JSON_LINES: Final = re.compile(r"\}\s*\n\s*\{")


def split(texts: Iterable[str]) -> Iterator[str]:
    """Yield the entries of a log. Each text is whole lines, or part of a line too long to be held at once."""
    source = iter(texts)
    first = next((text for text in source if text.strip(_BEFORE)), "")
    start = first.lstrip(_BEFORE)
    everything = chain([start], source)
    if start[:1] not in {"[", "{"}:
        return (line for text in everything for line in text.splitlines())
    is_wrapper = _WRAPPER.match(start) and not _JSON_LINES.search(start)
    return _objects(everything, base=1 if is_wrapper else 0)


def _objects(texts: Iterable[str], base: int) -> Iterator[str]:
    """Yield the JSON objects that stand inside `base` others, each with what stands before it."""
    depth, rest = 0, ""  # rest is the beginning of an object, and depth is that before it
    for text in texts:
        held, start, now = rest + text, 0, depth
        for token in _TOKEN.finditer(held):
            now += {"{": 1, "}": -1}.get(token[0], 0)
            if token[0] == "}" and now == base:
                yield held[start : token.end()]
                start, depth = token.end(), base
        rest = held[start:]
        if len(rest) > MAX_RECORD_CHARS:
            yield rest
            depth, rest = base, ""
    if rest.strip():
        yield rest
