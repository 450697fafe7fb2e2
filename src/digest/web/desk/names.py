"""What a comparison is called in a sentence."""

from sqlalchemy import select
from sqlalchemy.orm import Session

from digest.catalog import queries
from digest.catalog.comparison import ComparisonView
from digest.catalog.models import ComparisonVersion


def newest(db: Session, comparisons: set[int]) -> dict[int, ComparisonView]:
    """The newest view of each of these comparisons, by its number."""
    rows = select(ComparisonVersion.comparison_id, ComparisonVersion.id)
    rows = rows.where(ComparisonVersion.comparison_id.in_(comparisons)).order_by(ComparisonVersion.number)
    last = dict(db.execute(rows).all())
    views = queries.fetch_by_version(db, last.values())
    return {number: views[version] for number, version in last.items()}


def versus(db: Session, number: int) -> str:
    """The comparison by its tools, "SmolLM3 vs Mistral-Next"; empty when there is none of that number."""
    view = newest(db, {number}).get(number)
    return view.title if view else ""
