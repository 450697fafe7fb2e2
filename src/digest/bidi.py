"""Keeps text from elsewhere from reordering ours (Unicode Standard Annex 9): each foreign text is isolated.

A name in Arabic or Hebrew would otherwise pull our figures and full stops to its own side: "75%" becomes "%75". In
HTML a `<bdi>` isolates, in plain text the characters FSI and PDI. Text without right-to-left letters needs neither.
"""

import re
import unicodedata
from collections.abc import Iterable

from markupsafe import Markup, escape

FSI, PDI = "\u2068", "\u2069"
_ISOLATES = re.compile(f"[{FSI}{PDI}]")
_ISOLATED = re.compile(f"{FSI}[^{PDI}]*{PDI}")
_EXPLICIT = re.compile("[\u202a-\u202e\u2066-\u2069]")  # overrides, embeddings and isolates of somebody else
_RIGHT_TO_LEFT = frozenset({"R", "AL", "AN"})


def has_rtl(text: str) -> bool:
    """Whether the text holds letters or digits that run from right to left."""
    return not text.isascii() and any(unicodedata.bidirectional(letter) in _RIGHT_TO_LEFT for letter in text)


def sentence_direction(text: str) -> str:
    """`rtl` or `ltr`: by the first letter with a direction that stands outside isolates (rules P2 and P3).

    `dir="auto"` of HTML looks into isolates, so that a sentence of ours that begins with an Arabic name would run from
    right to left.
    """
    for letter in _ISOLATED.sub("", text):
        direction = unicodedata.bidirectional(letter)
        if direction in {"L", "R", "AL"}:
            return "ltr" if direction == "L" else "rtl"
    return "ltr"


def isolate(text: str) -> str:
    """The text as a part of a line of ours, plain: between FSI and PDI when it has right-to-left letters.

    Overrides and embeddings are dropped: they exist to show letters in another order than they are written in.
    """
    text = _EXPLICIT.sub("", text)
    return f"{FSI}{text}{PDI}" if has_rtl(text) else text


def isolate_html(text: str) -> Markup:
    """The text as a part of a line of ours, escaped: in a `<bdi>` when it has right-to-left letters.

    FSI and PDI stand inside, for mail programs that drop the element.
    """
    isolated = isolate(text)
    return Markup("<bdi>{}</bdi>").format(isolated) if isolated.startswith(FSI) else escape(isolated)


def isolate_names(text: str, names: Iterable[str]) -> str:
    """A text of an editor, such as a subject, in which each of these names is isolated wherever it stands."""
    text = _ISOLATES.sub("", text)
    foreign = sorted({_EXPLICIT.sub("", name) for name in names if has_rtl(name)}, key=len, reverse=True)
    if not foreign:
        return text
    return re.sub("|".join(map(re.escape, foreign)), lambda found: f"{FSI}{found[0]}{PDI}", text)


def balance_lines(lines: list[str]) -> list[str]:
    """Lines of a wrapped text with isolates that end with their line, as those of plain text do."""
    depth, balanced = 0, []
    for line in lines:
        before, depth = depth, depth + line.count(FSI) - line.count(PDI)
        balanced.append(f"{FSI * before}{line}{PDI * max(depth, 0)}")
    return balanced
