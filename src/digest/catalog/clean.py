"""What is taken out of text that comes from outside: what templates and databases choke on."""

import re
from typing import Any

# A blank to the eye that would otherwise glue two words together when it goes: tab, VT, FF, NEL, LS, PS.
_BREAKS = re.compile("[\t\v\f\x85\u2028\u2029]")
# XML (and so MJML) forbids these, PostgreSQL the NUL and lone surrogates; a byte order mark is no text.
_NEVER = re.compile("[\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f\ufeff\ufffe\uffff\ud800-\udfff]")
_CLEAN = re.compile("[\n -~\xa0-\u2027\u202a-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]*+")
_VISIBLE = re.compile("[^\\s\xad\u200b-\u200f\u202a-\u202e\u2060-\u206f]")
_NEWLINE = re.compile("\r\n?")


def controls(text: str) -> str:
    r"""`text` without control characters and byte order marks; its lines end in \n. All else stays."""
    if _CLEAN.fullmatch(text):  # nearly always, and three times as fast
        return text
    return _NEVER.sub("", _BREAKS.sub(" ", _NEWLINE.sub("\n", text)))


def lines(text: str) -> list[str]:
    """The lines of cleaned `text`, trimmed; one that shows nothing is empty."""
    return [line.strip() if _VISIBLE.search(line) else "" for line in text.split("\n")]


def passage(text: Any) -> Any:
    """Text of one or more lines: cleaned, trimmed, without blank lines. What is no text comes back as it is."""
    return "\n".join(line for line in lines(controls(text)) if line) if isinstance(text, str) else text


def line(text: Any) -> Any:
    """Text of a single line: as a passage, and a line break becomes a blank."""
    return passage(text).replace("\n", " ") if isinstance(text, str) else text
