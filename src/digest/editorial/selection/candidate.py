"""A comparison that may be picked, as plain facts for the ranking and its reasons."""

from dataclasses import dataclass
from datetime import datetime

from digest.catalog.comparison import comparison_title


@dataclass(frozen=True)
class CandidateSide:
    """One side of a candidate. Percentages are whole numbers from 0 to 100."""

    tool: str
    tool_slug: str
    panel_ship: int
    community_ship: int | None  # None: no votes yet
    reviewer_count: int


@dataclass(frozen=True)
class PreviousVerdict:
    """The verdict on the same comparison in an earlier issue."""

    issue_number: int
    left_panel_ship: int
    right_panel_ship: int


@dataclass(frozen=True)
class Candidate:
    """A comparison that may be picked, in its newest version."""

    comparison_id: int
    version_id: int
    slug: str
    left: CandidateSide
    right: CandidateSide
    published_at: datetime
    last_issue_number: int | None = None  # of the last issue that held it
    previous_verdict: PreviousVerdict | None = None  # only when the verdict changed since

    @property
    def title(self) -> str:
        """The comparison's title: both tools."""
        return comparison_title(self.left.tool, self.right.tool)

    @property
    def tool_slugs(self) -> frozenset[str]:
        """The slugs of both tools."""
        return frozenset((self.left.tool_slug, self.right.tool_slug))
