"""What differs between two versions of a comparison, field by field and word by word."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from difflib import SequenceMatcher
from itertools import pairwise
from typing import Final, Literal

from digest.catalog.read import ComparisonView, ReviewView

MOST_WORDS: Final = 1500  # of both texts; longer ones are shown whole, for comparing them takes their square
_FIELDS: Final = {
    "tagline": "tagline",
    "category": "category",
    "panel_ship": "panel",
    "community_ship": "community",
    "entry_price": "entry price",
    "description": "description",
}
_WORD = re.compile(r"\s+|\S+")
Piece = tuple[Literal["same", "gone", "new"], str]


@dataclass(frozen=True)
class Change:
    """One thing that another version says otherwise. `old` or `new` is empty where there was nothing."""

    what: str
    old: str
    new: str

    @property
    def pieces(self) -> list[Piece]:
        """Both texts as one: what is the same, what is gone and what is new, in reading order."""
        return _pieces(self.old, self.new)


def changes(old: ComparisonView, new: ComparisonView) -> list[Change]:
    """What `new` says otherwise than `old`, in the order of the page."""
    return [*_sides(old, new), *_quotes(old, new)]


def history(versions: list[ComparisonView]) -> list[tuple[ComparisonView, list[Change]]]:
    """Each version with what it changed against the one before, the newest first; `versions` come by number."""
    later = [(new, changes(old, new)) for old, new in pairwise(versions)]
    return [*reversed(later), *((first, []) for first in versions[:1])]


def _sides(old: ComparisonView, new: ComparisonView) -> Iterator[Change]:
    for before, after in ((old.left, new.left), (old.right, new.right)):
        for field, name in _FIELDS.items():
            was, now = _said(before, field), _said(after, field)
            if was != now:
                yield Change(f"{after.tool}: {name}", was, now)


def _said(review: ReviewView, field: str) -> str:
    value = getattr(review, field)
    if field == "community_ship" and value is None:
        return "no votes yet"
    return f"{value}% ship" if field.endswith("_ship") else str(value)


def _quotes(old: ComparisonView, new: ComparisonView) -> Iterator[Change]:
    before = {(quote.place, quote.side): quote.text for quote in old.quotes}
    after = {(quote.place, quote.side): quote.text for quote in new.quotes}
    for place, side in sorted(before.keys() | after.keys()):
        was, now = before.get((place, side), ""), after.get((place, side), "")
        if was != now:
            tool = new.left.tool if side == "left" else new.right.tool
            yield Change(f"Reviewer {place} on {tool}", was, now)


def _pieces(old: str, new: str) -> list[Piece]:
    was, now = _WORD.findall(old), _WORD.findall(new)
    if len(was) + len(now) > MOST_WORDS:
        return [("gone", old), ("new", new)]
    found: list[Piece] = []
    for kind, a, b, c, d in SequenceMatcher(None, was, now, autojunk=False).get_opcodes():
        if kind == "equal":
            found.append(("same", "".join(was[a:b])))
            continue
        found += [("gone", "".join(was[a:b]))] if b > a else []
        found += [("new", "".join(now[c:d]))] if d > c else []
    return found
