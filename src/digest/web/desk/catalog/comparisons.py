"""Comparisons at the desk: browse, search, and see one with its versions and the issues it was in."""

from typing import Final

from flask import request
from sqlalchemy import select
from sqlalchemy.orm import Session, joinedload

from digest.catalog import queries, version_diff
from digest.catalog.models import ComparisonVersion
from digest.editorial.models import Issue, Pick
from digest.web.desk import current_publication
from digest.web.desk.catalog import blueprint
from digest.web.desk.view_helpers import render_page, services
from digest.web.guards import parse_row_number

PAGE_SIZE: Final = 25
MAX_VERSIONS: Final = 20
MAX_QUERY_CHARS: Final = 200


@blueprint.get("/comparisons")
def comparisons() -> str:
    """All comparisons, or the results of a search, newest first, a page at a time."""
    query = request.args.get("q", "").strip()[:MAX_QUERY_CHARS]
    before = request.args.get("before", type=parse_row_number)
    with services().db.read() as db:
        views = queries.list_page(db, query, before=before, limit=PAGE_SIZE + 1)
        return render_page(
            "comparisons.html",
            views=views[:PAGE_SIZE],
            older=views[PAGE_SIZE - 1].id if len(views) > PAGE_SIZE else None,
            before=before,
            total=queries.count_comparisons(db),
            query=query,
            zone=current_publication.get(db).zone,
        )


@blueprint.get("/comparisons/<slug>")
def comparison(slug: str) -> str:
    """One comparison, what each version changed, and which issues had which version."""
    with services().db.read() as db:
        view = queries.get_by_slug(db, slug)
        rows = _latest_versions(db, view.id)
        views = queries.fetch_by_version(db, [row.id for row in rows])
        in_order = [views[row.id] for row in rows]
        return render_page(
            "comparison.html",
            view=view,
            issues=_issues_with(db, view.id),
            versions=version_diff.version_history(in_order),
            imported={row.id: row.imported_at for row in rows},
            zone=current_publication.get(db).zone,
        )


def _latest_versions(db: Session, comparison_id: int) -> list[ComparisonVersion]:
    """The latest versions, oldest first."""
    rows = select(ComparisonVersion).where(ComparisonVersion.comparison_id == comparison_id)
    return list(db.scalars(rows.order_by(ComparisonVersion.number.desc()).limit(MAX_VERSIONS)))[::-1]


def _issues_with(db: Session, comparison_id: int) -> list[tuple[Issue, int]]:
    """The issues that include it, each with the version's number."""
    rows = (
        select(Issue, ComparisonVersion.number)
        .join(Pick, Pick.issue_id == Issue.id)
        .join(ComparisonVersion, ComparisonVersion.id == Pick.version_id)
        .where(Pick.comparison_id == comparison_id)
        .options(joinedload(Issue.publication))
        .order_by(Issue.number)
    )
    return [(issue, number) for issue, number in db.execute(rows)]
