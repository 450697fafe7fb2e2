"""What was said about a tool over time."""

from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import or_, select
from sqlalchemy.orm import Session, aliased

from digest.catalog import clean, queries
from digest.catalog.comparison import ToolReview, comparison_title
from digest.catalog.models import Comparison, ComparisonVersion, Review, Tool
from digest.errors import NotFound


@dataclass(frozen=True)
class PastReview:
    """One of a tool's reviews, when it was added, and the comparisons that use it or used it."""

    review: ToolReview
    added_at: datetime
    comparisons: tuple[tuple[str, str], ...]  # slug and title


def list_tool_reviews(session: Session, tool_slug: str) -> list[PastReview]:
    """Every review of a tool, the oldest first. Raises NotFound when there is no such tool."""
    rows = session.execute(
        select(Review, Tool)
        .join(Tool, Review.tool_id == Tool.id)
        .where(Tool.slug == clean.single_line(tool_slug))
        .order_by(Review.added_at, Review.id)
    ).all()
    if not rows:
        raise NotFound(f"there is no tool {clean.single_line(tool_slug)}")
    comparisons = _comparisons_by_review(session, rows[0][1].id)
    return [
        PastReview(queries.build_review(review, tool), review.added_at, tuple(sorted(comparisons[review.id])))
        for review, tool in rows
    ]


def _comparisons_by_review(session: Session, tool_id: int) -> dict[int, set[tuple[str, str]]]:
    version, left_review, right_review = ComparisonVersion, aliased(Review), aliased(Review)
    left_tool, right_tool = aliased(Tool), aliased(Tool)
    reviews = select(Review.id).where(Review.tool_id == tool_id)
    rows = session.execute(
        select(version.left_id, version.right_id, Comparison.slug, left_tool.name, right_tool.name)
        .join(Comparison, Comparison.id == version.comparison_id)
        .join(left_review, left_review.id == version.left_id)
        .join(left_tool, left_tool.id == left_review.tool_id)
        .join(right_review, right_review.id == version.right_id)
        .join(right_tool, right_tool.id == right_review.tool_id)
        .where(or_(version.left_id.in_(reviews), version.right_id.in_(reviews)))
    )
    comparisons: dict[int, set[tuple[str, str]]] = defaultdict(set)
    for left_id, right_id, slug, left_name, right_name in rows:
        named = (slug, comparison_title(left_name, right_name))
        comparisons[left_id].add(named)
        comparisons[right_id].add(named)
    return comparisons
