"""What a reviewer's words plainly say: ship it or skip it. A quote has no verdict of its own, so it is read here."""

import re
from typing import Literal

Stance = Literal["ship", "skip"]

_I = r"\bI(?:'d|'m| would| will)?"
_EARNS = r"\b(?:earn(?:s|ed)|gets?|deserves?) (?:the|a|its|an easy)"
_ALONE = r"(?:^|[.,:;!?\u2014] ?|\bor )"
# "Skip it for invoices" or "skip it until it has tests" says when, and not that.
_PLAIN = r"(?!\s+(?:if|for|unless|when|until|only|in|on|as|with)\b)"
_CERTAIN = r"(?!\s*\?|\s+(?:if|unless|when|until|once)\b)"
# "Nothing here earns the ship": in the same clause, in front of the words.
_NEGATED = re.compile(
    r"\b(?:never|nothing|nobody|no one|none|neither|nor|hardly|if)\b[^.,:;!?\u2014]*$", re.IGNORECASE
)
_SHIP = re.compile(
    rf"{_EARNS} ship\b(?!\s+if\b)|{_I} ship(?:ping)? (?:it|this)\b{_CERTAIN}|{_ALONE}ship (?:it|this)\b{_CERTAIN}"
    r"|\b(?:it|this) ships\b(?! with)|\bships because\b|\b(?:it|this) (?:is )?a (?:clear |easy )?ship\b",
    re.IGNORECASE,
)
_SKIP = re.compile(
    rf"{_EARNS} skip\b|{_I} skip(?:ping)? (?:it|this)\b{_PLAIN}|{_ALONE}skip (?:it|this)\b{_PLAIN}"
    r"|\b(?:it|this) skips\b|\b(?:it|this|it's) (?:is )?an? (?:clear |easy |hard )?skip\b"
    r"|\b(?:would not|wouldn't|won't|cannot|can't|don't) ship (?:it|this)\b",
    re.IGNORECASE,
)


def read_stance(text: str) -> Stance | None:
    """`ship` or `skip` when the text says one of them without a condition; None when it says neither or both."""
    text = text.replace("\u2019", "'")
    skips, ships = _says(_SKIP, text), _says(_SHIP, text)
    if skips == ships:
        return None
    return "skip" if skips else "ship"


def _says(stance: re.Pattern[str], text: str) -> bool:
    return any(not _NEGATED.search(text[: match.start()]) for match in stance.finditer(text))
