"""A comparison that may be picked, as plain facts: the ranking and its reasons both look at it."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True)
class Contender:
    """One side of a candidate. Percentages are whole numbers from 0 to 100."""

    tool: str
    slug: str
    panel: int
    community: int | None  # None: no votes yet
    reviewers: int


@dataclass(frozen=True)
class Past:
    """What readers were told of the same comparison before, in which issue."""

    issue: int
    left_panel: int
    right_panel: int


@dataclass(frozen=True)
class Candidate:
    """A comparison that may be picked, as its newest version says it."""

    comparison: int
    version: int
    slug: str
    left: Contender
    right: Contender
    published_at: datetime
    held: int | None = None  # the number of the last issue that held it
    past: Past | None = None  # only when the verdict changed since

    @property
    def name(self) -> str:
        """The two tools, as a headline names them."""
        return f"{self.left.tool} vs {self.right.tool}"

    @property
    def tools(self) -> frozenset[str]:
        """The slugs of its tools."""
        return frozenset((self.left.slug, self.right.slug))
