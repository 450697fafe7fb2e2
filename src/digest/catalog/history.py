"""What was said of a tool over time."""

from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from digest.catalog import clean, read
from digest.catalog.models import Comparison, ComparisonVersion, Review, Tool
from digest.errors import NotFound


@dataclass(frozen=True)
class PastReview:
    """One of a tool's reviews, when it came, and the comparisons in which it stands or stood."""

    review: read.ReviewView
    added_at: datetime
    comparisons: tuple[str, ...]  # slugs


def of_tool(session: Session, tool_slug: str) -> list[PastReview]:
    """Every review of a tool, the oldest first. Raises NotFound when there is no such tool."""
    rows = session.execute(
        select(Review, Tool)
        .join(Tool, Review.tool_id == Tool.id)
        .where(Tool.slug == clean.line(tool_slug))
        .order_by(Review.added_at, Review.id)
    )
    reviews = rows.all()
    if not reviews:
        raise NotFound(f"there is no tool {clean.line(tool_slug)}")
    where = _where(session, reviews[0][1].id)
    return [
        PastReview(read.review_view(review, tool), review.added_at, tuple(sorted(where[review.id])))
        for review, tool in reviews
    ]


def _where(session: Session, tool_id: int) -> dict[int, set[str]]:
    version = ComparisonVersion
    reviews = select(Review.id).where(Review.tool_id == tool_id)
    rows = session.execute(
        select(version.left_id, version.right_id, Comparison.slug)
        .join(Comparison)
        .where(or_(version.left_id.in_(reviews), version.right_id.in_(reviews)))
    )
    where: dict[int, set[str]] = defaultdict(set)
    for left, right, slug in rows:
        where[left].add(slug)
        where[right].add(slug)
    return where
