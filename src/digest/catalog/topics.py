"""The topics that readers can choose from: the categories in the catalog."""

from sqlalchemy import select, union
from sqlalchemy.orm import Session

from digest.catalog import queries
from digest.catalog.models import Comparison, ComparisonVersion, Review


def list_topics(session: Session) -> list[str]:
    """The categories of both sides of every current comparison, sorted by name."""
    sides = (ComparisonVersion.left_id == Review.id, ComparisonVersion.right_id == Review.id)
    categories = [
        select(Review.category).join(ComparisonVersion, side).join(Comparison).where(queries.is_current())
        for side in sides
    ]
    return sorted(filter(None, session.scalars(union(*categories))), key=lambda name: (name.casefold(), name))
