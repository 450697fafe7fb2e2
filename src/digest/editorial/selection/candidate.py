"""A comparison that may be picked, as plain facts: the ranking and its reasons both look at it."""

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
    """What readers were told of the same comparison before, in which issue."""

    issue_number: int
    left_panel_ship: int
    right_panel_ship: int


@dataclass(frozen=True)
class Candidate:
    """A comparison that may be picked, as its newest version says it."""

    comparison_id: int
    version_id: int
    slug: str
    left: CandidateSide
    right: CandidateSide
    published_at: datetime
    last_issue_number: int | None = None  # the number of the last issue that held it
    previous_verdict: PreviousVerdict | None = None  # only when the verdict changed since

    @property
    def title(self) -> str:
        """The two tools, as a headline names them."""
        return comparison_title(self.left.tool, self.right.tool)

    @property
    def tool_slugs(self) -> frozenset[str]:
        """The slugs of its tools."""
        return frozenset((self.left.tool_slug, self.right.tool_slug))
