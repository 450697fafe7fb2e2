"""What an issue says, as plain data: the one thing that templates, previews and frozen issues are made from."""

from dataclasses import dataclass
from datetime import date

from pydantic import TypeAdapter


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


@dataclass(frozen=True)
class Side:
    """One tool as the panel and the community saw it. Percentages are whole numbers from 0 to 100."""

    tool: str
    tagline: str
    category: str
    panel_ship: int
    reviewers: int  # how many said something of this side
    community_ship: int | None  # None: no votes yet
    entry_price: str
    description: str

    @property
    def ships(self) -> int:
        """How many of the reviewers say ship: the panel's percentage over their number."""
        return round(self.panel_ship * self.reviewers / 100)


@dataclass(frozen=True)
class Quote:
    """What one reviewer said of one side; `place` is the reviewer's row on the scorecard, from 1."""

    side: str  # left or right
    place: int
    text: str


@dataclass(frozen=True)
class Block:
    """One pick: a comparison in its place in the issue."""

    pick_id: int
    slug: str
    url: str  # of the comparison's public page
    left: Side
    right: Side
    quotes: tuple[Quote, ...]
    note: str  # the editor's, Markdown

    @property
    def topics(self) -> frozenset[str]:
        """What it is about: the categories of both sides."""
        return frozenset(filter(None, (self.left.category, self.right.category)))


@dataclass(frozen=True)
class Edition:
    """One issue's whole content, before it is pressed."""

    issue_id: int
    number: int
    masthead: Masthead
    dated: date
    subject: str
    preheader: str
    intro: str  # Markdown
    blocks: tuple[Block, ...]  # in order; the first leads
    base_url: str  # of the public site, without a slash at the end
    path: str = ""  # of the publication's own pages below it, "/p/<slug>" for all but the first


_ADAPTER = TypeAdapter(Edition)


def to_json(edition: Edition) -> str:
    """The edition as JSON text, for the frozen record."""
    return _ADAPTER.dump_json(edition).decode()


def from_json(text: str) -> Edition:
    """The edition that `to_json` wrote. Raises pydantic.ValidationError when it is not one."""
    return _ADAPTER.validate_json(text)
