"""Removes from imported text what templates and databases cannot handle."""

import re
from typing import Any

# They look like a blank, so removing them would join two words: tab, VT, FF, NEL, LS, PS.
_BREAKS = re.compile("[\t\v\f\x85\u2028\u2029]")
# XML (and so MJML) forbids these, PostgreSQL refuses NUL and lone surrogates, and a byte order mark is not text.
_FORBIDDEN = re.compile("[\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f\ufeff\ufffe\uffff\ud800-\udfff]")
_CLEAN = re.compile("[\n -~\xa0-\u2027\u202a-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]*+")
_VISIBLE = re.compile("[^\\s\xad\u200b-\u200f\u202a-\u202e\u2060-\u206f]")
_NEWLINE = re.compile("\r\n?")


def strip_controls(text: str) -> str:
    r"""`text` without control characters and byte order marks; its lines end in \n. Everything else stays."""
    if _CLEAN.fullmatch(text):  # the usual case, three times as fast
        return text
    return _FORBIDDEN.sub("", _BREAKS.sub(" ", _NEWLINE.sub("\n", text)))


def trimmed_lines(text: str) -> list[str]:
    """The lines of cleaned `text`, trimmed; a line without visible characters becomes empty."""
    return [line.strip() if _VISIBLE.search(line) else "" for line in text.split("\n")]


def multiline(text: Any) -> Any:
    """Text of one or more lines: cleaned, trimmed, without blank lines. Other values are returned unchanged."""
    return (
        "\n".join(line for line in trimmed_lines(strip_controls(text)) if line)
        if isinstance(text, str)
        else text
    )


def single_line(text: Any) -> Any:
    """Text of a single line: as `multiline`, with line breaks as blanks."""
    return multiline(text).replace("\n", " ") if isinstance(text, str) else text
