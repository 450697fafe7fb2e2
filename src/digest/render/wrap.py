"""Plain text to a width, as a person would break it."""

import re
import unicodedata
from functools import cache

from digest.bidi import balance_lines

COLUMNS = 72

# Chinese and Japanese are written without spaces: a line may end behind each of these characters (UAX 14, ID).
IDEOGRAPHS = "\u2e80-\u312f\u3190-\ua4cf\uf900-\ufaff\ufe30-\ufe4f\uff01-\uff60\U00020000-\U0003fffd"
_CLOSING = "、。，．：；！？）」』】〉》〕々ー…ぁぃぅぇぉっゃゅょァィゥェォッャュョ"  # noqa: RUF001
_OPENING = "（「『【〈《〔"  # noqa: RUF001
_WORD = f"(?:(?![{IDEOGRAPHS}])[^ \t\n])+"
_UNITS = re.compile(f"[ \t\n]+|[{_OPENING}]*(?:[{IDEOGRAPHS}]|{_WORD})[{_CLOSING}]*")


def paragraph(text: str, *, first: str = "", rest: str | None = None) -> str:
    """One paragraph in lines of 72 columns; `first` and `rest` open its lines; a longer word is not cut."""
    rest = first if rest is None else rest
    lines = balance_lines(to_columns(text, COLUMNS - max(display_width(first), display_width(rest))))
    return "\n".join(f"{rest if place else first}{line}" for place, line in enumerate(lines))


def to_columns(text: str, columns: int) -> list[str]:
    """The text in lines of at most `columns`, runs of blanks as one; a word that is longer has a line of its own."""
    lines, width, blank = [""], 0, False
    for match in _UNITS.finditer(text.strip(" \t\n")):
        unit = match[0]
        if unit[0] in " \t\n":
            blank = True
            continue
        more = display_width(unit)
        if lines[-1] and width + blank + more > columns:
            lines.append(unit)
            width = more
        else:
            lines[-1] += f" {unit}" if blank and lines[-1] else unit
            width = width + more + blank if width else more
        blank = False
    return lines if lines[-1] else []


def display_width(text: str) -> int:
    """The columns that a text takes in a monospaced font: two for an ideograph, none for a combining mark."""
    return len(text) if text.isascii() else sum(map(_columns, text))


@cache
def _columns(character: str) -> int:
    if unicodedata.category(character) in {"Mn", "Me", "Cf"}:
        return 0
    return 2 if unicodedata.east_asian_width(character) in {"W", "F"} else 1


def rule(mark: str) -> str:
    """A line across the page."""
    return mark * COLUMNS


def justify(left: str, right: str) -> str:
    """Two words at the two ends of a line, or below one another when they do not fit."""
    gap = COLUMNS - display_width(left) - display_width(right)
    return f"{left}{' ' * gap}{right}" if gap > 1 else f"{left}\n{right}"


def bar(percent: int) -> str:
    """A percentage as ten marks: `[########--]`."""
    full = max(0, min(10, round(percent / 10)))
    return f"[{'#' * full}{'-' * (10 - full)}]"
