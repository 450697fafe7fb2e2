"""What differs between two versions of a comparison, field by field and word by word."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from difflib import SequenceMatcher
from itertools import pairwise
from typing import Final, Literal

from digest.catalog.comparison import FIELD_RULES, REVIEW_FIELDS, ComparisonView

MAX_WORDS: Final = (
    1500  # of both texts together; comparing takes their square, so longer ones are shown whole
)

_WORD = re.compile(r"\s+|\S+")
DiffPart = tuple[Literal["same", "removed", "added"], str]


@dataclass(frozen=True)
class FieldChange:
    """One field that differs. `old` or `new` is empty where there was nothing."""

    label: str
    old: str
    new: str

    @property
    def parts(self) -> list[DiffPart]:
        """Both texts as one, in reading order: what stayed, what was removed and what was added."""
        return _diff_words(self.old, self.new)


def diff_versions(old: ComparisonView, new: ComparisonView) -> list[FieldChange]:
    """Every field that differs, in the order of the page."""
    return [*_diff_sides(old, new), *_diff_quotes(old, new)]


def version_history(versions: list[ComparisonView]) -> list[tuple[ComparisonView, list[FieldChange]]]:
    """Each version with its changes against the one before, the newest first. `versions` are in order of number."""
    later = [(new, diff_versions(old, new)) for old, new in pairwise(versions)]
    return [*reversed(later), *((first, []) for first in versions[:1])]


def _diff_sides(old: ComparisonView, new: ComparisonView) -> Iterator[FieldChange]:
    for before, after in ((old.left, new.left), (old.right, new.right)):
        for name in REVIEW_FIELDS:
            was, now = before.display(name), after.display(name)
            if was != now:
                yield FieldChange(f"{after.tool}: {FIELD_RULES[name].label.lower()}", was, now)


def _diff_quotes(old: ComparisonView, new: ComparisonView) -> Iterator[FieldChange]:
    before = {(quote.reviewer, quote.side): quote.text for quote in old.quotes}
    after = {(quote.reviewer, quote.side): quote.text for quote in new.quotes}
    for reviewer, side in sorted(before.keys() | after.keys()):
        was, now = before.get((reviewer, side), ""), after.get((reviewer, side), "")
        if was != now:
            tool = new.left.tool if side == "left" else new.right.tool
            yield FieldChange(f"Reviewer {reviewer} on {tool}", was, now)


def _diff_words(old: str, new: str) -> list[DiffPart]:
    before, after = _WORD.findall(old), _WORD.findall(new)
    if len(before) + len(after) > MAX_WORDS:
        return [("removed", old), ("added", new)]
    parts: list[DiffPart] = []
    for kind, a, b, c, d in SequenceMatcher(None, before, after, autojunk=False).get_opcodes():
        if kind == "equal":
            parts.append(("same", "".join(before[a:b])))
            continue
        parts += [("removed", "".join(before[a:b]))] if b > a else []
        parts += [("added", "".join(after[c:d]))] if d > c else []
    return parts
