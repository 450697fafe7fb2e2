"""The topics that readers may choose among: the categories of what the catalog holds."""

from sqlalchemy import select, union
from sqlalchemy.orm import Session

from digest.catalog import read
from digest.catalog.models import Comparison, ComparisonVersion, Review


def known(session: Session) -> list[str]:
    """The categories of both sides of every comparison as it stands, by name."""
    sides = (ComparisonVersion.left_id == Review.id, ComparisonVersion.right_id == Review.id)
    held = [
        select(Review.category).join(ComparisonVersion, side).join(Comparison).where(read.stands())
        for side in sides
    ]
    return sorted(filter(None, session.scalars(union(*held))), key=lambda name: (name.casefold(), name))
