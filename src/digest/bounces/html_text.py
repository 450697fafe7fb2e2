"""The text of an HTML part, good enough to be searched for words and addresses."""

import html
import re
from typing import Final

_IGNORED: Final = re.compile(r"<(style|script|head)\b", re.IGNORECASE)
_LINE_END: Final = re.compile(r"<(?:br|p|/p|/div|/tr|/li|/h\d)\b[^<>]{0,200}>", re.IGNORECASE)
_TAG: Final = re.compile(r"</?[a-z!][^<>@]{0,2000}>", re.IGNORECASE)  # `<reader@example.org>` stays


def html_to_text(text: str) -> str:
    """Remove the tags; ends of paragraphs and rows of tables become ends of lines."""
    text = _TAG.sub("", _LINE_END.sub("\n", _without_ignored(text)))
    return html.unescape(text).replace("\xa0", " ")


def _without_ignored(text: str) -> str:
    """Cut out styles and scripts, in one pass."""
    kept, start, lowered = [], 0, text.lower()
    while found := _IGNORED.search(text, start):
        kept.append(text[start : found.start()])
        end = lowered.find(f"</{found[1].lower()}", found.end())
        start = end if end >= 0 else found.end()
    return "".join([*kept, text[start:]])
