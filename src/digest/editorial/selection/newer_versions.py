"""Which picks of an issue hold an older version of their comparison than the current one."""

from sqlalchemy import select
from sqlalchemy.orm import Session

from digest.catalog import queries
from digest.catalog.models import Comparison, ComparisonVersion
from digest.editorial.models import Issue, Pick


def find_newer_versions(session: Session, issue: Issue) -> dict[int, int]:
    """Return comparison id -> current version id, of the picks that hold an older version."""
    rows = (
        select(Pick.comparison_id, ComparisonVersion.id)
        .join(Comparison, Pick.comparison_id == Comparison.id)
        .join(ComparisonVersion, ComparisonVersion.comparison_id == Comparison.id)
        .where(Pick.issue_id == issue.id, queries.is_current(), ComparisonVersion.id != Pick.version_id)
    )
    return dict(session.execute(rows).all())
