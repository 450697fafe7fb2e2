"""What an issue says, as plain data. Mails, previews, public pages and frozen issues are all made from it."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final, Self

import pydantic_core
from pydantic import TypeAdapter

from digest.catalog.comparison import ReviewerQuote, ToolReview, comparison_title

PERCENT: Final = 100


@dataclass(frozen=True)
class Masthead:
    """The publication as the mail shows it."""

    slug: str
    name: str
    tagline: str
    sender_name: str
    sender_address: str
    reply_to: str | None
    postal_address: str
    language: str


@dataclass(frozen=True, kw_only=True)
class Side(ToolReview):
    """One side of a comparison in an issue: the review, and how many reviewers said something about the tool."""

    reviewers: int

    @classmethod
    def from_review(cls, review: ToolReview, reviewers: int) -> Self:
        """The side that shows `review`, given the number of its quotes."""
        return cls(**vars(review), reviewers=reviewers)

    @property
    def ships(self) -> int:
        """How many of the reviewers say ship, from the panel's percentage."""
        return round(self.panel_ship * self.reviewers / PERCENT)


def make_sides(left: ToolReview, right: ToolReview, quotes: Sequence[ReviewerQuote]) -> tuple[Side, Side]:
    """Both sides of a comparison, with their reviewers counted in `quotes`."""
    count = Counter(quote.side for quote in quotes)
    return Side.from_review(left, count["left"]), Side.from_review(right, count["right"])


@dataclass(frozen=True)
class Block:
    """One pick: a comparison at its position in the issue."""

    pick_id: int
    slug: str
    url: str  # of the comparison's public page
    left: Side
    right: Side
    quotes: tuple[ReviewerQuote, ...]
    note: str  # the editor's, Markdown

    @property
    def title(self) -> str:
        """Its name: the two tools."""
        return comparison_title(self.left.tool, self.right.tool)

    @property
    def topics(self) -> frozenset[str]:
        """The categories of both sides, which readers may choose."""
        return frozenset(filter(None, (self.left.category, self.right.category)))


@dataclass(frozen=True)
class Edition:
    """One issue's whole content, before it is compiled."""

    issue_id: int
    number: int
    masthead: Masthead
    dated: date
    subject: str
    preheader: str
    intro: str  # Markdown
    blocks: tuple[Block, ...]  # in order; the first is the lead
    base_url: str  # of the public site, without a trailing slash
    path: str = ""  # of the publication below it: "/p/<slug>" for all but the first


_ADAPTER = TypeAdapter(Edition)
# Frozen issues are kept for years, and the slots of an issue come from a hash of its JSON, so the form is fixed:
# `reviewers` stands before these fields, and a quote's reviewer is called `place`.
_AFTER_REVIEWERS = ("community_ship", "entry_price", "description")


def to_json(edition: Edition) -> str:
    """The edition as JSON text, as a frozen issue stores it."""
    stored = _ADAPTER.dump_python(edition, mode="json")
    for block in stored["blocks"]:
        for side in (block["left"], block["right"]):
            side.update({name: side.pop(name) for name in _AFTER_REVIEWERS})
        block["quotes"] = [
            {"side": quote["side"], "place": quote["reviewer"], "text": quote["text"]}
            for quote in block["quotes"]
        ]
    return pydantic_core.to_json(stored).decode()


def from_json(text: str) -> Edition:
    """The edition that `to_json` wrote. Raises ValueError (pydantic's too) when it is not one."""
    stored = pydantic_core.from_json(text)
    for block in stored["blocks"]:
        for quote in block["quotes"]:
            quote["reviewer"] = quote.pop("place")
    return _ADAPTER.validate_python(stored, strict=False)
